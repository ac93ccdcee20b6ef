"""storage/sqlite: the writer's classes and groups, the readers, closing, abandoning, a full disk."""

from __future__ import annotations

import asyncio
import sqlite3
import sys
import threading
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from antiphon.core.errors import Internal, ShuttingDown
from antiphon.core.runtime import system_runtime
from antiphon.storage.records.contract import Urgency
from antiphon.storage.sqlite.connections import WAL_LIMIT_BYTES
from antiphon.storage.sqlite.database import Database

Work = Callable[[sqlite3.Connection], object]


class PlannedFailure(Exception):
    pass


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "antiphon.db"


@pytest.fixture
async def database(path: Path) -> AsyncIterator[Database]:
    database = Database.open(path, runtime=system_runtime())
    yield database
    await database.close()


def insert(topic: str) -> Work:
    return lambda connection: connection.execute("INSERT INTO log_topics VALUES (?, 'e', 1)", (topic,))


def topics(connection: sqlite3.Connection) -> list[str]:
    return [row[0] for row in connection.execute("SELECT topic FROM log_topics ORDER BY topic")]


class Gate:
    """A work that holds the writer's thread until it is let go."""

    def __init__(self) -> None:
        self.entered = threading.Event()
        self.go = threading.Event()

    def __call__(self, connection: sqlite3.Connection) -> None:
        self.entered.set()
        assert self.go.wait(10)

    async def hold(self, database: Database, urgency: Urgency = Urgency.COMMAND) -> asyncio.Task[None]:
        task = asyncio.ensure_future(database.submit(self, urgency))
        await asyncio.to_thread(self.entered.wait, 10)
        return task


async def test_settings_of_the_connections(database: Database) -> None:
    def pragmas(connection: sqlite3.Connection) -> list[object]:
        names = ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
        return [connection.execute(f"PRAGMA {name}").fetchone()[0] for name in names]

    assert await database.submit(pragmas) == ["wal", 2, 0, 5000]


async def test_results_errors_and_rollback(database: Database) -> None:
    def failing(connection: sqlite3.Connection) -> None:
        insert("lost")(connection)
        raise PlannedFailure

    assert await database.submit(lambda connection: 42) == 42
    with pytest.raises(PlannedFailure):
        await database.submit(failing)
    with pytest.raises(RuntimeError, match="StopIteration"):
        await database.submit(lambda connection: next(iter(())))
    await database.submit(insert("kept"))
    assert await database.read(topics) == ["kept"] == database.read_inline(topics)


async def test_classes_go_in_order_and_first_in_first_out(database: Database) -> None:
    gate, order = Gate(), []
    held = await gate.hold(database)
    works = [
        asyncio.ensure_future(database.submit(lambda _, name=f"{urgency.name}{n}": order.append(name), urgency))
        for n in range(3)
        for urgency in (Urgency.INGEST, Urgency.LOG, Urgency.COMMAND)
    ]
    await asyncio.sleep(0)
    assert database.backlog == 9
    gate.go.set()
    await asyncio.gather(held, *works)
    assert order == [f"{urgency.name}{n}" for urgency in Urgency for n in range(3)]
    assert database.backlog == 0


async def test_a_command_waits_for_one_ingestion_work_only(database: Database) -> None:
    gate, order = Gate(), []
    held = await gate.hold(database, Urgency.INGEST)
    slices = [asyncio.ensure_future(database.submit(lambda _, n=n: order.append(n), Urgency.INGEST)) for n in range(5)]
    command = asyncio.ensure_future(database.submit(lambda _: order.append("command")))
    await asyncio.sleep(0)
    gate.go.set()
    await asyncio.gather(held, command, *slices)
    assert order == ["command", 0, 1, 2, 3, 4]


async def test_queued_works_share_a_commit(database: Database) -> None:
    gate = Gate()
    held = await gate.hold(database)
    commits: list[int] = []
    await asyncio.sleep(0)
    works = [asyncio.ensure_future(database.submit(insert(f"t{n:03}"))) for n in range(100)]
    await asyncio.sleep(0)
    database._connection.set_trace_callback(lambda sql: commits.append(1) if sql == "COMMIT" else None)
    gate.go.set()
    await asyncio.gather(held, *works)
    database._connection.set_trace_callback(None)
    assert len(await database.read(topics)) == 100
    assert 1 <= len(commits) <= 20


async def test_a_failing_work_takes_only_itself_back(database: Database) -> None:
    gate = Gate()
    held = await gate.hold(database)

    def failing(connection: sqlite3.Connection) -> None:
        insert("b")(connection)
        insert("b")(connection)

    works = [asyncio.ensure_future(database.submit(work)) for work in (insert("a"), failing, insert("c"))]
    await asyncio.sleep(0)
    gate.go.set()
    outcomes = await asyncio.gather(held, *works, return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [type(None), sqlite3.Cursor, sqlite3.IntegrityError, sqlite3.Cursor]
    assert await database.read(topics) == ["a", "c"]


async def test_a_work_must_not_end_the_transaction(database: Database) -> None:
    with pytest.raises(Internal, match="was lost"):
        await database.submit(lambda connection: connection.execute("ROLLBACK"))
    await database.submit(insert("after"))
    assert await database.read(topics) == ["after"]


async def test_submit_nowait_answers_in_the_loops_thread(database: Database) -> None:
    answers: asyncio.Queue[tuple[int, BaseException | None]] = asyncio.Queue()

    def failing(connection: sqlite3.Connection) -> None:
        raise PlannedFailure

    def on_done(error: BaseException | None) -> None:
        answers.put_nowait((threading.get_ident(), error))

    database.submit_nowait(insert("a"), Urgency.LOG, on_done)
    database.submit_nowait(failing, Urgency.LOG, on_done)
    assert await answers.get() == (threading.get_ident(), None)
    thread, error = await answers.get()
    assert thread == threading.get_ident()
    assert isinstance(error, PlannedFailure)


async def test_a_cancelled_caller_does_not_stop_the_work(database: Database) -> None:
    gate = Gate()
    held = await gate.hold(database)
    cancelled = asyncio.ensure_future(database.submit(insert("a")))
    await asyncio.sleep(0)
    cancelled.cancel()
    gate.go.set()
    await held
    await database.submit(insert("b"))
    assert await database.read(topics) == ["a", "b"]
    assert cancelled.cancelled()


async def test_a_read_sees_one_state(database: Database) -> None:
    await database.submit(insert("a"))
    entered, go = threading.Event(), threading.Event()

    def twice(connection: sqlite3.Connection) -> tuple[list[str], list[str]]:
        before = topics(connection)
        entered.set()
        assert go.wait(10)
        return before, topics(connection)

    reading = asyncio.ensure_future(database.read(twice))
    await asyncio.to_thread(entered.wait, 10)
    await database.submit(insert("b"))
    assert database.read_inline(topics) == ["a", "b"]
    go.set()
    assert await reading == (["a"], ["a"])


async def test_reads_change_nothing_and_may_be_nested_inline(database: Database) -> None:
    with pytest.raises(Internal):
        await database.read(insert("a"))
    with pytest.raises(Internal):
        database.read_inline(insert("a"))
    assert database.read_inline(lambda connection: database.read_inline(topics)) == []


async def test_a_full_disk_is_told_and_survived(database: Database) -> None:
    pages = await database.submit(lambda connection: connection.execute("PRAGMA page_count").fetchone()[0])
    await database.submit(lambda connection: connection.execute(f"PRAGMA max_page_count = {pages + 2}"))
    gate = Gate()
    held = await gate.hold(database)

    def large(connection: sqlite3.Connection) -> None:
        connection.execute("INSERT INTO log_batches (created_at, data) VALUES (0, zeroblob(1000000))")

    works = [asyncio.ensure_future(database.submit(work)) for work in (large, insert("next"), large)]
    await asyncio.sleep(0)
    gate.go.set()
    outcomes = await asyncio.gather(*works, held, return_exceptions=True)
    for outcome in (outcomes[0], outcomes[2]):
        assert isinstance(outcome, Internal)
        assert outcome.retryable
        assert "disk is full" in outcome.message
    kept = [] if isinstance(outcomes[1], Exception) else ["next"]
    assert await database.read(topics) == kept, "told one thing, stored another"
    await database.submit(lambda connection: connection.execute("PRAGMA max_page_count = 1000000"))
    await database.submit(large)


async def test_the_write_ahead_log_stays_short(database: Database, path: Path) -> None:
    longest = 0
    for number in range(60):
        data = bytes([number]) * 1_000_000
        await database.submit(
            lambda connection, data=data: connection.execute("INSERT INTO log_batches (created_at, data) VALUES (0, ?)", (data,))
        )
        longest = max(longest, path.with_name("antiphon.db-wal").stat().st_size)
        while database._writer._checkpoints._running and not database._writer._checkpoints._caught_up:
            await asyncio.sleep(0.001)
    assert longest < 3 * WAL_LIMIT_BYTES
    rows = await database.read(lambda connection: connection.execute("SELECT data FROM log_batches ORDER BY id").fetchall())
    assert [row[0][:1] + row[0][-1:] for row in rows] == [bytes([number] * 2) for number in range(60)]


async def test_close_writes_what_is_queued(path: Path) -> None:
    database = Database.open(path, runtime=system_runtime())
    works = [asyncio.ensure_future(database.submit(insert(f"t{n}"), urgency)) for n, urgency in enumerate(Urgency)]
    await asyncio.sleep(0)
    await database.close()
    await asyncio.gather(*works)
    await database.close()
    with pytest.raises(ShuttingDown):
        await database.submit(insert("late"))
    assert not path.with_name("antiphon.db-wal").exists()
    again = Database.open(path, runtime=system_runtime())
    assert await again.read(topics) == ["t0", "t1", "t2"]
    await again.close()


async def test_abandon_keeps_what_was_committed_and_answers_nobody(path: Path) -> None:
    database = Database.open(path, runtime=system_runtime())
    await database.submit(insert("committed"))
    gate = Gate()
    held = await gate.hold(database)
    queued = asyncio.ensure_future(database.submit(insert("queued")))
    await asyncio.sleep(0)
    threading.Timer(0.05, gate.go.set).start()
    database.abandon()
    await asyncio.sleep(0)
    assert not held.done()
    assert not queued.done()
    with pytest.raises(ShuttingDown):
        await database.submit(insert("late"))
    await database.close()
    for task in (held, queued):
        task.cancel()
    again = Database.open(path, runtime=system_runtime())
    assert await again.read(topics) == ["committed"]
    await again.close()


async def test_a_normal_start_imports_no_alembic(path: Path) -> None:
    await Database.open(path, runtime=system_runtime()).close()
    code = (
        "import sys; from pathlib import Path; from antiphon.core.runtime import system_runtime\n"
        "from antiphon.storage.sqlite.database import Database\n"
        "Database.open(Path(sys.argv[1]), runtime=system_runtime()).abandon()\n"
        "assert 'sqlalchemy' in sys.modules and 'alembic' not in sys.modules"
    )
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", code, str(path))
    assert await process.wait() == 0
