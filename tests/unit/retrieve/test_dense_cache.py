"""The cache is level with the store: additions at once, removals, rebuilds, eviction, large spaces in the background."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import numpy as np
import pytest

from antiphon.core.runtime import system_runtime
from antiphon.models.embedding import Vectors
from antiphon.retrieve.dense import cache as cache_module
from antiphon.retrieve.dense import matrix
from antiphon.retrieve.dense.cache import DenseCache, DenseFound
from antiphon.storage.lexical.contract import Chunk
from antiphon.storage.lexical.sqlite import SqliteLexicalIndex
from antiphon.storage.records.rows import DOCUMENTS, SPACES, DocumentRow, SpaceRow
from antiphon.storage.records.sqlite import SqliteStore
from antiphon.storage.sqlite.database import Database
from antiphon.storage.vectors.sqlite import SqliteVectorStore
from antiphon.testing.conformance.scopes import EVERYTHING

DIMENSION = 16
SPACE = SpaceRow(
    id="space_1", workspace_id="ws_1", embedder="server", label="m", fingerprint="f", dimension=DIMENSION, embedding={},
    state="serving", created_at=0.0,
)  # fmt: skip


class House:
    def __init__(self, store: SqliteStore, cache: DenseCache) -> None:
        self.store, self.cache = store, cache
        self.vectors, self.index = SqliteVectorStore(), SqliteLexicalIndex()

    async def add(self, document_id: str, rows: np.ndarray) -> list[int]:
        def fill(tx) -> list[int]:
            tx.insert(
                DOCUMENTS,
                DocumentRow(id=document_id, workspace_id="ws_1", name="d", searchable=True, created_at=0.0, updated_at=0.0),
            )
            ids = self.index.add(
                tx,
                [
                    Chunk(document_id=document_id, workspace_id="ws_1", version=1, ordinal=n, page=1, start=0, end=1, text="x",
                          tokeniser_version="1", tokens="x")
                    for n in range(len(rows))
                ],
            )  # fmt: skip
            halves = [row.astype("<f2").tobytes() for row in rows]
            self.vectors.add(tx, "space_1", list(zip(ids, halves, strict=True)))
            return ids

        return await self.store.write(fill)

    async def remove(self, document_id: str) -> None:
        def remove(tx) -> None:
            self.vectors.remove(tx, document_id)
            self.index.remove(tx, document_id)
            tx.delete(DOCUMENTS, EVERYTHING, {"id": document_id})

        await self.store.write(remove)

    async def find(self, row: np.ndarray, k: int = 3) -> DenseFound:
        query = Vectors(dimension=DIMENSION, data=row.astype("<f4").tobytes())
        return await self.store.read(lambda tx: self.cache.search(tx, EVERYTHING, SPACE, query, k=k))

    async def ids(self, row: np.ndarray, k: int = 3) -> list[int]:
        return [scored.chunk.chunk_id for scored in (await self.find(row, k)).ranking]


@pytest.fixture(params=[True, False], ids=["faiss", "numpy"])
async def house(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[House]:
    runtime = system_runtime()
    store = SqliteStore(Database.open(tmp_path / "a.db", runtime=runtime))
    await store.write(lambda tx: tx.insert(SPACES, SPACE))
    cache = DenseCache(store, SqliteVectorStore(), runtime, idle_s=60.0, faiss=request.param)
    cache.start()
    yield House(store, cache)
    await cache.close()
    await store.close()


def rows(count: int, seed: int = 1) -> np.ndarray:
    made = np.random.default_rng(seed).standard_normal((count, DIMENSION)).astype(np.float32)
    return made / np.linalg.norm(made, axis=1, keepdims=True)


async def test_what_was_committed_is_found_by_the_next_question(house: House) -> None:
    given = rows(40)
    assert (await house.find(given[0])).ranking == []
    ids = await house.add("doc_1", given[:20])
    assert (await house.ids(given[3]))[0] == ids[3]
    more = await house.add("doc_2", given[20:])
    assert (await house.ids(given[25]))[0] == more[5]
    assert house.cache.kinds["space_1"][1] == 40


async def test_removed_rows_are_not_found_and_make_room_in_the_end(house: House) -> None:
    given = rows(3000)
    await house.add("doc_1", given[:2000])
    kept = await house.add("doc_2", given[2000:])
    await house.cache.load(SPACE)
    await house.remove("doc_1")
    assert set(await house.ids(given[5], 20)) <= set(kept)
    async with asyncio.timeout(10):
        while house.cache.kinds["space_1"][1] != 1000:
            await house.find(given[5])
            await asyncio.sleep(0.01)
    assert (await house.ids(given[2500]))[0] == kept[500]


async def test_a_large_space_is_loaded_behind_the_question_and_said(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache_module, "AT_ONCE", 50)
    ids = await house.add("doc_1", rows(200))
    found = await house.find(rows(200)[7])
    assert found.ranking == []
    assert "being loaded" in found.note
    async with asyncio.timeout(10):
        while not (found := await house.find(rows(200)[7])).ranking:
            await asyncio.sleep(0.01)
    assert (found.ranking[0].chunk.chunk_id, found.note) == (ids[7], "")


async def test_it_grows_from_kind_to_kind(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(matrix, "SQ8_FROM", 100)
    monkeypatch.setattr(matrix, "IVF_FROM", 1000)
    first = await house.add("doc_1", rows(90))
    assert (await house.ids(rows(90)[8]))[0] == first[8]
    await house.add("doc_2", rows(2000, seed=2))
    await house.find(rows(1)[0])
    faiss = house.cache.kinds["space_1"][0] != "numpy"
    async with asyncio.timeout(20):
        while house.cache.kinds["space_1"][0] not in {"ivf-sq8", "numpy"}:
            await house.find(rows(1)[0])
            await asyncio.sleep(0.01)
    assert house.cache.kinds["space_1"] == ("ivf-sq8" if faiss else "numpy", 2090)
    assert (await house.ids(rows(90)[8]))[0] == first[8]


async def test_what_nobody_asks_for_leaves_memory(house: House) -> None:
    await house.add("doc_1", rows(5))
    await house.find(rows(5)[0])
    assert house.cache.evict_idle() == 0
    house.cache._idle_s = -1.0
    assert house.cache.evict_idle() == 1
    assert house.cache.kinds == {}
    assert len(await house.ids(rows(5)[0])) == 3
