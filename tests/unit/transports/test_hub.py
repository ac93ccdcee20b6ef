"""transports/hub.py: caps, heartbeat, idle close, slow readers, withdrawn rights, draining."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from antiphon.access.identity import Identity
from antiphon.core.errors import Internal
from antiphon.core.ids import UserId
from antiphon.core.tick import TickQueue
from antiphon.protocol.events import Notice, Snapshot
from antiphon.storage.event_log.contract import Entry
from antiphon.storage.event_log.memory import MemoryEventLog
from antiphon.testing.simulated import simulated_runtime
from antiphon.transports.connection import Connection
from antiphon.transports.hub import Hub, HubLimits
from antiphon.transports.subscription import ReplayLimits, Subscription

ADA = Identity(user_id=UserId("ada"), name="Ada", credential="key_1")
BO = Identity(user_id=UserId("bo"), name="Bo", credential="key_2")
LIMITS: dict[str, Any] = {
    "connections": 3, "connections_per_user": 2, "idle_s": 100.0, "ping_s": 25.0, "pong_timeout_s": 10.0, "slow_reader_s": 30.0,
    "recheck_s": 60.0,
}  # fmt: skip


class Sink:
    def __init__(self) -> None:
        self.paused = False
        self.pending_bytes = 0
        self.frames: list[dict[str, Any]] = []
        self.closed: list[int] = []

    def of_entry(self, entry: Entry) -> bytes:
        return entry.frame

    def of_frame(self, frame: bytes) -> bytes:
        return frame

    def write(self, pieces: list[bytes]) -> None:
        self.frames += [msgspec.json.decode(piece) for piece in pieces]

    def on_resume(self, callback: Callable[[], None]) -> None: ...

    async def close(self, code: int, reason: str) -> None:
        self.closed.append(code)

    def kinds(self) -> list[str]:
        return [frame["type"] for frame in self.frames]


class Rights:
    def __init__(self) -> None:
        self.invalid: set[str] = set()
        self.hidden: set[str] = set()
        self.asked = 0
        self.error: Exception | None = None

    async def is_still_valid(self, identity: Identity, /) -> bool:
        self.asked += 1
        if self.error is not None and identity.user_id == "ada":
            raise self.error
        return identity.user_id not in self.invalid

    async def may_subscribe(self, identity: Identity, topic: str, /) -> bool:
        return topic not in self.hidden


class House:
    def __init__(self, **changes: Any) -> None:
        self.runtime = simulated_runtime()
        self.log = MemoryEventLog(runtime=self.runtime, epoch="e1")
        self.rights = Rights()
        self.active: set[str] = set()
        self.hub = Hub(
            runtime=self.runtime, ticks=TickQueue(self.runtime.scheduler), log=self.log, limits=HubLimits(**{**LIMITS, **changes}),
            rights=self.rights, has_active_run=lambda topic: topic in self.active,
        )  # fmt: skip

    def open(self, identity: Identity | None = ADA, *, kind: str = "realtime") -> tuple[Connection, Sink]:
        sink = Sink()
        connection = self.hub.open(sink, kind=kind)
        if identity is not None:
            assert self.hub.admit(connection, identity)
        return connection, sink

    async def follow(self, connection: Connection, topic: str) -> None:
        async def snapshot() -> Snapshot:
            head = self.log.head_now(topic)
            return Snapshot(topic=topic, epoch=head.epoch, seq=head.seq)

        subscription = Subscription(
            topic, log=self.log, outlet=connection, limits=ReplayLimits(frames=9, bytes=999), snapshot=snapshot
        )
        connection.subscriptions[topic] = subscription
        await subscription.start(None)

    async def live(self, seconds: float, *, pong: Connection | None = None) -> None:
        """Sweeps every second; `pong` answers each time."""
        for _ in range(int(seconds)):
            await self.runtime.advance(1.0)
            if pong is not None:
                pong.active_s = self.runtime.clock.monotonic()
            await self.hub.sweep()
        await self.runtime.scheduler.settle()


@pytest.fixture
def house() -> House:
    return House()


# --- caps ---------------------------------------------------------------------------------------------------------------------


def test_a_user_has_so_many_connections(house: House) -> None:
    one, _ = house.open()
    house.open()
    third = house.hub.open(Sink(), kind="realtime")
    assert not house.hub.admit(third, ADA)
    assert house.hub.admit(third, BO)
    house.hub.forget(one)
    house.hub.forget(one)
    fourth = house.hub.open(Sink(), kind="realtime")
    assert house.hub.admit(fourth, ADA)
    assert house.hub.connection_count == 3


def test_a_process_has_so_many_connections(house: House) -> None:
    for number in range(3):
        house.hub.open(Sink(), kind=f"kind {number}")
        assert house.hub.refusal() is None
    house.hub.open(Sink(), kind="one too many")
    assert house.hub.refusal()[0] == 1013
    unlimited = House(connections=0, connections_per_user=0)
    for _ in range(50):
        unlimited.open()
    assert unlimited.hub.refusal() is None


# --- heartbeat and idle close ---------------------------------------------------------------------------------------------------


async def test_who_answers_pings_stays(house: House) -> None:
    connection, sink = house.open()
    await house.follow(connection, "session:s")
    house.log.append(["session:s"], Notice(notice_id="n", content="x"))
    house.active.add("session:s")
    await house.live(24, pong=connection)
    assert "ping" not in sink.kinds()
    await house.live(60, pong=connection)
    pings = [frame for frame in sink.frames if frame["type"] == "ping"]
    assert len(pings) == 3
    assert pings[0]["heads"] == {"session:s": 1}
    assert sink.closed == []


async def test_who_does_not_is_closed_with_4502(house: House) -> None:
    _, sink = house.open()
    await house.live(34)
    assert sink.closed == []
    await house.live(2)
    assert sink.closed == [4502]


async def test_only_realtime_connections_that_are_signed_in_are_pinged(house: House) -> None:
    _, simple = house.open(kind="simple")
    _, stranger = house.open(None)
    await house.live(60)
    assert (simple.kinds(), stranger.kinds(), simple.closed, stranger.closed) == ([], [], [], [])


async def test_a_reader_that_is_only_slow_is_not_taken_for_dead(house: House) -> None:
    _, sink = house.open()
    await house.live(26)
    sink.paused = True
    await house.live(12)
    assert sink.closed == []


async def test_idle_connections_are_closed_unless_something_runs(house: House) -> None:
    quiet, sink = house.open(kind="simple")
    busy, busy_sink = house.open(kind="simple")
    await house.follow(busy, "session:s")
    house.active.add("session:s")
    await house.live(100)
    assert sink.closed == []
    await house.live(1)
    assert (sink.closed, busy_sink.closed) == ([1000], [])
    assert quiet.closing


# --- slow readers -------------------------------------------------------------------------------------------------------------


async def test_who_does_not_read_for_long_is_closed_with_4501(house: House) -> None:
    _, sink = house.open(kind="simple")
    sink.paused = True
    await house.live(20)
    sink.paused = False
    await house.live(1)
    sink.paused = True
    await house.live(31)
    assert sink.closed == []
    await house.live(1)
    assert sink.closed == [4501]


# --- rights -------------------------------------------------------------------------------------------------------------------


async def test_withdrawn_access_closes_at_the_next_sweep(house: House) -> None:
    _, sink = house.open()
    _, other = house.open(BO)
    await house.live(1)
    asked = house.rights.asked
    house.rights.invalid.add("ada")
    await house.live(1)
    assert (sink.closed, house.rights.asked) == ([], asked)  # nobody said that anything changed
    house.hub.rights_changed()
    await house.live(1)
    assert (sink.closed, other.closed) == ([4003], [])


async def test_rights_are_checked_from_time_to_time_anyway(house: House) -> None:
    await house.live(1)
    _, sink = house.open(kind="simple")
    house.rights.invalid.add("ada")
    await house.live(60)
    assert sink.closed == [4003]


async def test_an_expired_sign_in_is_told_apart(house: House) -> None:
    identity = Identity(user_id=UserId("ada"), name="Ada", credential="c", expires_at=house.runtime.clock.now() + 0.5)
    _, sink = house.open(identity)
    house.rights.invalid.add("ada")
    house.hub.rights_changed()
    await house.live(1)
    assert sink.closed == [4500]


async def test_a_topic_out_of_reach_ends_and_the_others_stay(house: House) -> None:
    connection, sink = house.open()
    await house.follow(connection, "session:a")
    await house.follow(connection, "session:b")
    house.rights.hidden.add("session:a")
    house.hub.rights_changed()
    await house.live(1)
    assert list(connection.subscriptions) == ["session:b"]
    assert sink.frames[-1] | {"type": "unsubscribed", "topic": "session:a", "code": "not_found"} == sink.frames[-1]
    assert sink.closed == []
    simple, simple_sink = house.open(BO, kind="simple")
    await house.follow(simple, "session:a")
    house.hub.rights_changed()
    await house.live(1)
    assert simple_sink.closed == [4003]


async def test_trouble_with_one_is_not_trouble_for_the_others(house: House) -> None:
    _, sink = house.open()
    _, other = house.open(BO)
    house.rights.error = Internal("The disk reported an error.")
    house.rights.invalid.add("bo")
    house.hub.rights_changed()
    await house.live(1)
    assert (sink.closed, other.closed) == ([], [4003])


# --- credentials that end -----------------------------------------------------------------------------------------------------


async def test_a_client_hears_a_minute_before_its_credentials_end_once(house: House) -> None:
    expires_at = house.runtime.clock.now() + 100.0
    ending = Identity(user_id=UserId("ada"), name="Ada", credential="cookie", expires_at=expires_at)
    connection, sink = house.open(ending)
    await house.live(35, pong=connection)
    assert "token_expiring" not in sink.kinds()
    await house.live(15, pong=connection)
    (told,) = [frame for frame in sink.frames if frame["type"] == "token_expiring"]
    assert 55_000 <= told["expires_in_ms"] <= 60_000


async def test_event_streams_are_pinged_and_owe_no_answer(house: House) -> None:
    _, sink = house.open(kind="sse")
    await house.live(90)
    assert sink.kinds().count("ping") >= 3
    assert not sink.closed


# --- draining -----------------------------------------------------------------------------------------------------------------


async def test_stopping_tells_everybody_when_to_come_back(house: House) -> None:
    connection, sink = house.open()
    house.hub.start()
    await house.runtime.advance(3.0)
    await house.hub.stop()
    assert sink.closed == [1012]
    assert 500 <= sink.frames[-1]["reconnect_in_ms"] <= 2500
    assert connection.closing
    assert house.hub.refusal()[0] == 4503
    assert house.runtime.scheduler.next_due_s is None


async def test_draining_is_told_once_and_takes_nobody_new(house: House) -> None:
    _, sink = house.open()
    house.hub.drain()
    house.hub.drain()
    await house.runtime.scheduler.settle()
    assert sink.kinds() == ["draining"]
    assert not sink.closed
    assert house.hub.refusal()[0] == 4503


async def test_the_sweep_goes_on_after_a_failure(house: House) -> None:
    _, sink = house.open()
    sweep, calls = house.hub.sweep, list[int]()

    async def failing() -> None:
        calls.append(1)
        if len(calls) == 1:
            raise Internal("Once.")
        await sweep()

    house.hub.sweep = failing
    house.hub.start()
    await house.runtime.advance(40.0)
    assert len(calls) == 40
    assert sink.closed == [4502]
    await house.hub.stop()
