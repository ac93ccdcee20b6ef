"""The shape of one entry of the `sources` event (docs/protocol.md section 4), made from a retrieved passage.

Used by runs/live.py and by conversations. Tests: tests/unit/runs/test_sources.py.
"""

from __future__ import annotations

from typing import Any

from antiphon.retrieve.passage import Passage

MAX_SNIPPET_CHARACTERS = 1000


def source_of(n: int, passage: Passage) -> dict[str, Any]:
    """`n` counts from 1. `source_id` is stable for the place: document, version and chunk."""
    source: dict[str, Any] = {
        "n": n,
        "source_id": f"{passage.document_id}:{passage.version}:{passage.chunk_id}",
        "workspace_id": passage.workspace_id,
        "document_id": passage.document_id,
        "version": passage.version,
        "title": passage.title,
        "media_type": passage.media_type,
        "start": passage.start,
        "end": passage.end,
        "chunk_id": passage.chunk_id,
        "score": round(passage.score, 6),
        "snippet": passage.text[:MAX_SNIPPET_CHARACTERS],
    }
    if passage.page is not None:
        source["page"] = passage.page
    if passage.anchor is not None:
        source["anchor"] = passage.anchor
    return source
