"""Vectors behind the lexical index, on a real store with real workers: states, failures, scope, scripts, what is deleted."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from antiphon.core.errors import ModelUnavailable
from antiphon.core.runtime import system_runtime
from antiphon.ingest import embedding
from antiphon.models.embedders import Embedders
from antiphon.protocol.events import DocumentProgress, DocumentReady
from antiphon.retrieve.passage import Retrieved
from antiphon.storage.lexical.contract import SearchFilter
from antiphon.storage.records.rows import DOCUMENTS
from antiphon.storage.records.sqlite import SqliteTransaction
from antiphon.testing.conformance.scopes import EVERYTHING
from antiphon.testing.embedders import WordEmbedder, WordReranker
from antiphon.testing.ingest_house import WORKSPACE, IngestHouse, person

CAR = b"The car needs oil every thousand miles."
DOCTOR = b"A doctor sees forty patients on a weekday."
CHINESE = "轿车每一千公里需要换机油。".encode()


@asynccontextmanager
async def house_with(folder: Path, embedder: WordEmbedder, reranker: WordReranker | None = None) -> AsyncIterator[IngestHouse]:
    embedders = Embedders({"server": embedder}, system_runtime(), reranker=reranker)
    async with IngestHouse.open(folder, embedders=embedders) as house:
        await until(lambda: house.meaning.embedders.choose(None) is not None or embedder.failing is not None)
        yield house


async def until(there: Callable[[], object], wait_s: float = 20.0) -> None:
    async with asyncio.timeout(wait_s):
        while not there():
            await asyncio.sleep(0.01)


async def ask(house: IngestHouse, query: str, given: SearchFilter | None = None, k: int = 5) -> Retrieved:
    return await house.meaning.retriever.retrieve(EVERYTHING, [WORKSPACE], query, k=k, filter=given)


async def test_found_by_words_at_once_then_by_meaning(tmp_path: Path) -> None:
    embedder = WordEmbedder()
    embedder.gate = asyncio.Event()
    async with house_with(tmp_path, embedder) as house:
        row = await house.add(CAR, "car.txt")
        await house.add(DOCTOR, "doctor.txt")
        waiting = await house.until(row.id, "embedding")
        assert waiting.searchable
        found = await ask(house, "oil")
        assert [passage.document_id for passage in found.passages] == [row.id]
        assert not (await ask(house, "automobile")).passages
        embedder.gate.set()
        ready = await house.until(row.id, "ready")
        assert (ready.error, ready.progress) == (None, None)
        await house.settled()
        found = await ask(house, "automobile")
        assert found.mode == "hybrid"
        assert found.passages[0].document_id == row.id
        assert found.passages[0].scores.dense is not None
        assert found.passages[0].scores.lexical is None
        assert found.index["embedder"] == "words of the tests"
        assert set(found.times_ms) == {"lexical", "dense", "embedding"}
        told = [event for _, event in house.events if getattr(event, "document_id", "") == row.id]
        stages = list(dict.fromkeys(event.stage for event in told if isinstance(event, DocumentProgress)))
        assert stages[-1] == "embedding"
        progress = [event for event in told if isinstance(event, DocumentProgress) and event.stage == "embedding"]
        assert progress[-1].done == progress[-1].total == ready.passages
        assert isinstance(told[-1], DocumentReady)


async def test_a_failing_embedder_leaves_documents_searchable_says_so_and_is_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(embedding, "FIRST_RETRY_S", 0.2)
    embedder = WordEmbedder()
    async with house_with(tmp_path, embedder) as house:
        embedder.failing = ModelUnavailable("The embedding server at host:1 does not answer.")
        row = await house.add(CAR, "car.txt")
        ready = await house.until(row.id, "ready")
        assert ready.error is not None
        assert ready.error["code"] == "not_embedded"
        assert "host:1" in ready.error["message"]
        found = await ask(house, "oil")
        assert [passage.document_id for passage in found.passages] == [row.id]
        assert found.mode == "lexical"
        assert "host:1" in found.notes[0]
        embedder.failing = None
        await house.settled()
        assert (await house.row(row.id)).error is None  # pyright: ignore[reportOptionalMemberAccess]
        assert (await ask(house, "automobile")).passages


async def test_an_embedder_that_comes_later_is_given_what_is_there_already(tmp_path: Path) -> None:
    embedder = WordEmbedder()
    embedder.failing = ModelUnavailable("It is not up yet.")
    async with house_with(tmp_path, embedder) as house:
        row = await house.add(CAR, "car.txt")
        await house.until(row.id, "ready")
        assert house.meaning.embedders.reasons() == ["Search by meaning is off: It is not up yet."]
        embedder.failing = None
        await house.meaning.embedders.open_now()
        await until(lambda: embedder.documents)
        await house.settled()
        assert (await ask(house, "automobile")).passages[0].document_id == row.id
        assert house.meaning.embedders.reasons() == []


async def test_what_is_deleted_or_replaced_is_gone_with_the_commit(tmp_path: Path) -> None:
    async with house_with(tmp_path, WordEmbedder()) as house:
        one, other = await house.add(CAR, "car.txt"), await house.add(DOCTOR, "doctor.txt")
        await house.until(one.id, "ready")
        await house.until(other.id, "ready")
        assert (await ask(house, "automobile")).passages[0].document_id == one.id
        await house.replace(other.id, b"Violins are tuned in fifths.")
        await house.settled()
        assert all("patients" not in passage.text for passage in (await ask(house, "physician")).passages)

        def mark(tx: SqliteTransaction) -> None:
            tx.update(DOCUMENTS, EVERYTHING, one.id, deleted_at=1.0, state="deleting")

        await house.store.write(mark)  # no removal yet: its vectors are all still there
        assert all(passage.document_id != one.id for passage in (await ask(house, "automobile")).passages)
        await house.delete(one.id)
        await house.settled()
        counted = await house.statistics()
        assert (counted["orphan_vectors"], counted["ghost_rows"], counted["orphan_chunks"], counted["stale_chunks"]) == (
            0,
            0,
            0,
            0,
        )
        assert counted["vectors"] == counted["chunks"] == 1


async def test_many_deleted_neighbours_do_not_hide_a_live_one(tmp_path: Path) -> None:
    async with house_with(tmp_path, WordEmbedder()) as house:
        gone = [await house.add(CAR + f" Car, car {n}.".encode(), f"{n}.txt") for n in range(30)]
        kept = await house.add(b"A car, seldom.", "kept.txt")
        await house.settled()

        def mark(tx: SqliteTransaction) -> None:
            for row in gone:
                tx.update(DOCUMENTS, EVERYTHING, row.id, deleted_at=1.0, state="deleting")

        await house.store.write(mark)
        found = await ask(house, "automobile", k=2)
        assert [passage.document_id for passage in found.passages] == [kept.id]


async def test_scope_is_applied_before_scoring(tmp_path: Path) -> None:
    async with house_with(tmp_path, WordEmbedder()) as house:
        near = [await house.add(CAR + b" Car.", f"{n}.txt", path="cars") for n in range(12)]
        far = await house.add(b"Once there was a car in a long story of other things.", "far.txt", path="tales/old", tags=["x"])
        await house.settled()
        for given in (SearchFilter(document_ids=[far.id]), SearchFilter(tags=["x"]), SearchFilter(paths=["tales"])):
            found = await ask(house, "automobile", given, k=1)
            assert [passage.document_id for passage in found.passages] == [far.id], given
        assert (await ask(house, "automobile", SearchFilter(document_ids=[]))).passages == []
        assert (await ask(house, "automobile", SearchFilter(paths=["cars"]), k=1)).passages[0].document_id in {
            row.id for row in near
        }


async def test_an_english_embedder_never_votes_on_chinese(tmp_path: Path) -> None:
    embedder = WordEmbedder(languages=["en"])
    async with house_with(tmp_path, embedder) as house:
        chinese, english = await house.add(CHINESE, "车.txt"), await house.add(CAR, "car.txt")
        await house.settled()
        assert (await house.row(chinese.id)).state == "ready"  # pyright: ignore[reportOptionalMemberAccess]
        assert all("轿" not in text for text in embedder.documents)
        found = await ask(house, "机油")
        assert found.mode == "lexical"
        assert embedder.queries == []
        assert [passage.document_id for passage in found.passages] == [chinese.id]
        assert [passage.document_id for passage in (await ask(house, "automobile")).passages] == [english.id]


async def test_cancelled_vectors_leave_a_document_that_words_find_and_retry_goes_on(tmp_path: Path) -> None:
    embedder = WordEmbedder()
    embedder.gate = asyncio.Event()
    async with house_with(tmp_path, embedder) as house:
        row = await house.add(CAR, "car.txt")
        await house.until(row.id, "embedding")
        stopped = await house.library.cancel(EVERYTHING, row.id)
        assert (stopped.state, stopped.searchable, (stopped.error or {})["code"]) == ("ready", True, "not_embedded")
        embedder.gate.set()
        await house.settled()
        assert embedder.documents == []
        again = await house.library.retry(person(), EVERYTHING, row.id)
        assert again.state == "embedding"
        await house.until(row.id, "ready")
        assert embedder.documents
        assert (await ask(house, "automobile")).passages


async def test_a_reranker_orders_anew_and_its_failure_is_a_note(tmp_path: Path) -> None:
    reranker = WordReranker()
    async with house_with(tmp_path, WordEmbedder(), reranker) as house:
        await house.add(b"Oil, oil, oil and again oil.", "oil.txt")
        row = await house.add(b"Which oil the car wants is written under its bonnet.", "car.txt")
        await house.settled()
        found = await ask(house, "which oil car wants")
        assert found.mode == "hybrid+rerank"
        assert found.passages[0].document_id == row.id
        assert found.passages[0].scores.rerank is not None
        assert found.index["reranker"] == "reranker of the tests"
        reranker.failing = ModelUnavailable("The reranker is away.")
        found = await ask(house, "which oil car wants")
        assert found.mode == "hybrid"
        assert "The reranker is away" in found.notes[0]
        assert found.passages
