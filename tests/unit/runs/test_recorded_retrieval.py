"""runs/recorded_retrieval.py: what was retrieved goes into a record and comes out of it again."""

from __future__ import annotations

import msgspec
import pytest

from antiphon.core.errors import Conflict
from antiphon.retrieve.passage import Retrieved, Scores
from antiphon.runs.recorded_retrieval import (
    RecordedRetriever,
    RecordingRetriever,
    Retrieval,
    recorded_retrieval,
    retrieval_record,
)
from antiphon.testing.conformance.scopes import EVERYTHING
from antiphon.testing.flows import FixedRetriever, sample_passage


def retrieval(query: str, *numbers: int) -> Retrieval:
    passages = [
        msgspec.structs.replace(sample_passage(n), scores=Scores(lexical=1.5 / n, dense=None, rerank=0.25, fused=n / 2))
        for n in numbers
    ]
    result = Retrieved(passages=passages, coverage=0.5, nearest=["T"], searched=9, took_ms=1.25, times_ms={"lexical": 1.0})
    return Retrieval(query=query, k=6, result=result)


def test_a_record_is_plain_and_makes_the_same_passages_again() -> None:
    one = retrieval("q", 1, 2)
    record = msgspec.json.decode(msgspec.json.encode(retrieval_record(one)))
    assert record["passages"][1]["scores"] == {"lexical": 0.75, "dense": None, "rerank": 0.25, "fused": 1.0}
    assert record["times_ms"] == {"lexical": 1.0}
    assert "text" not in record["passages"][0]
    again = recorded_retrieval(record, {passage.chunk_id: passage.text for passage in one.result.passages})
    assert again.result.passages == one.result.passages
    assert (again.query, again.k, again.result.coverage, again.result.nearest) == ("q", 6, 0.5, ["T"])


async def ask(retriever: RecordedRetriever | RecordingRetriever, query: str) -> list[int]:
    found = await retriever.retrieve(EVERYTHING, ["ws_1"], query, k=6)
    return [passage.chunk_id for passage in found.passages]


async def test_it_answers_by_query_and_else_by_turn() -> None:
    retriever = RecordedRetriever([retrieval("a", 1), retrieval("b", 2), retrieval("c", 3)])
    assert await ask(retriever, "b") == [2]
    assert await ask(retriever, "another") == [1]
    assert await ask(retriever, "c") == [3]
    with pytest.raises(Conflict, match="retrieves more often"):
        await ask(retriever, "c")


async def test_recording_tells_each_retrieval() -> None:
    told: list[Retrieval] = []
    retriever = RecordingRetriever(FixedRetriever(retrieval("x", 4).result), told.append)
    assert await ask(retriever, "one") == [4]
    other: list[Retrieval] = []
    assert await ask(retriever.reporting_to(other.append), "two") == [4]
    assert ([r.query for r in told], [r.query for r in other]) == (["one"], ["two"])
