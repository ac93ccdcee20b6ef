"""Several searches for one question, side by side, fused by rank into one result. Used by runs/nodes/retrieve.py.

Tests: tests/unit/retrieve/test_several.py.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from msgspec import structs

from antiphon.access.scope import Scope
from antiphon.retrieve.fusion import fuse_rankings
from antiphon.retrieve.passage import Passage, Retrieved, Retriever
from antiphon.storage.lexical.contract import SearchFilter


async def retrieve_several(
    retriever: Retriever, scope: Scope, workspace_ids: list[str], query: str, further: Sequence[str], *, k: int,
    given: SearchFilter | None, earlier: Sequence[str] = (),
) -> Retrieved:  # fmt: skip
    """As `Retriever.retrieve` for `query`, with the finds of `further` among them. The evidence is that of the best search: one
    part of the question that is answered is worth an answer."""
    try:
        async with asyncio.TaskGroup() as group:
            first = group.create_task(retriever.retrieve(scope, workspace_ids, query, k=k, filter=given, earlier=earlier))
            others = [group.create_task(retriever.retrieve(scope, workspace_ids, one, k=k, filter=given)) for one in further]
    except BaseExceptionGroup as failures:
        raise failures.exceptions[0] from failures  # a RetrievalFailed stays one
    results = [first.result(), *(task.result() for task in others)]
    known = [result.evidence for result in results if result.evidence is not None]
    return structs.replace(
        results[0], passages=fuse_passages([result.passages for result in results], k=k), evidence=max(known, default=None),
        coverage=max(result.coverage for result in results), took_ms=max(result.took_ms for result in results),
        nearest=list(dict.fromkeys(title for result in results for title in result.nearest))[: len(results[0].nearest) or 3],
    )  # fmt: skip


def fuse_passages(rankings: Sequence[Sequence[Passage]], *, k: int) -> list[Passage]:
    """The best `k` by reciprocal rank; a passage that overlaps a better one is left out."""
    by_id: dict[int, Passage] = {}
    for ranking in rankings:
        for passage in ranking:
            by_id.setdefault(passage.chunk_id, passage)
    chosen: list[Passage] = []
    for chunk_id, score in fuse_rankings([[passage.chunk_id for passage in ranking] for ranking in rankings]):
        passage = by_id[chunk_id]
        if not any(_overlap(passage, other) for other in chosen):
            chosen.append(structs.replace(passage, score=round(score, 6)))
    return chosen[:k]


def _overlap(one: Passage, other: Passage) -> bool:
    """An anchor stands for the page where pages mean nothing; without either, a document has one page."""
    same = (one.document_id, one.version, one.page) == (other.document_id, other.version, other.page)
    return same and one.start < other.end and other.start < one.end
