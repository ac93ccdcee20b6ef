"""The event log's suite over memory and SQLite."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from antiphon.storage.event_log.hot_log import HotLog
from antiphon.storage.event_log.memory import MemoryEventLog
from antiphon.storage.event_log.sqlite import SqliteEventLog
from antiphon.storage.records.sqlite import SqliteStore
from antiphon.storage.sqlite.database import Database
from antiphon.testing import simulated_runtime
from antiphon.testing.conformance.event_log import (
    IDLE_S,
    RING_ENTRIES,
    DurableCase,
    DurableEventLogSuite,
    EventLogCase,
    EventLogSuite,
)
from antiphon.testing.gated_database import GatedDatabase
from antiphon.testing.simulated import SimulatedRuntime


class TestMemoryEventLog(EventLogSuite):
    @pytest.fixture
    def case(self) -> EventLogCase:
        runtime = simulated_runtime()
        log = MemoryEventLog(runtime=runtime, ring_entries=RING_ENTRIES, idle_s=IDLE_S)
        return EventLogCase(log=log, runtime=runtime)


class SqliteCase(DurableCase):
    database: GatedDatabase

    @classmethod
    async def open(cls, path: Path, runtime: SimulatedRuntime) -> SqliteCase:
        database, log = await cls._open(path, runtime)
        case = cls(log=log, runtime=runtime, store=SqliteStore(database))
        case.database = database
        return case

    @staticmethod
    async def _open(path: Path, runtime: SimulatedRuntime) -> tuple[GatedDatabase, SqliteEventLog]:
        database = GatedDatabase.open(path, runtime=runtime)
        assert isinstance(database, GatedDatabase)
        log = await SqliteEventLog.open(database, runtime=runtime, ring_entries=RING_ENTRIES, replay_s=IDLE_S)
        return database, log

    async def reopen(self, *, clean: bool) -> HotLog:
        if clean:
            await self.log.close()
            await Database.close(self.database)
        else:
            self.database.abandon()
            self.runtime.scheduler.cancel_all()
        self.database, self.log = await self._open(self.database.path, self.runtime)
        self.store = SqliteStore(self.database)
        return self.log

    def break_disk(self, *, broken: bool) -> None:
        self.database.disk_full = broken


class TestSqliteEventLog(DurableEventLogSuite):
    @pytest.fixture
    async def case(self, tmp_path: Path) -> AsyncIterator[SqliteCase]:
        case = await SqliteCase.open(tmp_path / "antiphon.db", simulated_runtime())
        yield case
        case.database.abandon()

    async def until(self, case: DurableCase, *, failing: bool) -> None:
        assert isinstance(case.log, SqliteEventLog)
        while (case.log.failing is not None) is not failing:
            await asyncio.sleep(0)
