"""`Passage`: a retrieved chunk with its place, as prompts, sources and citations use it."""

from __future__ import annotations

from typing import Protocol

from msgspec import Struct

from antiphon.access.scope import Scope
from antiphon.storage.lexical.contract import SearchFilter


class Passage(Struct, frozen=True, kw_only=True):
    """`start`, `end`: code points in the stored text of `page` (1-based), half open; `text` is exactly that range."""

    chunk_id: int
    workspace_id: str
    document_id: str
    version: int
    title: str
    media_type: str
    page: int | None
    anchor: str | None
    start: int
    end: int
    score: float
    text: str
    heading_path: list[str] = []


class Retrieved(Struct, frozen=True, kw_only=True):
    """`coverage`: idf-weighted share of the question's terms that the passages hold, 0..1. `nearest`: titles to name in
    a refusal. `searched`: chunks that were searchable."""

    passages: list[Passage]
    coverage: float
    nearest: list[str] = []
    searched: int = 0
    took_ms: float = 0.0
    mode: str = "lexical"


class Retriever(Protocol):
    async def retrieve(
        self,
        scope: Scope,
        workspace_ids: list[str],
        query: str,
        *,
        k: int,
        filter: SearchFilter | None = None,  # noqa: A002
    ) -> Retrieved:
        """The best `k` passages of the workspaces (those out of scope are passed over). Raises RetrievalFailed."""
        ...
