"""Ranked chunks -> passages: chunks that follow each other on a page become one. Pure but for the given page text.

The joined text is again exactly page_text[start:end], white space between the chunks included; a passage keeps the rank,
score and id of its best chunk. Tests: tests/unit/retrieve/test_neighbours.py.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from msgspec import Struct

from antiphon.storage.lexical.anchor_ranges import joined
from antiphon.storage.lexical.contract import Chunk, ScoredChunk
from antiphon.storage.lexical.tokens import COLUMN_SEPARATOR

LONGEST_PASSAGE_CHARACTERS: Final = 3_000


class Found(Struct, kw_only=True):
    """A passage in the making. `first`, `last`: ordinals of its chunks. `tokens`: of its chunks, titles included."""

    chunk_id: int
    document_id: str
    version: int
    page: int
    anchor: str | None
    start: int
    end: int
    text: str
    score: float
    heading_path: list[str]
    tokens: set[str]
    first: int
    last: int


def join_neighbours(
    ranked: Sequence[ScoredChunk], *, k: int, page_text: Callable[[ScoredChunk], str | None]
) -> list[Found]:  # fmt: skip
    """The best `k` passages in rank order. Chunks behind the k-th passage may still join one of the first k."""
    found: list[Found] = []
    for scored in ranked:
        neighbour = next((passage for passage in found if _follows(passage, scored.chunk)), None)
        if neighbour is not None and _join(neighbour, scored, page_text):
            continue
        if len(found) < k:
            found.append(_alone(scored))
    return found


def _follows(passage: Found, chunk: Chunk) -> bool:
    return (
        passage.document_id == chunk.document_id
        and passage.version == chunk.version
        and passage.page == chunk.page
        and chunk.ordinal in {passage.first - 1, passage.last + 1}
        and max(passage.end, chunk.end) - min(passage.start, chunk.start) <= LONGEST_PASSAGE_CHARACTERS
    )


def _join(passage: Found, scored: ScoredChunk, page_text: Callable[[ScoredChunk], str | None]) -> bool:
    chunk = scored.chunk
    text = page_text(scored)
    start, end = min(passage.start, chunk.start), max(passage.end, chunk.end)
    if text is None or len(text) < end:
        return False
    if chunk.ordinal < passage.first:
        passage.anchor = joined(chunk.anchor, passage.anchor) if chunk.anchor else chunk.anchor
        passage.heading_path = chunk.heading_path
    elif passage.anchor:
        passage.anchor = joined(passage.anchor, chunk.anchor)
    passage.start, passage.end, passage.text = start, end, text[start:end]
    passage.first, passage.last = min(passage.first, chunk.ordinal), max(passage.last, chunk.ordinal)
    passage.tokens |= _tokens(chunk)
    return True


def _alone(scored: ScoredChunk) -> Found:
    chunk = scored.chunk
    return Found(
        chunk_id=chunk.chunk_id, document_id=chunk.document_id, version=chunk.version, page=chunk.page, anchor=chunk.anchor,
        start=chunk.start, end=chunk.end, text=chunk.text, score=scored.score, heading_path=chunk.heading_path,
        tokens=_tokens(chunk), first=chunk.ordinal, last=chunk.ordinal,
    )  # fmt: skip


def _tokens(chunk: Chunk) -> set[str]:
    return set(chunk.tokens.replace(COLUMN_SEPARATOR, " ").split())
