"""runs/sources.py"""

from __future__ import annotations

import msgspec

from antiphon.runs.sources import MAX_SNIPPET_CHARACTERS, source_of
from antiphon.testing.flows import sample_passage


def test_a_source_is_a_passage_with_its_number_and_place() -> None:
    assert source_of(3, sample_passage(7, document="doc_b")) == {
        "n": 3, "source_id": "doc_b:1:7", "workspace_id": "ws_1", "document_id": "doc_b", "version": 1, "title": "Title of doc_b",
        "media_type": "text/plain", "start": 700, "end": 717, "chunk_id": 7, "score": 0.142857, "snippet": "Passage number 7.", "page": 1,
    }  # fmt: skip


def test_page_and_anchor_are_there_when_the_passage_has_them() -> None:
    passage = msgspec.structs.replace(sample_passage(1), page=None, anchor="top")
    source = source_of(1, passage)
    assert "page" not in source
    assert source["anchor"] == "top"


def test_a_long_passage_is_cut_to_its_snippet() -> None:
    assert source_of(1, sample_passage(1, text="🙂" * 1500))["snippet"] == "🙂" * MAX_SNIPPET_CHARACTERS
