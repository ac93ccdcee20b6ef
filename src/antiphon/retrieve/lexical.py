"""`LexicalRetriever`: the question's terms against the lexical index of each workspace, fused, neighbours joined.

The recipe and its numbers: docs/subsystems/retrieval.md; bench/retrieval.py measures through this class. What the user asked
before comes along as `earlier`, and counts less. Tests: tests/unit/retrieve/test_lexical.py,
tests/integration/test_retrieval_recall.py.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Final

from msgspec import structs

from antiphon.access.scope import Scope
from antiphon.core.errors import AntiphonError, RetrievalFailed
from antiphon.core.runtime import Runtime
from antiphon.retrieve.evidence import CANDIDATES_WANTED, evidence_of, rarity
from antiphon.retrieve.fusion import fuse_rankings
from antiphon.retrieve.neighbours import Found, join_neighbours
from antiphon.retrieve.passage import Passage, Retrieved, Scores
from antiphon.retrieve.scoring import rescored, term_scores
from antiphon.storage.lexical.anchor_ranges import keeps_page
from antiphon.storage.lexical.contract import LexicalIndex, ScoredChunk, SearchFilter
from antiphon.storage.lexical.tokens import TOKENISER_VERSION, content_terms, query_terms, single_characters
from antiphon.storage.records.contract import Store, Transaction
from antiphon.storage.records.rows import DOCUMENTS, PAGES, DocumentRow

MOST_TERMS: Final = 12
"""The rarest ones are searched for: common terms cost most and decide least."""
COMMON_SHARE: Final = 0.05
COMMON_POSTINGS: Final = 2_000
"""A term in more than this share of the chunks is left out, but only when it also has more postings than this."""
MOST_POSTINGS: Final = 3_000
"""What one search may read: the rarest terms are searched for up to here, and what they find is ordered by all of them."""
LEAST_TERMS: Final = 2
EARLIER_POSTINGS: Final = 1_500
EARLIER_WEIGHTS: Final = (0.4, 0.2)
"""Of the terms of the user's turn before, and of the one before that, against 1 (docs/subsystems/retrieval.md)."""
MOST_NEAREST: Final = 3
_CANDIDATES_PER_PASSAGE: Final = 2
_CANDIDATES_TO_RESCORE: Final = 30
_MOST_PASSAGES: Final = 100


class _Asked:
    """The terms of a question: its own, and those of the turns before with their weights."""

    def __init__(self, query: str, earlier: Sequence[str]) -> None:
        self.all = query_terms(query)
        self.own = content_terms(self.all)
        turns = [content_terms(query_terms(text)) for text in earlier[: len(EARLIER_WEIGHTS)]]
        self.turns = [(weight, terms) for weight, terms in zip(EARLIER_WEIGHTS, turns, strict=False) if terms]

    @property
    def lookups(self) -> list[str]:
        return list(dict.fromkeys([*self.own, *(term for _, terms in self.turns for term in terms)]))

    def weight_of(self, term: str) -> float:
        return 1.0 if term in self.own else max((weight for weight, terms in self.turns if term in terms), default=0.0)


class _Answer:
    """What one consistent reading of the store gave."""

    def __init__(self) -> None:
        self.rankings: list[list[ScoredChunk]] = []
        self.weights: dict[str, float] = {}
        self.rarities: dict[str, float] = {}
        self.searched = 0

    def count(self, postings: Mapping[str, int], total: int) -> None:
        """Of several workspaces the least weight holds: a term is as common as where it is most common."""
        self.searched += total
        for kept, given in ((self.weights, term_weights(postings, total)), (self.rarities, rarity(postings, total))):
            for term, weight in given.items():
                kept[term] = min(weight, kept.get(term, weight))


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
        earlier: Sequence[str] = (),
    ) -> Retrieved:
        start_s = self._clock.monotonic()
        k = min(max(k, 1), _MOST_PASSAGES)
        asked = _Asked(query, earlier)
        workspaces = [workspace for workspace in dict.fromkeys(workspace_ids) if scope.sees(workspace)]
        try:
            found = await self._store.read(lambda tx: self._read(tx, scope, workspaces, asked, k=k, given=filter))
        except AntiphonError:
            raise
        except Exception as error:
            raise RetrievalFailed(
                "The documents could not be searched. Try again; if it stays, run `antiphon doctor`."
            ) from error
        took_ms = (self._clock.monotonic() - start_s) * 1000
        return structs.replace(
            found, took_ms=round(took_ms, 2), times_ms={"lexical": round(took_ms, 2)},
            index={"tokeniser": TOKENISER_VERSION, "embedder": None, "reranker": None},
        )  # fmt: skip

    def _read(
        self, tx: Transaction, scope: Scope, workspaces: Sequence[str], asked: _Asked, *, k: int, given: SearchFilter | None
    ) -> Retrieved:
        answer = _Answer()
        found_terms = [self._index.postings(tx, workspace_id, asked.lookups) for workspace_id in workspaces]
        content = asked.own
        if not any(postings.get(term) for postings, _ in found_terms for term in asked.lookups):
            asked.own = single_characters(content) or asked.all
            found_terms = [
                self._index.postings(tx, workspace_id, list(dict.fromkeys([*asked.own, *content]))) for workspace_id in workspaces
            ]
        for workspace_id, (postings, total) in zip(workspaces, found_terms, strict=True):
            answer.count(postings, total)
            ranking = self._search(tx, scope, workspace_id, asked, postings, total, k=k, given=given)
            if ranking:
                answer.rankings.append(ranking)
        ranked = _one_ranking(answer.rankings)
        lexical = {scored.chunk.chunk_id: scored.score for ranking in answer.rankings for scored in ranking}
        documents: dict[str, DocumentRow] = {}
        for scored in ranked:
            document_id = scored.chunk.document_id
            if document_id not in documents:
                row = tx.get(DOCUMENTS, scope, document_id)
                if row is not None:
                    documents[document_id] = row
        ranked = [scored for scored in ranked if scored.chunk.document_id in documents]
        joined = join_neighbours(ranked, k=k, page_text=lambda chunk: _page_text(tx, scope, chunk))
        held: set[str] = set()
        for found in joined:
            held.update(found.tokens)
        nearest = dict.fromkeys(documents[scored.chunk.document_id].title or documents[scored.chunk.document_id].name
                                for scored in ranked)  # fmt: skip
        return Retrieved(
            passages=[_passage(found, documents[found.document_id], lexical.get(found.chunk_id)) for found in joined],
            coverage=coverage_of(content, answer.weights, held), nearest=list(nearest)[:MOST_NEAREST], searched=answer.searched,
            evidence=_evidence(content, asked, answer),
        )  # fmt: skip

    def _search(
        self, tx: Transaction, scope: Scope, workspace_id: str, asked: _Asked, postings: Mapping[str, int], total: int, *, k: int,
        given: SearchFilter | None,
    ) -> list[ScoredChunk]:  # fmt: skip
        wanted = max(k * _CANDIDATES_PER_PASSAGE, CANDIDATES_WANTED)
        more = max(wanted, _CANDIDATES_TO_RESCORE)
        own = choose_terms({term: postings.get(term, 0) for term in asked.own}, total)
        rare = within_budget(own, postings, MOST_POSTINGS)
        turns = [choose_terms({term: postings.get(term, 0) for term in terms}, total) for _, terms in asked.turns]
        earlier = list(dict.fromkeys(term for terms in turns for term in terms if term not in own))
        whole = len(rare) == len(own) and not earlier
        found = self._index.search(tx, scope, workspace_id, rare, k=wanted if whole else more, filter=given) if rare else []
        if whole:
            return found
        if earlier:
            earlier_rare = within_budget(sorted(earlier, key=lambda term: postings[term]), postings, EARLIER_POSTINGS)
            found += self._index.search(tx, scope, workspace_id, earlier_rare, k=more, filter=given)
        scores = term_scores({term: postings[term] for term in [*own, *earlier]}, total)
        return rescored(found, {term: score * asked.weight_of(term) for term, score in scores.items()})[:wanted]


def within_budget(terms: Sequence[str], postings: Mapping[str, int], most_postings: int) -> list[str]:
    """The first of the terms (rarest first), as many as the budget allows, LEAST_TERMS in any case."""
    chosen: list[str] = []
    read = 0
    for term in terms:
        read += postings[term]
        if len(chosen) >= LEAST_TERMS and read > most_postings:
            break
        chosen.append(term)
    return chosen


def _evidence(content: Sequence[str], asked: _Asked, answer: _Answer) -> float:
    """Of the question alone; or, when it follows others, with their terms at their weight, whichever is more."""
    own = {term: answer.rarities.get(term, 0.0) for term in content}
    found = evidence_of(own, answer.rankings)
    if not asked.turns:
        return found
    together = {term: answer.rarities.get(term, 0.0) * asked.weight_of(term) for term in asked.lookups}
    return max(found, evidence_of(together, answer.rankings))


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


def _passage(found: Found, document: DocumentRow, lexical: float | None) -> Passage:
    scores = Scores(
        lexical=None if lexical is None else round(lexical, 6), fused=None if found.score == lexical else round(found.score, 6)
    )
    return Passage(
        chunk_id=found.chunk_id, workspace_id=document.workspace_id, document_id=document.id, version=found.version,
        title=document.title or document.name, media_type=document.media_type,
        page=found.page if keeps_page(found.anchor) else None, anchor=found.anchor, start=found.start, end=found.end,
        score=round(found.score, 6), text=found.text, heading_path=found.heading_path, scores=scores,
        chunks=found.last - found.first + 1,
    )  # fmt: skip
