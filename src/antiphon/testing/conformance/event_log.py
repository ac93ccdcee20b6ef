"""The suites of `EventLog`: `EventLogSuite` for every backend, `DurableEventLogSuite` on top of it for those that outlive a
process. Subclass with a fixture `case` that yields an `EventLogCase` (`DurableCase`) with an empty log.

Users: tests/conformance/test_event_log.py.
"""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass, field
from typing import Any

import msgspec
import pytest

from antiphon.core.errors import ShuttingDown
from antiphon.protocol.events import AnswerChunk, Complete, Notice
from antiphon.storage.event_log.contract import Entry, Position
from antiphon.storage.event_log.hot_log import HotLog
from antiphon.storage.records.contract import Store
from antiphon.storage.records.rows import OUTBOX, OutboxRow
from antiphon.testing.conformance.scopes import EVERYTHING
from antiphon.testing.simulated import SimulatedRuntime

RING_ENTRIES = 100
IDLE_S = 600.0
TOPIC, OTHER = "session:a", "session:b"


@dataclass(kw_only=True)
class EventLogCase:
    """A log with rings of RING_ENTRIES that let go after IDLE_S, and the clock it looks at."""

    log: HotLog
    runtime: SimulatedRuntime


@dataclass(kw_only=True)
class DurableCase(EventLogCase):
    store: Store
    epochs: list[str] = field(default_factory=list[str])

    @abstractmethod
    async def reopen(self, *, clean: bool) -> HotLog:
        """Closes the log (or lets it die with what it has not written) and gives the next incarnation, also as `log`."""

    @abstractmethod
    def break_disk(self, *, broken: bool) -> None:
        """Writes fail from now on, or work again."""


def add(log: HotLog, count: int, topics: tuple[str, ...] = (TOPIC,), *, text: str = "x") -> None:
    for _ in range(count):
        log.append(topics, AnswerChunk(content=text, offset=0, message_id="msg_1"))


def seqs(entries: list[Entry] | None) -> list[int] | None:
    return None if entries is None else [entry.seq for entry in entries]


def frame_of(entry: Entry) -> dict[str, Any]:
    return msgspec.json.decode(entry.frame)


class EventLogSuite:
    async def test_a_topic_is_followed_as_long_as_somebody_listens(self, case: EventLogCase) -> None:
        log = case.log
        assert not log.is_followed(TOPIC)
        add(log, 1)
        assert not log.is_followed(TOPIC)
        first, second = log.subscribe(TOPIC, lambda _entry: None), log.subscribe(TOPIC, lambda _entry: None)
        first()
        assert log.is_followed(TOPIC)
        assert not log.is_followed(OTHER)
        second()
        assert not log.is_followed(TOPIC)

    async def test_positions_start_at_one_and_grow_by_one_in_each_topic(self, case: EventLogCase) -> None:
        log = case.log
        assert await log.head(TOPIC) == Position(log.epoch, 0)
        add(log, 2)
        add(log, 1, (TOPIC, OTHER))
        assert await log.head(TOPIC) == Position(log.epoch, 3)
        assert await log.head(OTHER) == Position(log.epoch, 1)
        assert seqs(await log.read(TOPIC, Position(log.epoch, 0))) == [1, 2, 3]
        assert seqs(await log.read(OTHER, Position(log.epoch, 0))) == [1]

    async def test_an_entry_is_the_event_with_its_place_and_moment(self, case: EventLogCase) -> None:
        case.log.append([TOPIC, OTHER], Notice(notice_id="n1", content="你好 🙂", level="warning"))
        for topic in (TOPIC, OTHER):
            [entry] = await case.log.read(topic, Position(case.log.epoch, 0)) or []
            assert frame_of(entry) == {
                "type": "notice", "notice_id": "n1", "content": "你好 🙂", "level": "warning", "seq": 1, "topic": topic,
                "timestamp": "2026-11-18T11:06:40.000Z",
            }  # fmt: skip
            assert entry.kind == "notice"
            assert entry.wire.endswith(entry.frame)

    async def test_reading_gives_all_after_a_position_or_nothing(self, case: EventLogCase) -> None:
        log = case.log
        add(log, 10)
        assert seqs(await log.read(TOPIC, Position(log.epoch, 7))) == [8, 9, 10]
        assert seqs(await log.read(TOPIC, Position(log.epoch, 1))) == list(range(2, 11))
        assert await log.read(TOPIC, Position(log.epoch, 10)) == []
        assert await log.read(TOPIC, Position(log.epoch, 11)) is None
        assert await log.read(TOPIC, Position(log.epoch, -1)) is None
        assert await log.read(TOPIC, Position("log_another", 7)) is None
        assert await log.read("session:unknown", Position(log.epoch, 0)) == []
        assert await log.read("session:unknown", Position(log.epoch, 1)) is None

    async def test_a_limit_gives_all_or_nothing_too(self, case: EventLogCase) -> None:
        log = case.log
        add(log, 10)
        assert seqs(await log.read(TOPIC, Position(log.epoch, 7), max_entries=3)) == [8, 9, 10]
        assert await log.read(TOPIC, Position(log.epoch, 6), max_entries=3) is None

    async def test_what_was_trimmed_is_gone_and_the_head_stays(self, case: EventLogCase) -> None:
        log = case.log
        add(log, 10)
        log.trim(TOPIC, up_to_seq=6)
        assert await log.read(TOPIC, Position(log.epoch, 5)) is None
        assert seqs(await log.read(TOPIC, Position(log.epoch, 6))) == [7, 8, 9, 10]
        log.trim(TOPIC, up_to_seq=10)
        log.trim("session:unknown", up_to_seq=3)
        assert await log.head(TOPIC) == Position(log.epoch, 10)
        assert await log.read(TOPIC, Position(log.epoch, 10)) == []
        add(log, 1)
        assert seqs(await log.read(TOPIC, Position(log.epoch, 10))) == [11]

    async def test_the_ring_keeps_the_newest(self, case: EventLogCase) -> None:
        log = case.log
        add(log, RING_ENTRIES + 5)
        assert await log.read(TOPIC, Position(log.epoch, 4)) is None
        assert len(await log.read(TOPIC, Position(log.epoch, 5)) or []) == RING_ENTRIES

    async def test_listeners_get_each_later_entry_in_order(self, case: EventLogCase) -> None:
        log, one, other, both = case.log, list[int](), list[int](), list[int]()
        add(log, 2)
        stop = log.subscribe(TOPIC, lambda entry: one.append(entry.seq))
        log.subscribe(OTHER, lambda entry: other.append(entry.seq))
        log.subscribe(TOPIC, lambda entry: both.append(entry.seq))
        log.subscribe(OTHER, lambda entry: both.append(entry.seq))
        add(log, 2)
        add(log, 1, (TOPIC, OTHER))
        stop()
        stop()
        add(log, 1)
        assert (one, other, both) == ([3, 4, 5], [1], [3, 4, 5, 1, 6])

    async def test_a_listener_may_leave_while_it_is_called(self, case: EventLogCase) -> None:
        log, seen = case.log, list[int]()

        def once(entry: Entry) -> None:
            seen.append(entry.seq)
            stop()

        stop = log.subscribe(TOPIC, once)
        log.subscribe(TOPIC, lambda entry: seen.append(-entry.seq))
        add(log, 2)
        assert seen == [1, -1, -2]

    async def test_silent_topics_leave_memory_and_keep_their_heads(self, case: EventLogCase) -> None:
        log = case.log
        add(log, 3)
        add(log, 2, (OTHER,))
        log.subscribe(OTHER, lambda _: None)
        await log.flush()
        case.runtime.clock.pass_time(IDLE_S)
        assert log.evict_idle() == 1
        assert await log.head(TOPIC) == Position(log.epoch, 3)
        assert await log.read(TOPIC, Position(log.epoch, 3)) == []
        assert await log.read(TOPIC, Position(log.epoch, 2)) is None
        assert seqs(await log.read(OTHER, Position(log.epoch, 0))) == [1, 2]
        add(log, 1, (OTHER,))  # its batch takes the head of the other one along
        await log.flush()
        assert await log.head(TOPIC) == Position(log.epoch, 3)
        add(log, 1)
        assert seqs(await log.read(TOPIC, Position(log.epoch, 3))) == [4]

    async def test_nothing_is_appended_once_it_closes(self, case: EventLogCase) -> None:
        add(case.log, 1)
        await case.log.close()
        await case.log.close()
        with pytest.raises(ShuttingDown):
            add(case.log, 1)

    async def test_flush_waits_for_nothing_when_nothing_waits(self, case: EventLogCase) -> None:
        await case.log.flush()
        add(case.log, 1)
        await case.log.flush()
        await case.log.flush()
        assert await case.log.head(TOPIC) == Position(case.log.epoch, 1)


class DurableEventLogSuite(EventLogSuite):
    async def test_a_clean_restart_goes_on(self, case: DurableCase) -> None:
        add(case.log, 5)
        add(case.log, 2, (OTHER,))
        epoch = case.log.epoch
        log = await case.reopen(clean=True)
        assert log.epoch == epoch
        assert await log.head(TOPIC) == Position(epoch, 5)
        assert seqs(await log.read(TOPIC, Position(epoch, 3))) == [4, 5]
        add(log, 1)
        assert seqs(await log.read(TOPIC, Position(epoch, 3))) == [4, 5, 6]
        again = await case.reopen(clean=True)
        assert [frame_of(entry)["seq"] for entry in await again.read(TOPIC, Position(epoch, 0)) or []] == [1, 2, 3, 4, 5, 6]

    async def test_an_unclean_stop_makes_a_new_epoch_for_every_topic(self, case: DurableCase) -> None:
        add(case.log, 5)
        await case.log.flush()
        add(case.log, 2)
        epoch = case.log.epoch
        log = await case.reopen(clean=False)
        assert log.epoch != epoch
        assert await log.head(TOPIC) == Position(log.epoch, 0)
        for seq in (0, 5, 7):
            assert await log.read(TOPIC, Position(epoch, seq)) is None
        add(log, 1)
        assert await log.head(TOPIC) == Position(log.epoch, 1)
        third = await case.reopen(clean=False)
        assert third.epoch not in {epoch, log.epoch}

    async def test_a_topic_that_left_memory_goes_on_after_a_restart(self, case: DurableCase) -> None:
        add(case.log, 4)
        await case.log.flush()
        case.runtime.clock.pass_time(IDLE_S)
        case.log.evict_idle()
        await case.reopen(clean=True)
        log = await case.reopen(clean=True)
        assert await log.head(TOPIC) == Position(log.epoch, 4)
        case.runtime.clock.pass_time(IDLE_S)
        log.evict_idle()
        add(log, 1)
        assert await log.head(TOPIC) == Position(log.epoch, 5)

    async def test_a_topic_that_nothing_else_remembers_goes_on(self, case: DurableCase) -> None:
        add(case.log, 4)
        await case.log.flush()
        case.runtime.clock.pass_time(2 * IDLE_S)
        add(case.log, 1, (OTHER,))
        await case.log.flush()  # removes the batch with the topic's events
        assert case.log.evict_idle() == 1
        log = await case.reopen(clean=True)
        assert await log.head(TOPIC) == Position(log.epoch, 4)

    async def test_old_batches_are_pruned_and_heads_are_not(self, case: DurableCase) -> None:
        add(case.log, 4)
        await case.log.flush()
        case.runtime.clock.pass_time(2 * IDLE_S)
        add(case.log, 1, (OTHER,))
        log = await case.reopen(clean=True)
        assert await log.read(TOPIC, Position(log.epoch, 3)) is None
        assert await log.head(TOPIC) == Position(log.epoch, 4)
        assert seqs(await log.read(OTHER, Position(log.epoch, 0))) == [1]

    async def test_the_outbox_row_goes_with_the_batch_that_holds_its_event(self, case: DurableCase) -> None:
        row = OutboxRow(id="evt_1", topics=[TOPIC], body="{}", created_at=1.0)
        await case.store.write(lambda tx: tx.insert(OUTBOX, row))
        add(case.log, 1)
        await case.log.flush()
        assert await case.store.read(lambda tx: tx.count(OUTBOX, EVERYTHING)) == 1
        case.log.append([TOPIC], Complete(status="completed", run_id="run_1"), event_id="evt_1")
        assert await case.store.read(lambda tx: tx.count(OUTBOX, EVERYTHING)) == 1
        await case.log.flush()
        assert await case.store.read(lambda tx: tx.count(OUTBOX, EVERYTHING)) == 0

    async def test_a_lost_batch_leaves_the_outbox_row(self, case: DurableCase) -> None:
        row = OutboxRow(id="evt_1", topics=[TOPIC], body="{}", created_at=1.0)
        await case.store.write(lambda tx: tx.insert(OUTBOX, row))
        case.log.append([TOPIC], Complete(status="completed", run_id="run_1"), event_id="evt_1")
        await case.reopen(clean=False)
        assert await case.store.read(lambda tx: tx.count(OUTBOX, EVERYTHING)) == 1

    async def test_what_a_full_disk_refuses_is_written_later_in_order(self, case: DurableCase) -> None:
        case.break_disk(broken=True)
        add(case.log, 2, (TOPIC, OTHER))
        await case.runtime.advance(0.06)
        await self.until(case, failing=True)
        add(case.log, 2, (OTHER,), text="later")
        add(case.log, 1)
        assert seqs(await case.log.read(OTHER, Position(case.log.epoch, 0))) == [1, 2, 3, 4]
        case.break_disk(broken=False)
        await case.log.flush()
        await self.until(case, failing=False)
        log = await case.reopen(clean=True)
        entries = await log.read(OTHER, Position(log.epoch, 0)) or []
        assert [(entry.seq, frame_of(entry)["content"]) for entry in entries] == [(1, "x"), (2, "x"), (3, "later"), (4, "later")]
        assert seqs(await log.read(TOPIC, Position(log.epoch, 0))) == [1, 2, 3]

    @abstractmethod
    async def until(self, case: DurableCase, *, failing: bool) -> None:
        """Returns when the backend says that it can't, or can again, write."""
