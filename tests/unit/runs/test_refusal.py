"""The words and the field of a refusal."""

from __future__ import annotations

import pytest

from antiphon.models.quotation import QuotedText
from antiphon.retrieve.passage import Retrieved
from antiphon.runs.refusal import Finding, as_finding, finding_of, refusal_of, refusal_text
from antiphon.testing.flows import sample_passage


def finding(**changes: object) -> Finding:
    result = Retrieved(passages=[sample_passage(1, document="Plan [1]")], coverage=0.1, evidence=0.2, searched=1)
    return finding_of(result, **{"workspaces": 1, "documents": None, **changes})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("language", "documents", "said"),
    [
        ("en", None, "Searched: 1 passage of 1 workspace. The nearest documents: “Title of Plan [1]”."),
        ("en", 2, "Searched: 2 chosen documents. The nearest documents: “Title of Plan [1]”."),
        ("zh", None, "已检索1 个工作区的 1 个段落。最接近的文档：《Title of Plan [1]》。"),
        ("zh", 2, "已检索所选的 2 份文档。最接近的文档：《Title of Plan [1]》。"),
    ],
)
def test_it_names_what_was_searched_and_what_came_nearest(language: str, documents: int | None, said: str) -> None:
    pieces = list(refusal_text(finding(documents=documents), language))
    assert "".join(pieces).endswith(f"\n\n{said}")
    assert [piece for piece in pieces if "[1]" in piece] == ["Title of Plan [1]"]
    assert all(isinstance(piece, QuotedText) for piece in pieces if "[1]" in piece), "a title holds no citation"


def test_the_field() -> None:
    nearest = [{"document_id": "Plan [1]", "title": "Title of Plan [1]"}]
    assert refusal_of(finding(documents=3)) == {
        "reason": "low_evidence", "nearest": nearest, "searched": 1, "workspaces": 1, "documents": 3,
    }  # fmt: skip
    empty = finding_of(Retrieved(passages=[], coverage=0.0), workspaces=2, documents=None)
    assert refusal_of(empty) == {"reason": "nothing_found", "nearest": [], "searched": 0, "workspaces": 2}
    assert list(refusal_text(empty, "en"))[-1] == "\n\nSearched: 0 passages of 2 workspaces."


def test_a_document_is_named_once_and_three_at_most() -> None:
    passages = [sample_passage(n, document=name) for n, name in enumerate("aabbcde", start=1)]
    found = finding_of(Retrieved(passages=passages, coverage=0.0), workspaces=1, documents=None)
    assert [one["document_id"] for one in found.nearest] == ["a", "b", "c"]


def test_through_a_port() -> None:
    given = {"low": True, "value": None, "coverage": 0.0, "nearest": [], "searched": 3, "workspaces": 1}
    assert as_finding(given) == Finding(low=True, value=None, coverage=0.0, nearest=[], searched=3, workspaces=1)
    assert as_finding(None) is None
