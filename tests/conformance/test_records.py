"""The record suite over every backend."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from antiphon.core.runtime import system_runtime
from antiphon.storage.records.memory import MemoryStore
from antiphon.storage.records.sqlite import SqliteStore
from antiphon.storage.sqlite.database import Database
from antiphon.testing.conformance.records import RecordStoreSuite


class TestMemoryStore(RecordStoreSuite):
    @pytest.fixture
    async def store(self) -> AsyncIterator[MemoryStore]:
        store = MemoryStore()
        yield store
        await store.close()


class TestSqliteStore(RecordStoreSuite):
    @pytest.fixture
    async def store(self, tmp_path: Path) -> AsyncIterator[SqliteStore]:
        store = SqliteStore(Database.open(tmp_path / "antiphon.db", runtime=system_runtime()))
        yield store
        await store.close()
