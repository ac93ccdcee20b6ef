"""`Passage`: a retrieved chunk with its place, as prompts, sources and citations use it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from msgspec import Struct

from antiphon.access.scope import Scope
from antiphon.retrieve.evidence import LEAST_EVIDENCE
from antiphon.storage.lexical.contract import SearchFilter


class Scores(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Why a passage was found. None: that way of searching did not look, or did not find it. Each is comparable only with
    its own kind in one retrieval: `lexical` is bm25, `dense` a similarity, `rerank` the cross-encoder's, `fused` the sum
    that the order was made of before reranking."""

    lexical: float | None = None
    dense: float | None = None
    rerank: float | None = None
    fused: float | None = None


class Passage(Struct, frozen=True, kw_only=True):
    """`start`, `end`: code points in the stored text of `page` (1-based), half open; `text` is exactly that range. `chunks`:
    how many neighbours it was joined from."""

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
    chunks: int = 1
    scores: Scores = Scores()


class Retrieved(Struct, frozen=True, kw_only=True):
    """`coverage`: idf-weighted share of the question's terms that the passages hold, 0..1. `nearest`: titles to name in
    a refusal. `searched`: chunks that were searchable. `evidence`: whether the passages speak of what was asked (see
    retrieve/evidence.py); None: the retriever can't tell. `times_ms`: of its parts (`lexical`, `dense`, `rerank`, ...).
    `index`: what made the index that was asked (`tokeniser`, `embedder`, `reranker`); None: not there."""

    passages: list[Passage]
    coverage: float
    nearest: list[str] = []
    searched: int = 0
    took_ms: float = 0.0
    mode: str = "lexical"
    times_ms: dict[str, float] = {}
    index: dict[str, str | None] = {}
    evidence: float | None = None

    @property
    def low_evidence(self) -> bool:
        """Nothing was found, or what was found hardly speaks of what was asked."""
        return not self.passages or (self.evidence is not None and self.evidence < LEAST_EVIDENCE)


class Retriever(Protocol):
    async def retrieve(
        self,
        scope: Scope,
        workspace_ids: list[str],
        query: str,
        *,
        k: int,
        filter: SearchFilter | None = None,  # noqa: A002
        earlier: Sequence[str] = (),
    ) -> Retrieved:
        """The best `k` passages of the workspaces (those out of scope are passed over). `earlier`: what the user asked before,
        latest first; it helps to understand a follow-up question. Raises RetrievalFailed."""
        ...
