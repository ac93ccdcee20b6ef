"""The suite of vectors over every backend."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from antiphon.core.errors import Internal
from antiphon.storage.lexical.sqlite import SqliteLexicalIndex
from antiphon.storage.records.memory import MemoryStore
from antiphon.storage.records.sqlite import SqliteStore
from antiphon.storage.sqlite.database import Database
from antiphon.storage.vectors.memory import MemoryVectorStore
from antiphon.storage.vectors.sqlite import SqliteVectorStore
from antiphon.testing import simulated_runtime
from antiphon.testing.conformance.vectors import VectorCase, VectorStoreSuite


class TestSqliteVectorStore(VectorStoreSuite):
    @pytest.fixture
    async def case(self, tmp_path: Path) -> AsyncIterator[VectorCase]:
        store = SqliteStore(Database.open(tmp_path / "antiphon.db", runtime=simulated_runtime()))
        yield VectorCase(vectors=SqliteVectorStore(), store=store, add_chunks=SqliteLexicalIndex().add)
        await store.close()


class TestMemoryVectorStore(VectorStoreSuite):
    @pytest.fixture
    async def case(self) -> VectorCase:
        vectors = MemoryVectorStore()
        return VectorCase(vectors=vectors, store=MemoryStore(), add_chunks=vectors.put_chunks)


async def test_another_stores_transaction_is_refused_with_a_sentence() -> None:
    with pytest.raises(Internal, match="not a transaction of its store"):
        await MemoryStore().read(lambda tx: SqliteVectorStore().ids(tx, "space_1"))
