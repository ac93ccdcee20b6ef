"""What a run retrieved, kept for its record, and given again when the run is repeated.

`RecordingRetriever` stands before the real one in every run; `RecordedRetriever` stands in its place in a replay. Used by
runs/engine.py, runs/replay.py and the executor's cache. Tests: tests/unit/runs/test_recorded_retrieval.py.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec
from msgspec import Struct

from antiphon.access.scope import Scope
from antiphon.core.errors import Conflict
from antiphon.retrieve.passage import Passage, Retrieved, Retriever, Scores
from antiphon.storage.lexical.contract import SearchFilter


class Retrieval(Struct, frozen=True, kw_only=True):
    """One question to the retriever, and its answer."""

    query: str
    k: int
    result: Retrieved


OnRetrieved = Callable[[Retrieval], None]


class RecordingRetriever:
    """See retrieve.passage.Retriever. Tells each retrieval that succeeded."""

    def __init__(self, inner: Retriever, on_retrieved: OnRetrieved) -> None:
        self.on_retrieved = on_retrieved
        self._inner = inner

    def reporting_to(self, on_retrieved: OnRetrieved) -> RecordingRetriever:
        """The same retriever, telling somebody else."""
        return RecordingRetriever(self._inner, on_retrieved)

    async def retrieve(
        self,
        scope: Scope,
        workspace_ids: list[str],
        query: str,
        *,
        k: int,
        filter: SearchFilter | None = None,  # noqa: A002 - the contract's name
        **more: Any,
    ) -> Retrieved:
        """`more`: whatever else the contract says; only what was found is kept."""
        result = await self._inner.retrieve(scope, workspace_ids, query, k=k, filter=filter, **more)
        self.on_retrieved(Retrieval(query=query, k=k, result=result))
        return result


class RecordedRetriever:
    """Gives what was retrieved then: by the query, else (when an earlier node said something else this time) by its turn."""

    def __init__(self, retrievals: Sequence[Retrieval]) -> None:
        self._left = list(retrievals)

    async def retrieve(
        self,
        scope: Scope,
        workspace_ids: list[str],
        query: str,
        *,
        k: int,
        filter: SearchFilter | None = None,  # noqa: A002 - the contract's name
        **more: Any,
    ) -> Retrieved:
        """Raises Conflict when more is asked for than was then."""
        del scope, workspace_ids, k, filter, more
        place = next((n for n, left in enumerate(self._left) if left.query == query), 0)
        if place >= len(self._left):
            raise Conflict("The run retrieves more often than when it was recorded, so that it can't be repeated as it was.")
        return self._left.pop(place).result


def retrieval_record(retrieval: Retrieval) -> dict[str, Any]:
    """Everything but the words of the documents, which a record holds only once, in the prompt."""
    found = {name: getattr(retrieval.result, name) for name in _OF_RETRIEVED}
    passages = [_passage_record(n, passage) for n, passage in enumerate(retrieval.result.passages, 1)]
    return {"query": retrieval.query, "k": retrieval.k, **found, "passages": passages}


def _passage_record(n: int, passage: Passage) -> dict[str, Any]:
    kept = {name: getattr(passage, name) for name in _OF_PASSAGE}
    scores = {name: getattr(passage.scores, name) for name in Scores.__struct_fields__}
    digest = hashlib.sha256(passage.text.encode("utf-8", "surrogatepass")).hexdigest()
    return {"n": n, **kept, "scores": scores, "text_sha256": digest}


_OF_RETRIEVED = tuple(name for name in Retrieved.__struct_fields__ if name != "passages")
_OF_PASSAGE = tuple(name for name in Passage.__struct_fields__ if name not in {"text", "scores"})


def recorded_retrieval(record: Mapping[str, Any], texts: Mapping[int, str]) -> Retrieval:
    """The retrieval a record tells of. `texts`: those of its passages, by chunk id."""
    passages = [
        msgspec.convert(
            {
                **{name: entry[name] for name in _OF_PASSAGE if name in entry},
                "scores": entry["scores"],
                "text": texts[entry["chunk_id"]],
            },
            Passage,
        )
        for entry in record["passages"]
    ]
    found = {name: record[name] for name in _OF_RETRIEVED if name in record}
    result = msgspec.structs.replace(msgspec.convert({**found, "passages": []}, Retrieved), passages=passages)
    return Retrieval(query=record["query"], k=record["k"], result=result)
