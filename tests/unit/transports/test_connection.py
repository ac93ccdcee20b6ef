"""transports/connection.py: one write a turn, slow readers, the end."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from antiphon.core.errors import Internal
from antiphon.core.tick import TickQueue
from antiphon.protocol.events import Draining, Notice, Snapshot
from antiphon.storage.event_log.contract import Entry
from antiphon.storage.event_log.memory import MemoryEventLog
from antiphon.testing.simulated import simulated_runtime
from antiphon.transports.connection import Connection
from antiphon.transports.subscription import ReplayLimits, Subscription, SubscriptionState

TOPIC = "session:s"


class Sink:
    def __init__(self) -> None:
        self.paused = False
        self.pending_bytes = 0
        self.writes: list[list[bytes]] = []
        self.closed: list[int] = []
        self.resume: Callable[[], None] = lambda: None

    def of_entry(self, entry: Entry) -> bytes:
        return entry.frame

    def of_frame(self, frame: bytes) -> bytes:
        return frame

    def write(self, pieces: list[bytes]) -> None:
        self.writes.append(pieces)

    def on_resume(self, callback: Callable[[], None]) -> None:
        self.resume = callback

    async def close(self, code: int, reason: str) -> None:
        self.closed.append(code)

    @property
    def frames(self) -> list[dict[str, Any]]:
        return [msgspec.json.decode(piece) for pieces in self.writes for piece in pieces]


class House:
    def __init__(self) -> None:
        self.runtime = simulated_runtime()
        self.log = MemoryEventLog(runtime=self.runtime, epoch="e1")
        self.sink = Sink()
        ticks = TickQueue(self.runtime.scheduler)
        self.connection = Connection("con_1", kind="realtime", sink=self.sink, runtime=self.runtime, ticks=ticks)
        self.error: Exception | None = None

    async def snapshot(self) -> Snapshot:
        if self.error is not None:
            raise self.error
        head = self.log.head_now(TOPIC)
        return Snapshot(topic=TOPIC, epoch=head.epoch, seq=head.seq)

    async def follow(self, topic: str = TOPIC, *, frames: int = 300) -> Subscription:
        subscription = Subscription(
            topic, log=self.log, outlet=self.connection, limits=ReplayLimits(frames=frames, bytes=10**6), snapshot=self.snapshot
        )
        self.connection.subscriptions[topic] = subscription
        await subscription.start(None)
        await self.settle()
        self.sink.writes.clear()
        return subscription

    def notice(self, topic: str = TOPIC, content: str = "x") -> None:
        self.log.append([topic], Notice(notice_id="n", content=content))

    async def settle(self) -> None:
        await self.runtime.scheduler.settle()


@pytest.fixture
def house() -> House:
    return House()


async def test_all_frames_of_a_turn_are_one_write(house: House) -> None:
    await house.follow()
    house.notice(content="a")
    house.notice(content="b")
    house.connection.push_event(Draining(reconnect_in_ms=5))
    assert house.sink.writes == []
    await house.settle()
    [pieces] = house.sink.writes
    assert [msgspec.json.decode(piece)["type"] for piece in pieces] == ["notice", "notice", "draining"]
    house.notice()
    await house.settle()
    assert len(house.sink.writes) == 2


async def test_ephemerals_are_dropped_for_who_does_not_read(house: House) -> None:
    house.sink.paused = True
    house.connection.push_ephemeral(Draining(reconnect_in_ms=5))
    await house.settle()
    assert house.sink.writes == []


async def test_who_reads_again_is_brought_up_to_date(house: House) -> None:
    one, other = await house.follow(), await house.follow("session:other")
    house.sink.paused = True
    for _ in range(3):
        house.notice()
        house.notice("session:other")
    await house.settle()
    assert house.sink.writes == []
    assert {one.state, other.state} == {SubscriptionState.BEHIND}
    house.sink.paused = False
    house.sink.resume()
    house.sink.resume()
    await house.settle()
    seqs = [(frame["topic"], frame["seq"]) for frame in house.sink.frames]
    assert sorted(seqs) == [(topic, seq) for topic in ("session:other", TOPIC) for seq in (1, 2, 3)]
    assert {one.state, other.state} == {SubscriptionState.LIVE}


async def test_who_stops_again_gets_the_rest_later(house: House) -> None:
    await house.follow()
    await house.follow("session:other")
    house.sink.paused = True
    house.notice()
    house.notice("session:other")
    house.sink.paused = False
    write = house.sink.write

    def write_and_pause(pieces: list[bytes]) -> None:
        write(pieces)
        house.sink.paused = True

    house.sink.write = write_and_pause
    house.sink.resume()
    await house.settle()
    assert [frame["topic"] for frame in house.sink.frames] == [TOPIC]
    house.sink.paused = False
    house.sink.resume()
    await house.settle()
    assert [frame["topic"] for frame in house.sink.frames] == [TOPIC, "session:other"]


async def test_a_state_that_cannot_be_rebuilt_closes_the_connection(house: House) -> None:
    await house.follow(frames=1)
    house.sink.paused = True
    house.notice()
    house.notice()
    house.sink.paused = False
    house.error = Internal("The disk reported an error.")
    await house.connection.catch_up()
    assert house.sink.closed == [4504]


async def test_closing_sends_what_waits_and_ends_all_subscriptions(house: House) -> None:
    subscription = await house.follow()
    house.notice()
    await house.connection.close(1012, "Bye.")
    await house.connection.close(1000, "Again.")
    house.notice()
    house.connection.push_event(Draining(reconnect_in_ms=5))
    house.sink.resume()
    await house.settle()
    assert [frame["seq"] for frame in house.sink.frames] == [1]
    assert house.sink.closed == [1012]
    assert subscription.state is SubscriptionState.ENDED
    assert house.log.listener_count == 0
    assert house.connection.subscriptions == {}


async def test_a_subscription_ends_by_its_topic(house: House) -> None:
    await house.follow()
    assert house.connection.end_subscription(TOPIC)
    assert not house.connection.end_subscription(TOPIC)
    assert house.log.listener_count == 0


async def test_room_waits_for_the_peer_or_the_end(house: House) -> None:
    await house.connection.room(100)
    house.sink.pending_bytes = 101
    waiting = asyncio.ensure_future(house.connection.room(100))
    await house.settle()
    house.sink.resume()
    await house.settle()
    assert not waiting.done()  # read some, not enough
    house.sink.pending_bytes = 100
    house.sink.resume()
    await house.settle()
    assert waiting.done()
    house.sink.pending_bytes = 101
    waiting = asyncio.ensure_future(house.connection.room(100))
    await house.settle()
    house.connection.release()
    await house.settle()
    assert waiting.done()
