"""`services`: the rooms behind the command table, on every record store there is."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from antiphon.commands.services import Services
from antiphon.storage.jobs.sqlite import SqliteJobQueue
from antiphon.storage.records.sqlite import SqliteStore
from antiphon.storage.sqlite.database import Database
from antiphon.testing.simulated import simulated_runtime
from antiphon.testing.world import memory_services, services_on


@pytest.fixture(params=["memory", "sqlite"])
async def services(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Services]:
    if request.param == "memory":
        yield memory_services()
        return
    runtime = simulated_runtime()
    database = Database.open(tmp_path / "antiphon.db", runtime=runtime)
    store = SqliteStore(database)
    yield services_on(store, SqliteJobQueue(store, runtime=runtime), runtime)
    await store.close()
    await database.close()
