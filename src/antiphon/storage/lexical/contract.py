"""`LexicalIndex`: contract for chunks and their lexical search. Backend now: sqlite.py (FTS5, contentless).

One table per workspace (bm25 must not rank with other tenants' statistics). Every search is joined to the live
documents (not deleted, version equal, searchable), so ghosts fall away; scope is applied before scoring.
Conformance: antiphon.testing.conformance.lexical. Source of the recipe: docs/subsystems/retrieval.md.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

from msgspec import Struct

from antiphon.access.scope import Scope
from antiphon.storage.records.contract import Transaction


class Chunk(Struct, frozen=True, kw_only=True):
    """An indexed piece with its place. `start`, `end`: code points in the stored text of `page`, half open, and
    `text == page_text[start:end]`. `tokens` are those of `indexed_text` by `tokeniser_version`, kept so that the chunk
    can be taken out of a contentless table again with exactly the tokens it was put in with."""

    document_id: str
    workspace_id: str
    version: int
    ordinal: int
    page: int
    anchor: str | None = None
    start: int
    end: int
    text: str
    heading_path: list[str] = []
    tokeniser_version: str
    tokens: str
    chunk_id: int = 0


class ScoredChunk(Struct, frozen=True, kw_only=True):
    """`score` > 0, higher is better, comparable within one search only."""

    chunk: Chunk
    score: float


class SearchFilter(Struct, frozen=True, kw_only=True):
    """None: no restriction. An empty list matches nothing. `section`: the headings that a chunk must stand below, outermost
    first (here an empty list restricts nothing)."""

    document_ids: list[str] | None = None
    tags: list[str] | None = None
    paths: list[str] | None = None
    section: list[str] | None = None


class LexicalIndex(Protocol):
    def add(self, transaction: Transaction, chunks: Sequence[Chunk], *, go_on: Callable[[], bool] | None = None) -> list[int]:
        """Stores and indexes; the new chunk ids, never used again. `go_on` is asked before each chunk but the first: once it says no,
        the others are left, and the ids are fewer than the chunks."""
        ...

    def remove(self, transaction: Transaction, document_id: str, *, version: int | None = None, limit: int | None = None) -> int:
        """Removes up to `limit` chunks of the document (of one version, or of all); the number removed."""
        ...

    def search(
        self,
        transaction: Transaction,
        scope: Scope,
        workspace_id: str,
        terms: Sequence[str],
        *,
        k: int,
        filter: SearchFilter | None = None,  # noqa: A002
    ) -> list[ScoredChunk]:
        """The best `k` chunks for the terms (already tokenised), by bm25. [] for a workspace out of scope."""
        ...

    def postings(self, transaction: Transaction, workspace_id: str, terms: Sequence[str]) -> tuple[dict[str, int], int]:
        """(chunks that hold each term, all chunks) of the workspace: what the query recipe and refusal need."""
        ...

    def chunks_of(self, transaction: Transaction, scope: Scope, document_id: str) -> list[Chunk]:
        """The live chunks of a document in reading order."""
        ...

    def get(self, transaction: Transaction, scope: Scope, chunk_id: int) -> Chunk | None: ...

    def statistics(self, transaction: Transaction) -> dict[str, Any]:
        """Counts for `doctor --storage`, orphans included."""
        ...
