"""testing/gated_database.py: works wait, in the order the real database allows, and a crash takes what waits."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from antiphon.core.errors import Internal, ShuttingDown
from antiphon.storage.records.contract import Urgency
from antiphon.testing.gated_database import GatedDatabase
from antiphon.testing.simulated import simulated_runtime


def insert(name: str) -> Callable[[sqlite3.Connection], object]:
    return lambda connection: connection.execute("INSERT INTO names VALUES (?)", (name,))


def names(connection: sqlite3.Connection) -> list[str]:
    return [row[0] for row in connection.execute("SELECT name FROM names ORDER BY rowid")]


@pytest.fixture
async def database(tmp_path: Path) -> GatedDatabase:
    database = GatedDatabase.open(tmp_path / "antiphon.db", runtime=simulated_runtime())
    assert isinstance(database, GatedDatabase)
    await database.submit(lambda connection: connection.execute("CREATE TABLE names (name TEXT)"))
    database.gated = True
    return database


@pytest.fixture(autouse=True)
def closed(database: GatedDatabase) -> Iterator[None]:
    yield
    database.abandon()


async def start(work: object) -> asyncio.Task[object]:
    task = asyncio.ensure_future(work)  # type: ignore[call-overload]
    await asyncio.sleep(0)
    return task


async def test_a_write_is_committed_in_one_step_and_answered_in_another(database: GatedDatabase) -> None:
    writing = await start(database.submit(insert("a")))
    assert database.waiting == 1
    assert await database.step()
    await asyncio.sleep(0)
    assert database.read_inline(names) == ["a"]
    assert not writing.done()
    assert await database.step()
    await asyncio.sleep(0)
    assert writing.done()
    assert not await database.step()


async def test_commands_go_first_and_answers_in_the_order_of_commits(database: GatedDatabase) -> None:
    order: list[str] = []
    database.submit_nowait(insert("log"), Urgency.LOG, lambda _: order.append("log"))
    database.submit_nowait(insert("one"), Urgency.COMMAND, lambda _: order.append("one"))
    database.submit_nowait(insert("two"), Urgency.COMMAND, lambda _: order.append("two"))
    while await database.step(1):  # commits before answers, where there is a choice
        pass
    assert database.read_inline(names) == ["one", "two", "log"]
    assert order == ["one", "two", "log"]


async def test_a_read_sees_the_moment_of_its_step(database: GatedDatabase) -> None:
    reading = await start(database.read(names))
    await start(database.submit(insert("a")))
    await database.step(0)  # the commit
    await database.step(1)  # the read
    database.gated = False
    await database.submit(insert("b"))
    while await database.step():
        pass
    assert await reading == ["a"]


async def test_a_crash_takes_what_waits_and_keeps_what_was_committed(database: GatedDatabase) -> None:
    one, two = await start(database.submit(insert("a"))), await start(database.submit(insert("b")))
    await database.step()
    database.abandon()
    await asyncio.sleep(0)
    assert not one.done()
    assert not two.done()
    with sqlite3.connect(database.path) as connection:
        assert names(connection) == ["a"]
    connection.close()
    with pytest.raises(ShuttingDown):
        await database.submit(insert("c"))
    with pytest.raises(ShuttingDown):
        await database.read(names)
    for task in (one, two):
        task.cancel()


@pytest.mark.parametrize("gated", [True, False])
async def test_a_full_disk_refuses_writes(database: GatedDatabase, gated: bool) -> None:
    database.gated, database.disk_full = gated, True
    writing, errors = await start(database.submit(insert("a"))), list[BaseException | None]()
    database.submit_nowait(insert("b"), Urgency.LOG, errors.append)
    while await database.step():
        pass
    with pytest.raises(Internal, match="disk is full"):
        await writing
    while not errors:
        await asyncio.sleep(0)
    assert isinstance(errors[0], Internal)
    assert database.read_inline(names) == []


async def test_what_a_work_raises_is_its_callers(database: GatedDatabase) -> None:
    writing = await start(database.submit(lambda connection: connection.execute("nonsense")))
    reading = await start(database.read(lambda connection: connection.execute("nonsense")))
    while await database.step():
        pass
    for task in (writing, reading):
        with pytest.raises(sqlite3.OperationalError):
            await task


async def test_closing_writes_what_is_queued_and_cancels_reads(database: GatedDatabase) -> None:
    writing, reading = await start(database.submit(insert("a"))), await start(database.read(names))
    await database.close()
    await database.close()
    await asyncio.sleep(0)
    assert writing.done()
    assert reading.cancelled()
    assert database.closed
