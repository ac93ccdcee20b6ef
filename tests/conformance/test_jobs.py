"""The job suite over every backend."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from antiphon.storage.jobs.memory import MemoryJobQueue
from antiphon.storage.jobs.sqlite import SqliteJobQueue
from antiphon.storage.records.memory import MemoryStore
from antiphon.storage.records.sqlite import SqliteStore
from antiphon.storage.sqlite.database import Database
from antiphon.testing import simulated_runtime
from antiphon.testing.conformance.jobs import JobQueueSuite, JobsCase


class TestMemoryJobQueue(JobQueueSuite):
    @pytest.fixture
    def case(self) -> JobsCase:
        runtime, store = simulated_runtime(), MemoryStore()
        return JobsCase(queue=MemoryJobQueue(store, runtime=runtime), store=store, runtime=runtime)


class TestSqliteJobQueue(JobQueueSuite):
    @pytest.fixture
    async def case(self, tmp_path: Path) -> AsyncIterator[JobsCase]:
        runtime = simulated_runtime()
        store = SqliteStore(Database.open(tmp_path / "antiphon.db", runtime=runtime))
        yield JobsCase(queue=SqliteJobQueue(store, runtime=runtime), store=store, runtime=runtime)
        await store.close()
