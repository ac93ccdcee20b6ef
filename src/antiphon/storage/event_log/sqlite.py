"""The embedded event log: rings in memory, written behind in batches to the one SQLite file.

A batch is one append-only row with everything of the last 50 ms (measured: 1.3 us an event; keyed rows 8; a commit a
token 19-197). kill -9 may lose what was appended after the last batch; the next start then makes a new epoch, so that
no client takes the shortened log for the one it knew. A clean close keeps the epoch and every topic's head.
Subsystem: docs/subsystems/event_log.md. Tests: tests/conformance/test_event_log.py, tests/integration/test_crash.py.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Iterator
from typing import NamedTuple

import msgspec
import structlog

from antiphon.core.errors import AntiphonError
from antiphon.core.failpoints import failpoint
from antiphon.core.runtime import Cancellable, Runtime
from antiphon.storage.event_log.contract import Entry
from antiphon.storage.event_log.hot_log import HotLog
from antiphon.storage.records.contract import Urgency
from antiphon.storage.sqlite.database import Database

_log = structlog.get_logger(__name__)
RETRY_S = 1.0
GIVE_UP_S = 2.0
"""How long a close waits for a disk that takes nothing. Then it goes as after a crash: the next start begins a new epoch."""
RELOAD_BYTES = 16 * 2**20
"""Most that a start reads back into memory; what is older is answered with a snapshot."""


class _Event(msgspec.Struct, array_like=True, gc=False):
    """One event in a batch: its body, the outbox row it settles, and its places as (index into `topics`, seq)."""

    body: bytes
    event_id: str | None
    places: list[tuple[int, int]]


class _Batch(msgspec.Struct, array_like=True):
    topics: list[str]
    events: list[_Event]


class StoredEvent(NamedTuple):
    topic: str
    seq: int
    body: bytes


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(_Batch)


class SqliteEventLog(HotLog):
    """`open` it, never construct it. `unclean`: the last stop lost the tail, so this incarnation has a new epoch."""

    def __init__(
        self, database: Database, *, runtime: Runtime, epoch: str, unclean: bool, batch_s: float, ring_entries: int,
        ring_bytes: int, replay_s: float,
    ) -> None:  # fmt: skip
        super().__init__(runtime=runtime, epoch=epoch, ring_entries=ring_entries, ring_bytes=ring_bytes, idle_s=replay_s)
        self._database = database
        self._runtime = runtime
        self._batch_s = batch_s
        self._replay_s = replay_s
        self.unclean = unclean
        self.failing: str | None = None
        self._topics: dict[str, int] = {}
        self._events: list[_Event] = []
        self._heads: dict[str, int] = {}
        self._timer: Cancellable | None = None
        self._writing = False
        self._waiting: list[asyncio.Future[None]] = []
        self._pruned_s = 0.0
        self._giving_up: Cancellable | None = None
        self._gave_up = False

    @classmethod
    async def open(
        cls, database: Database, *, runtime: Runtime, batch_ms: float = 50.0, ring_entries: int = 8192, ring_bytes: int = 2**20,
        replay_s: float = 600.0,
    ) -> SqliteEventLog:  # fmt: skip
        fresh = runtime.ids.new("log")
        epoch, unclean = await database.submit(lambda connection: _begin_incarnation(connection, fresh))
        log = cls(
            database, runtime=runtime, epoch=epoch, unclean=unclean, batch_s=batch_ms / 1000, ring_entries=ring_entries,
            ring_bytes=ring_bytes, replay_s=replay_s,
        )  # fmt: skip
        if not unclean:
            await log._reload()
        return log

    async def scan_stored(self, visit: Callable[[StoredEvent], None]) -> None:
        """Shows every event on disk, in order, also those of the incarnation that was lost: for recovery after an
        unclean stop. `visit` runs on a reader thread and must only collect."""

        def scan(connection: sqlite3.Connection) -> None:
            for event in stored_events(connection):
                visit(event)

        await self._database.read(scan)

    async def forget_stored(self) -> None:
        """Removes the lost incarnation's events once recovery has sealed its runs. Before the first append only."""
        await self._database.submit(lambda connection: connection.execute("DELETE FROM log_batches"), Urgency.COMMAND)

    async def flush(self) -> None:
        if not self._events and not self._writing:
            return
        done = asyncio.get_running_loop().create_future()
        self._waiting.append(done)
        self._write()
        await done

    async def close(self) -> None:
        if self._closed:
            return
        self._closed = True
        if self._timer is not None:
            self._timer.cancel()
        self._giving_up = self._runtime.scheduler.call_later(GIVE_UP_S, self._give_up)
        while (self._events or self._writing) and not self._gave_up:
            await self.flush()
        self._giving_up.cancel()
        if self._gave_up:
            return
        heads = {**self._heads, **{ring.topic: ring.head for ring in self._rings.values()}}
        try:
            await self._database.submit(lambda connection: _end_incarnation(connection, self._epoch, heads))
        except AntiphonError as error:
            _log.error("event_log_given_up", events=0, error=str(error))

    def _give_up(self) -> None:
        """Only when writes fail: a slow disk is waited for."""
        if self.failing is None:
            self._giving_up = self._runtime.scheduler.call_later(GIVE_UP_S, self._give_up)
            return
        _log.error("event_log_given_up", events=len(self._events), error=self.failing)
        self._gave_up = True
        if self._timer is not None:
            self._timer.cancel()
        self._settle()

    # --- HotLog -----------------------------------------------------------------------------------------------------------

    def _stored_head(self, topic: str) -> int:
        head = self._heads.get(topic)
        if head is not None:
            return head
        row = self._database.read_inline(
            lambda connection: connection.execute(
                "SELECT head FROM log_topics WHERE topic = ? AND epoch = ?", (topic, self._epoch)
            ).fetchone()
        )
        return int(row[0]) if row else 0

    def _remember_head(self, topic: str, head: int) -> None:
        self._heads[topic] = head  # moves to disk with the next batch

    def _record(self, body: bytes, places: list[Entry], event_id: str | None) -> None:
        topics = self._topics
        self._events.append(_Event(body, event_id, [(topics.setdefault(e.topic, len(topics)), e.seq) for e in places]))
        if self._timer is None and not self._writing:
            self._timer = self._runtime.scheduler.call_later(self._batch_s, self._write)

    # --- batches ------------------------------------------------------------------------------------------------------------

    def _write(self) -> None:
        """One batch at a time; what arrives meanwhile is the next one."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._writing or self._gave_up:
            return
        if not self._events:
            self._settle()
            return
        self._writing = True
        batch = _Batch(list(self._topics), self._events)
        heads = dict(self._heads)  # stay findable until they are on disk: a topic must never start at 1 again
        self._topics, self._events = {}, []
        now = self._runtime.clock.now()
        prune_before = now - self._replay_s if now - self._pruned_s > 60 else None
        self._pruned_s = now if prune_before is not None else self._pruned_s
        waiting, self._waiting = self._waiting, []

        def work(connection: sqlite3.Connection) -> None:
            failpoint("log.before_batch")
            _insert_batch(connection, batch, now, self._epoch, heads, prune_before)

        def done(error: BaseException | None) -> None:
            self._writing = False
            self._waiting = waiting + self._waiting
            if error is None:
                failpoint("log.after_batch")
                self.failing = None
                for topic, head in heads.items():
                    if self._heads.get(topic) == head:
                        del self._heads[topic]
                for future in waiting:
                    if not future.done():
                        future.set_result(None)
                self._waiting = self._waiting[len(waiting) :]
                if self._events or self._waiting:
                    self._schedule(0.0 if self._waiting else self._batch_s)
            else:
                self._put_back(batch, error)

        self._database.submit_nowait(work, Urgency.LOG, done)

    def _put_back(self, batch: _Batch, error: BaseException) -> None:
        """Disk full or the like: nothing is dropped, the batch is tried again, `failing` says so to /healthz."""
        if self.failing is None:
            _log.error("event_log_write_failed", error=str(error))
        self.failing = str(error)
        later_topics, later_events = list(self._topics), self._events
        self._topics = {topic: index for index, topic in enumerate(batch.topics)}
        self._events = batch.events
        for event in later_events:
            places = [(self._topics.setdefault(later_topics[i], len(self._topics)), seq) for i, seq in event.places]
            self._events.append(_Event(event.body, event.event_id, places))
        self._schedule(RETRY_S)

    def _schedule(self, delay_s: float) -> None:
        if self._timer is None and not self._gave_up:
            self._timer = self._runtime.scheduler.call_later(delay_s, self._write)

    def _settle(self) -> None:
        waiting, self._waiting = self._waiting, []
        for future in waiting:
            if not future.done():
                future.set_result(None)

    async def _reload(self) -> None:
        """After a clean stop: the newest batches come back into the rings, so that clients resume over the restart."""

        def newest(connection: sqlite3.Connection) -> list[bytes]:
            rows: list[bytes] = []
            size = 0
            for (data,) in connection.execute("SELECT data FROM log_batches ORDER BY id DESC"):
                size += len(data)
                if size > RELOAD_BYTES:
                    break
                rows.append(data)
            return rows[::-1]

        for data in await self._database.read(newest):
            batch = _decoder.decode(data)
            for event in batch.events:
                for index, seq in event.places:
                    self._restore(batch.topics[index], seq, event.body)

    def _restore(self, topic: str, seq: int, body: bytes) -> None:
        ring = self._rings.get(topic)
        if ring is None or ring.head != seq - 1:  # the first at hand, or older ones were pruned
            ring = self._rings[topic] = self._ring_at(topic, seq - 1)
        kind = msgspec.json.decode(body, type=_Tagged).type
        ring.add(Entry(topic, seq, kind, body), max_entries=self._ring_entries, max_bytes=self._ring_bytes)

    def _ring_at(self, topic: str, head: int):
        self._rings.pop(topic, None)
        self._heads[topic] = head
        ring = self._ring(topic)
        del self._heads[topic]
        return ring


class _Tagged(msgspec.Struct):
    type: str


def stored_events(connection: sqlite3.Connection) -> Iterator[StoredEvent]:
    """Every event on disk, in order."""
    for (data,) in connection.execute("SELECT data FROM log_batches ORDER BY id"):
        batch = _decoder.decode(data)
        for event in batch.events:
            for index, seq in event.places:
                yield StoredEvent(batch.topics[index], seq, event.body)


def _begin_incarnation(connection: sqlite3.Connection, fresh: str) -> tuple[str, bool]:
    """(epoch, unclean). Marks the log as open; the first start ever counts as clean."""
    row = connection.execute("SELECT epoch, clean FROM log_state WHERE id = 1").fetchone()
    unclean = row is not None and not row[1]
    epoch = str(row[0]) if row is not None and not unclean else fresh
    if unclean:
        connection.execute("DELETE FROM log_topics")
    connection.execute("INSERT OR REPLACE INTO log_state (id, epoch, clean) VALUES (1, ?, 0)", (epoch,))
    return epoch, unclean


def _end_incarnation(connection: sqlite3.Connection, epoch: str, heads: dict[str, int]) -> None:
    _upsert_heads(connection, epoch, heads)
    connection.execute("UPDATE log_state SET clean = 1 WHERE id = 1")


def _upsert_heads(connection: sqlite3.Connection, epoch: str, heads: dict[str, int]) -> None:
    rows = [(topic, epoch, head) for topic, head in heads.items()]
    connection.executemany("INSERT OR REPLACE INTO log_topics (topic, epoch, head) VALUES (?, ?, ?)", rows)


def _insert_batch(
    connection: sqlite3.Connection, batch: _Batch, now: float, epoch: str, heads: dict[str, int], prune_before: float | None
) -> None:
    connection.execute("INSERT INTO log_batches (created_at, data) VALUES (?, ?)", (now, _encoder.encode(batch)))
    settled = [(event.event_id,) for event in batch.events if event.event_id is not None]
    if settled:
        connection.executemany("DELETE FROM outbox WHERE id = ?", settled)
    if heads:
        _upsert_heads(connection, epoch, heads)
    if prune_before is not None:
        connection.execute("DELETE FROM log_batches WHERE created_at < ?", (prune_before,))
