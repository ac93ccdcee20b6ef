"""The lexical suite over every backend, and what only SQLite's does."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from random import Random

import pytest

from antiphon.core.errors import Internal
from antiphon.storage.lexical.sqlite import SqliteLexicalIndex
from antiphon.storage.records.memory import MemoryStore
from antiphon.storage.records.sqlite import SqliteStore
from antiphon.storage.sqlite.database import Database
from antiphon.testing import simulated_runtime
from antiphon.testing.conformance.lexical import LexicalCase, LexicalIndexSuite


class TestSqliteLexicalIndex(LexicalIndexSuite):
    @pytest.fixture
    async def case(self, tmp_path: Path) -> AsyncIterator[LexicalCase]:
        store = SqliteStore(Database.open(tmp_path / "antiphon.db", runtime=simulated_runtime()))
        yield LexicalCase(index=SqliteLexicalIndex(), store=store, chance=Random)
        await store.close()


async def test_another_stores_transaction_is_refused_with_a_sentence() -> None:
    store = MemoryStore()
    with pytest.raises(Internal, match="not a transaction of its store"):
        await store.read(lambda tx: SqliteLexicalIndex().postings(tx, "ws_1", ["elm"]))
