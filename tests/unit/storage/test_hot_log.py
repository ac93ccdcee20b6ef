"""storage/event_log/hot_log.py: what leaves memory, and what may be seen while an append goes round. The rest is the suite's."""

from __future__ import annotations

import pytest

from antiphon.protocol.events import Notice
from antiphon.storage.event_log import hot_log
from antiphon.storage.event_log.contract import Entry, Position
from antiphon.storage.event_log.memory import MemoryEventLog
from antiphon.testing.simulated import SimulatedRuntime, simulated_runtime

EVENT = {"notice_id": "n", "content": "x" * 200}


@pytest.fixture
def runtime() -> SimulatedRuntime:
    return simulated_runtime()


@pytest.fixture
def log(runtime: SimulatedRuntime) -> MemoryEventLog:
    return MemoryEventLog(runtime=runtime, idle_s=60.0)


def add(log: MemoryEventLog, topic: str, count: int) -> None:
    for _ in range(count):
        log.append([topic], Notice(**EVENT))


async def test_a_listener_sees_the_head_it_was_called_for(log: MemoryEventLog) -> None:
    seen: list[tuple[int, int, int]] = []

    def listen(entry: Entry) -> None:
        seen.append((entry.seq, log.head_now("a").seq, log.head_now("b").seq))

    log.subscribe("a", listen)
    log.subscribe("b", listen)
    log.append(["a", "b"], Notice(**EVENT))
    assert seen == [(1, 1, 1), (1, 1, 1)]
    assert log.listener_count == 2


async def test_rings_beyond_the_bound_leave_oldest_first(
    log: MemoryEventLog, runtime: SimulatedRuntime, monkeypatch: pytest.MonkeyPatch
) -> None:
    for topic in ("old", "middle", "new"):
        add(log, topic, 10)
        await runtime.advance(1.0)
    size = log.resident_bytes
    monkeypatch.setattr(hot_log, "MAX_RESIDENT_BYTES", size // 2)
    assert log.evict_idle() == 2
    assert log.resident_bytes <= size // 2
    assert await log.read("new", Position(log.epoch, 0)) is not None
    assert [log.head_now(topic).seq for topic in ("old", "middle", "new")] == [10, 10, 10]


async def test_rings_with_listeners_are_cut_short_when_nothing_else_helps(
    log: MemoryEventLog, runtime: SimulatedRuntime, monkeypatch: pytest.MonkeyPatch
) -> None:
    log.subscribe("a", lambda _: None)
    add(log, "a", 200)
    add(log, "b", 200)
    monkeypatch.setattr(hot_log, "MAX_RESIDENT_BYTES", 1)
    assert log.evict_idle() == 2
    assert await log.read("a", Position(log.epoch, 200 - hot_log.KEPT_ENTRIES - 1)) is None
    assert len(await log.read("a", Position(log.epoch, 200 - hot_log.KEPT_ENTRIES)) or []) == hot_log.KEPT_ENTRIES
    assert log.head_now("a").seq == 200
    await runtime.advance(1000.0)
    assert log.evict_idle() == 0  # listened to, and short already


async def test_a_topic_with_listeners_stays_however_silent_it_is(log: MemoryEventLog, runtime: SimulatedRuntime) -> None:
    stop = log.subscribe("a", lambda _: None)
    add(log, "a", 2)
    await runtime.advance(61.0)
    assert log.evict_idle() == 0
    stop()
    assert log.evict_idle() == 1
    assert log.listener_count == 0
    stop()
    add(log, "a", 1)
    assert log.head_now("a").seq == 3


async def test_reading_the_head_of_a_topic_makes_no_ring(log: MemoryEventLog) -> None:
    for number in range(100):
        assert (await log.head(f"t{number}")).seq == 0
        assert await log.read(f"t{number}", Position(log.epoch, 0)) == []
        log.trim(f"t{number}", up_to_seq=5)
    assert log._rings == {}


async def test_an_event_without_topics_goes_nowhere(log: MemoryEventLog) -> None:
    log.append([], Notice(**EVENT))
    assert log.resident_bytes == 0
