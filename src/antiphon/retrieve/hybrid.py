"""`HybridRetriever`: by words and by meaning at once, fused by rank, ordered anew where there is a reranker.

Words always decide; meaning and reranking add where they are there and in time, and where they are not the answer says so in
`notes`. What each stage thought of a passage stays with it (`Passage.scores`), and how long each took (`Retrieved.times_ms`).
Routing by script: a model votes only on what is written in its languages; chunks of others have no vector, and a question in
another language is not embedded. Tests: tests/unit/retrieve/test_hybrid.py, tests/integration/test_dense_ingestion.py.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Final

from msgspec import Struct, structs

from antiphon.access.scope import Scope
from antiphon.core.errors import AntiphonError
from antiphon.core.runtime import Clock, Runtime
from antiphon.models.embedding import Reranker
from antiphon.retrieve.dense.cache import DenseCache
from antiphon.retrieve.fusion import fuse_rankings
from antiphon.retrieve.lexical import (
    CANDIDATES_PER_PASSAGE,
    MOST_PASSAGES,
    LexicalFound,
    LexicalRetriever,
    index_facts,
    one_ranking,
)
from antiphon.retrieve.meaning import Asked, Meaning
from antiphon.retrieve.passage import Retrieved, Scores
from antiphon.storage.lexical.contract import ScoredChunk, SearchFilter
from antiphon.storage.records.contract import Transaction
from antiphon.storage.records.rows import SPACES

LEXICAL_WEIGHT: Final = 1.0
DENSE_WEIGHT: Final = 0.8
"""Of a rank by meaning against one by words: words find names and numbers, and are right more often on their own."""
_RERANKED_CHARACTERS: Final = 2_000


class _Candidates(Struct, kw_only=True):
    """What one consistent reading of the store gave."""

    found: LexicalFound
    ranked: list[ScoredChunk]
    scores: dict[int, Scores]
    dense: bool
    notes: list[str]
    result: Retrieved | None = None
    times_ms: dict[str, float]


class HybridRetriever:
    """See retrieve.passage.Retriever. `reranker` None: the fused order stays."""

    def __init__(
        self, lexical: LexicalRetriever, meaning: Meaning, dense: DenseCache, runtime: Runtime, *, reranker: Reranker | None = None,
        rerank_timeout_s: float = 2.0, rerank_candidates: int = 20,
    ) -> None:  # fmt: skip
        self._lexical = lexical
        self._meaning = meaning
        self._dense = dense
        self._clock = runtime.clock
        self._reranker = reranker
        self._rerank_timeout_s = rerank_timeout_s
        self._rerank_candidates = rerank_candidates

    async def retrieve(
        self,
        scope: Scope,
        workspace_ids: list[str],
        query: str,
        *,
        k: int,
        filter: SearchFilter | None = None,  # noqa: A002 - the contract's name
        earlier: Sequence[str] = (),
    ) -> Retrieved:
        began_s = self._clock.monotonic()
        k = min(max(k, 1), MOST_PASSAGES)
        workspaces = [workspace for workspace in dict.fromkeys(workspace_ids) if scope.sees(workspace)]
        asked = await self._meaning.ask(scope, workspaces, query)
        embedded_ms = _since(self._clock, began_s)
        reranker = self._reranker

        def read(tx: Transaction) -> _Candidates:
            candidates = self._candidates(tx, scope, workspaces, query, asked, k=k, given=filter, earlier=earlier)
            if reranker is None:
                candidates.result = self._lexical.compose(
                    tx, scope, candidates.found, candidates.ranked, k=k, scores=candidates.scores
                )
            return candidates

        candidates = await self._lexical.reading(read)
        mode = "hybrid" if candidates.dense else "lexical"
        if asked.spaces:
            candidates.times_ms["embedding"] = embedded_ms
        if reranker is not None:
            if await self._rerank(reranker, query, candidates):
                mode += "+rerank"
            candidates.result = await self._lexical.reading(
                lambda tx: self._lexical.compose(
                    tx, scope, candidates.found, candidates.ranked, k=k, scores=candidates.scores
                )
            )  # fmt: skip
        assert candidates.result is not None
        facts = index_facts(
            embedder=", ".join(asked.labels) or None,
            reranker=reranker.name if reranker is not None and "rerank" in mode else None,
        )
        return structs.replace(
            candidates.result, took_ms=_since(self._clock, began_s), mode=mode, times_ms=candidates.times_ms, index=facts,
            notes=list(dict.fromkeys(candidates.notes)),
        )  # fmt: skip

    def _candidates(
        self, tx: Transaction, scope: Scope, workspaces: Sequence[str], query: str, asked: Asked, *, k: int, given: SearchFilter | None,
        earlier: Sequence[str],
    ) -> _Candidates:  # fmt: skip
        began_s = self._clock.monotonic()
        wanted = max(k, self._rerank_candidates if self._reranker is not None else 0)
        found = self._lexical.search(tx, scope, workspaces, query, k=wanted, given=given, earlier=earlier)
        times_ms = {"lexical": _since(self._clock, began_s)}
        notes = list(asked.notes)
        rankings: list[list[ScoredChunk]] = []
        began_s = self._clock.monotonic()
        for space, vector in asked.spaces:
            # What was asked before this reading: the space may have been replaced meanwhile.
            row = tx.get(SPACES, scope, space.id)
            if row is None or row.state != "serving":
                continue
            dense = self._dense.search(tx, scope, row, vector, k=wanted * CANDIDATES_PER_PASSAGE, filter=given)
            rankings.append(dense.ranking)
            if dense.note:
                notes.append(dense.note)
        if asked.spaces:
            times_ms["dense"] = _since(self._clock, began_s)
        ranked, scores = fused(found.rankings, rankings)
        return _Candidates(
            found=found, ranked=ranked, scores=scores, dense=any(rankings), notes=notes, times_ms=times_ms,
        )  # fmt: skip

    async def _rerank(self, reranker: Reranker, query: str, candidates: _Candidates) -> bool:
        """Orders the best candidates anew; False, with a note, when the reranker fails or takes too long."""
        best, rest = candidates.ranked[: self._rerank_candidates], candidates.ranked[self._rerank_candidates :]
        if not best:
            return False
        began_s = self._clock.monotonic()
        try:
            async with asyncio.timeout(self._rerank_timeout_s):
                given = await reranker.scores(query, [scored.chunk.text[:_RERANKED_CHARACTERS] for scored in best])
        except TimeoutError:
            words = f"took longer than {self._rerank_timeout_s:g} s"
        except AntiphonError as error:
            words = error.message.rstrip(".")
        else:
            candidates.times_ms["rerank"] = _since(self._clock, began_s)
            scores = dict(zip([scored.chunk.chunk_id for scored in best], given, strict=True))
            for chunk_id, score in scores.items():
                kept = candidates.scores.get(chunk_id, Scores())
                candidates.scores[chunk_id] = structs.replace(kept, rerank=round(score, 6))
            # `sorted` is stable: equal scores keep the fused order.
            candidates.ranked = sorted(best, key=lambda scored: -scores[scored.chunk.chunk_id]) + rest
            return True
        candidates.times_ms["rerank"] = _since(self._clock, began_s)
        candidates.notes.append(f"The reranker {reranker.name} was left out ({words}); the order is that of the search.")
        return False


def fused(
    lexical: Sequence[Sequence[ScoredChunk]], dense: Sequence[Sequence[ScoredChunk]]
) -> tuple[list[ScoredChunk], dict[int, Scores]]:
    """One ranking of all, with each stage's scores by chunk id. Words alone keep their own scores."""
    lexical_scores = {scored.chunk.chunk_id: scored.score for ranking in lexical for scored in ranking}
    dense_scores = {scored.chunk.chunk_id: scored.score for ranking in dense for scored in ranking}
    if not dense_scores:
        ranked = one_ranking([list(ranking) for ranking in lexical])
        several = len([ranking for ranking in lexical if ranking]) > 1
        return ranked, {scored.chunk.chunk_id: _scores(scored, lexical_scores, {}, fused=several) for scored in ranked}
    chunks = {scored.chunk.chunk_id: scored.chunk for ranking in (*lexical, *dense) for scored in ranking}
    rankings = [[scored.chunk.chunk_id for scored in ranking] for ranking in (*lexical, *dense)]
    weights = [LEXICAL_WEIGHT] * len(lexical) + [DENSE_WEIGHT] * len(dense)
    ranked = [ScoredChunk(chunk=chunks[chunk_id], score=score) for chunk_id, score in fuse_rankings(rankings, weights)]
    return ranked, {scored.chunk.chunk_id: _scores(scored, lexical_scores, dense_scores, fused=True) for scored in ranked}


def _scores(scored: ScoredChunk, lexical: Mapping[int, float], dense: Mapping[int, float], *, fused: bool) -> Scores:
    chunk_id = scored.chunk.chunk_id
    return Scores(
        lexical=_rounded(lexical.get(chunk_id)),
        dense=_rounded(dense.get(chunk_id)),
        fused=_rounded(scored.score) if fused else None,
    )


def _rounded(score: float | None) -> float | None:
    return None if score is None else round(score, 6)


def _since(clock: Clock, began_s: float) -> float:
    return round((clock.monotonic() - began_s) * 1000, 2)
