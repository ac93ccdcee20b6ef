"""`LexicalRetriever`: the question's terms against the lexical index of each workspace, fused, neighbours joined.

The recipe and its numbers: docs/subsystems/retrieval.md; bench/retrieval.py measures through this class. Follow-up
questions are the flow's to complete before they come here. Tests: tests/unit/retrieve/test_lexical.py,
tests/integration/test_retrieval_recall.py.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Final

from antiphon.access.scope import Scope
from antiphon.core.errors import AntiphonError, RetrievalFailed
from antiphon.core.runtime import Runtime
from antiphon.retrieve.fusion import fuse_rankings
from antiphon.retrieve.neighbours import Found, join_neighbours
from antiphon.retrieve.passage import Passage, Retrieved
from antiphon.storage.lexical.anchor_ranges import keeps_page
from antiphon.storage.lexical.contract import LexicalIndex, ScoredChunk, SearchFilter
from antiphon.storage.lexical.tokens import content_terms, query_terms, single_characters
from antiphon.storage.records.contract import Store, Transaction
from antiphon.storage.records.rows import DOCUMENTS, PAGES, DocumentRow

MOST_TERMS: Final = 12
"""The rarest ones are searched for: common terms cost most and decide least."""
COMMON_SHARE: Final = 0.05
COMMON_POSTINGS: Final = 2_000
"""A term in more than this share of the chunks is left out, but only when it also has more postings than this."""
MOST_NEAREST: Final = 3
_CANDIDATES_PER_PASSAGE: Final = 2
_MOST_PASSAGES: Final = 100


class _Answer:
    """What one consistent reading of the store gave."""

    def __init__(self) -> None:
        self.rankings: list[list[ScoredChunk]] = []
        self.weights: dict[str, float] = {}
        self.searched = 0


class LexicalRetriever:
    """See retrieve.passage.Retriever."""

    def __init__(self, store: Store, index: LexicalIndex, runtime: Runtime) -> None:
        self._store = store
        self._index = index
        self._clock = runtime.clock

    async def retrieve(
        self,
        scope: Scope,
        workspace_ids: list[str],
        query: str,
        *,
        k: int,
        filter: SearchFilter | None = None,  # noqa: A002 - the contract's name
    ) -> Retrieved:
        start_s = self._clock.monotonic()
        k = min(max(k, 1), _MOST_PASSAGES)
        terms = query_terms(query)
        workspaces = [workspace for workspace in dict.fromkeys(workspace_ids) if scope.sees(workspace)]
        try:
            found = await self._store.read(lambda tx: self._read(tx, scope, workspaces, terms, k=k, given=filter))
        except AntiphonError:
            raise
        except Exception as error:
            raise RetrievalFailed(
                "The documents could not be searched. Try again; if it stays, run `antiphon doctor`."
            ) from error
        passages, nearest, coverage, searched = found
        took_ms = (self._clock.monotonic() - start_s) * 1000
        return Retrieved(passages=passages, coverage=coverage, nearest=nearest, searched=searched, took_ms=round(took_ms, 2))

    def _read(
        self, tx: Transaction, scope: Scope, workspaces: Sequence[str], terms: list[str], *, k: int, given: SearchFilter | None
    ) -> tuple[list[Passage], list[str], float, int]:
        answer = _Answer()
        found_terms = [self._index.postings(tx, workspace_id, terms) for workspace_id in workspaces]
        content = content_terms(terms)
        if not any(postings.get(term) for postings, _ in found_terms for term in content):
            terms = single_characters(content) or terms
            found_terms = [self._index.postings(tx, workspace_id, terms) for workspace_id in workspaces]
        for workspace_id, (postings, total) in zip(workspaces, found_terms, strict=True):
            answer.searched += total
            for term, weight in term_weights(postings, total).items():
                answer.weights[term] = min(weight, answer.weights.get(term, weight))
            chosen = choose_terms(postings, total)
            if chosen:
                wanted = k * _CANDIDATES_PER_PASSAGE
                answer.rankings.append(self._index.search(tx, scope, workspace_id, chosen, k=wanted, filter=given))
        ranked = _one_ranking(answer.rankings)
        documents: dict[str, DocumentRow] = {}
        for scored in ranked:
            document_id = scored.chunk.document_id
            if document_id not in documents:
                row = tx.get(DOCUMENTS, scope, document_id)
                if row is not None:
                    documents[document_id] = row
        ranked = [scored for scored in ranked if scored.chunk.document_id in documents]
        joined = join_neighbours(ranked, k=k, page_text=lambda chunk: _page_text(tx, scope, chunk))
        passages = [_passage(found, documents[found.document_id]) for found in joined]
        nearest = list(dict.fromkeys(documents[scored.chunk.document_id].title or documents[scored.chunk.document_id].name
                                     for scored in ranked))[:MOST_NEAREST]  # fmt: skip
        held: set[str] = set()
        for found in joined:
            held.update(found.tokens)
        return passages, nearest, coverage_of(terms, answer.weights, held), answer.searched


def choose_terms(postings: Mapping[str, int], total: int) -> list[str]:
    """The terms to search for: those that occur, without the very common ones, the MOST_TERMS rarest, rarest first."""
    present = [term for term, count in postings.items() if count]
    limit = max(COMMON_POSTINGS, COMMON_SHARE * total)
    chosen = [term for term in present if postings[term] <= limit] or sorted(present, key=lambda term: postings[term])[:1]
    return sorted(chosen, key=lambda term: postings[term])[:MOST_TERMS]


def term_weights(postings: Mapping[str, int], total: int) -> dict[str, float]:
    """Inverse document frequency, > 0; the greatest for a term that does not occur."""
    return {term: math.log(1 + (total - count + 0.5) / (count + 0.5)) for term, count in postings.items()}


def coverage_of(terms: list[str], weights: Mapping[str, float], held: set[str]) -> float:
    """The share of the question, weighted by rarity, that the passages hold: 0 without a term, 1 when they hold all."""
    asked = content_terms(terms)
    whole = sum(weights.get(term, 0.0) for term in asked)
    if not whole:
        return 0.0
    return round(sum(weights.get(term, 0.0) for term in asked if term in held) / whole, 4)


def _one_ranking(rankings: Sequence[list[ScoredChunk]]) -> list[ScoredChunk]:
    """bm25 of different workspaces can't be compared: several rankings are fused by rank, one keeps its scores."""
    filled = [ranking for ranking in rankings if ranking]
    if len(filled) < 2:
        return filled[0] if filled else []
    by_id = {scored.chunk.chunk_id: scored.chunk for ranking in filled for scored in ranking}
    fused = fuse_rankings([[scored.chunk.chunk_id for scored in ranking] for ranking in filled])
    return [ScoredChunk(chunk=by_id[chunk_id], score=score) for chunk_id, score in fused]


def _page_text(tx: Transaction, scope: Scope, scored: ScoredChunk) -> str | None:
    chunk = scored.chunk
    page = tx.get(PAGES, scope, f"{chunk.document_id}:{chunk.version}:{chunk.page}")
    return None if page is None else page.text


def _passage(found: Found, document: DocumentRow) -> Passage:
    return Passage(
        chunk_id=found.chunk_id, workspace_id=document.workspace_id, document_id=document.id, version=found.version,
        title=document.title or document.name, media_type=document.media_type,
        page=found.page if keeps_page(found.anchor) else None, anchor=found.anchor, start=found.start, end=found.end,
        score=round(found.score, 6), text=found.text, heading_path=found.heading_path,
    )  # fmt: skip
