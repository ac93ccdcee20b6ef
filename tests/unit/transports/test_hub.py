"""transports/hub.py"""

from __future__ import annotations

from typing import Any

import msgspec
from structlog.testing import capture_logs

from antiphon.access.identity import Identity
from antiphon.core.errors import Internal
from antiphon.core.ids import UserId
from antiphon.core.tick import TickQueue
from antiphon.protocol.close_codes import CloseCode
from antiphon.protocol.events import Notice, Snapshot
from antiphon.storage.event_log.contract import Entry
from antiphon.storage.event_log.memory import MemoryEventLog
from antiphon.testing import simulated_runtime
from antiphon.transports.connection import Connection
from antiphon.transports.hub import SWEEP_S, Hub, HubLimits
from antiphon.transports.subscription import ReplayLimits, Subscription

TOPIC = "session:s"
LIMITS: dict[str, Any] = {
    "connections": 3, "connections_per_user": 2, "idle_s": 1800.0, "ping_s": 25.0, "pong_timeout_s": 10.0, "slow_reader_s": 30.0,
    "recheck_s": 60.0,
}  # fmt: skip


class Sink:
    pending_bytes = 0

    def __init__(self) -> None:
        self.paused = False
        self.frames: list[dict[str, Any]] = []
        self.closed: list[int] = []

    def of_entry(self, entry: Entry) -> bytes:
        return entry.frame

    def of_frame(self, frame: bytes) -> bytes:
        return frame

    def write(self, pieces: list[bytes]) -> None:
        self.frames += map(msgspec.json.decode, pieces)

    def on_resume(self, callback: Any) -> None: ...

    async def close(self, code: int, reason: str) -> None:
        assert reason.endswith(".")
        self.closed.append(code)


class Rights:
    """Everything may, until said otherwise. `asked` counts the looks at identities."""

    def __init__(self) -> None:
        self.ended: set[str] = set()
        self.withdrawn: set[tuple[str, str]] = set()
        self.error: Exception | None = None
        self.asked = 0

    async def is_still_valid(self, identity: Identity, /) -> bool:
        self.asked += 1
        if self.error is not None:
            raise self.error
        return identity.user_id not in self.ended

    async def may_subscribe(self, identity: Identity, topic: str, /) -> bool:
        return (identity.user_id, topic) not in self.withdrawn


class House:
    def __init__(self, **limits: Any) -> None:
        self.runtime, self.rights, self.active = simulated_runtime(), Rights(), set[str]()
        self.log = MemoryEventLog(runtime=self.runtime)
        self.hub = Hub(
            runtime=self.runtime, ticks=TickQueue(self.runtime.scheduler), log=self.log, rights=self.rights,
            limits=HubLimits(**{**LIMITS, **limits}), has_active_run=lambda topic: topic in self.active,
        )  # fmt: skip

    def connect(self, user: str | None = "usr_ada", *, kind: str = "realtime", expires_at: float | None = None) -> Connection:
        connection = self.hub.open(Sink(), kind=kind)
        if user is not None:
            identity = Identity(user_id=UserId(user), name=user, credential="test", expires_at=expires_at)
            assert self.hub.admit(connection, identity)
        return connection

    async def subscribe(self, connection: Connection, topic: str = TOPIC) -> None:
        async def build() -> Snapshot:
            head = await self.log.head(topic)
            return Snapshot(topic=topic, epoch=head.epoch, seq=head.seq)

        limits = ReplayLimits(frames=50, bytes=100_000)
        subscription = Subscription(topic, log=self.log, outlet=connection, limits=limits, snapshot=build)
        connection.subscriptions[topic] = subscription
        await subscription.start(None)
        connection.flush()
        sink(connection).frames.clear()

    async def sweep(self, after_s: float = 0.0) -> None:
        self.runtime.clock.pass_time(after_s)
        await self.hub.sweep()
        await self.runtime.scheduler.settle()

    def heard(self, *connections: Connection) -> None:
        for connection in connections:
            connection.active_s = self.runtime.clock.monotonic()


def sink(connection: Connection) -> Sink:
    assert isinstance(connection.sink, Sink)
    return connection.sink


def told(connection: Connection) -> list[str]:
    return [frame["type"] for frame in sink(connection).frames]


def closed(*connections: Connection) -> list[list[int]]:
    return [sink(connection).closed for connection in connections]


# --- caps -----------------------------------------------------------------------------------------------------------------


def test_as_many_connections_as_the_limit_and_no_more() -> None:
    house = House()
    for _ in range(3):
        house.hub.open(Sink(), kind="realtime")
        assert house.hub.refusal() is None
    further = house.hub.open(Sink(), kind="realtime")
    refusal = house.hub.refusal()
    assert refusal is not None
    assert refusal[0] == CloseCode.OVERLOAD
    house.hub.forget(further)
    house.hub.forget(further)
    assert house.hub.connection_count == 3
    assert house.hub.refusal() is None


def test_each_user_has_a_limit_of_their_own() -> None:
    house = House(connections=0)
    one, _ = house.connect(), house.connect()
    identity = one.identity
    assert identity is not None
    third = house.connect(None)
    assert not house.hub.admit(third, identity)
    assert third.identity is None
    house.connect("usr_bob")
    house.hub.forget(third)  # was never counted
    assert not house.hub.admit(house.connect(None), identity)
    house.hub.forget(one)
    house.hub.forget(one)
    assert house.hub.admit(house.connect(None), identity)
    assert not house.hub.admit(house.connect(None), identity)


def test_zero_is_no_limit() -> None:
    house = House(connections=0, connections_per_user=0)
    for _ in range(50):
        house.connect()
        assert house.hub.refusal() is None


# --- heartbeat and idleness -------------------------------------------------------------------------------------------------


async def test_pings_hold_the_heads_and_wait_for_the_interval() -> None:
    house = House()
    connection = house.connect()
    await house.subscribe(connection)
    await house.sweep(24)
    assert told(connection) == []
    house.log.append([TOPIC], Notice(notice_id="n", content="!"))
    await house.sweep(1)
    assert told(connection) == ["notice", "ping"]
    assert sink(connection).frames[-1]["heads"] == {TOPIC: 1}
    house.heard(connection)
    await house.sweep(24)
    assert told(connection) == ["notice", "ping"]
    await house.sweep(1)
    assert told(connection) == ["notice", "ping", "ping"]


async def test_no_pong_closes_with_4502() -> None:
    house = House()
    silent, talking = house.connect(), house.connect("usr_bob")
    await house.sweep(25)
    await house.sweep(9)
    house.heard(talking)
    assert closed(silent, talking) == [[], []]
    await house.sweep(1)
    assert closed(silent, talking) == [[4502], []]
    await house.sweep(25)
    assert closed(talking) == [[]]
    assert told(talking) == ["ping", "ping"]


async def test_who_is_paused_or_not_signed_in_or_simple_is_not_asked_for_a_pong() -> None:
    house = House(connections=0)
    slow, anonymous, simple = house.connect(), house.connect(None), house.connect(kind="simple")
    await house.sweep(25)
    assert [told(each) for each in (slow, anonymous, simple)] == [["ping"], [], []]
    sink(slow).paused = True
    await house.sweep(11)
    assert closed(slow, anonymous, simple) == [[], [], []]


async def test_idle_connections_are_closed_unless_something_runs() -> None:
    house = House(ping_s=1e9)
    idle, waiting, using = house.connect(), house.connect("usr_bob"), house.connect("usr_bob")
    for each in (idle, waiting, using):
        await house.subscribe(each)
    await house.subscribe(waiting, "session:busy")
    house.active = {"session:busy"}
    await house.sweep(1800)
    assert closed(idle, waiting, using) == [[], [], []]
    using.used_s = house.runtime.clock.monotonic()
    await house.sweep(1)
    assert closed(idle, waiting, using) == [[1000], [], []]
    house.active = set()
    await house.sweep()
    assert closed(waiting, using) == [[1000], []]


async def test_a_heartbeat_is_no_use() -> None:
    house = House()
    connection = house.connect()
    for _ in range(80):
        await house.sweep(25)
        house.heard(connection)
    assert closed(connection) == [[1000]]


# --- slow readers -------------------------------------------------------------------------------------------------------------


async def test_a_reader_that_stays_slow_is_cut_with_4501() -> None:
    house = House(ping_s=1e9)
    slow = house.connect()
    sink(slow).paused = True
    await house.sweep()
    await house.sweep(30)
    assert closed(slow) == [[]]
    sink(slow).paused = False  # read a little
    await house.sweep(1)
    sink(slow).paused = True
    await house.sweep(1)
    await house.sweep(30)
    assert closed(slow) == [[]]
    await house.sweep(1)
    assert closed(slow) == [[4501]]


# --- rights -------------------------------------------------------------------------------------------------------------------


async def test_rights_are_looked_at_every_minute_or_when_they_changed() -> None:
    house = House(ping_s=1e9)
    house.connect()
    await house.sweep(60)
    assert house.rights.asked == 1
    await house.sweep(59)
    assert house.rights.asked == 1
    await house.sweep(1)
    assert house.rights.asked == 2
    house.hub.rights_changed()
    await house.sweep(1)
    await house.sweep(1)
    assert house.rights.asked == 3


async def test_a_withdrawn_or_expired_sign_in_closes_its_connections_only() -> None:
    house = House(ping_s=1e9, connections=0)
    now = house.runtime.clock.now()
    withdrawn, later = house.connect("usr_ann", expires_at=now + 9999), house.connect("usr_bob")
    expired, unknown = house.connect("usr_cy", expires_at=now), house.connect(None)
    house.rights.ended = {"usr_ann", "usr_cy"}
    house.hub.rights_changed()
    await house.sweep()
    assert closed(withdrawn, expired, later, unknown) == [[4003], [4500], [], []]


async def test_a_topic_out_of_reach_ends_and_the_connection_stays() -> None:
    house = House(ping_s=1e9)
    connection = house.connect()
    await house.subscribe(connection)
    await house.subscribe(connection, "session:t")
    house.rights.withdrawn = {("usr_ada", TOPIC)}
    house.hub.rights_changed()
    await house.sweep()
    [frame] = sink(connection).frames
    assert (frame["type"], frame["topic"], frame["code"]) == ("unsubscribed", TOPIC, "not_found")
    for topic in (TOPIC, "session:t"):
        house.log.append([topic], Notice(notice_id="n", content="secret?"))
    await house.runtime.scheduler.settle()
    assert [frame["topic"] for frame in sink(connection).frames[1:]] == ["session:t"]
    assert closed(connection) == [[]]


async def test_a_simple_connection_ends_with_its_topic() -> None:
    house = House()
    connection = house.connect(kind="simple")
    await house.subscribe(connection)
    house.rights.withdrawn = {("usr_ada", TOPIC)}
    house.hub.rights_changed()
    await house.sweep()
    assert closed(connection) == [[4003]]
    assert told(connection) == []


async def test_rights_that_cannot_be_read_leave_things_as_they_are() -> None:
    house = House(ping_s=1e9)
    connection, other = house.connect(), house.connect("usr_bob")
    house.rights.error = Internal("The disk is full.")
    house.hub.rights_changed()
    await house.sweep()
    assert closed(connection, other) == [[], []]
    assert house.rights.asked == 2


# --- start and stop -------------------------------------------------------------------------------------------------------------


async def test_the_sweeps_go_on_after_one_that_failed() -> None:
    house = House(recheck_s=0.5, ping_s=1e9)
    house.connect()
    house.hub.start()
    house.rights.error = ZeroDivisionError("planted")
    with capture_logs() as logs:
        await house.runtime.advance(SWEEP_S)
    assert [entry["event"] for entry in logs] == ["hub_sweep_failed"]
    house.rights.error = None
    await house.runtime.advance(2 * SWEEP_S)
    assert house.rights.asked == 3
    await house.hub.stop()
    await house.runtime.advance(10 * SWEEP_S)
    assert house.rights.asked == 3


async def test_stopping_tells_everybody_when_to_come_back_and_closes_with_1012() -> None:
    house = House()
    connections = [house.connect(), house.connect("usr_bob"), house.connect(None)]
    sink(connections[1]).paused = True
    await house.subscribe(connections[0])
    house.hub.start()
    await house.hub.stop()
    assert [told(each) for each in connections] == [["draining"], [], ["draining"]]
    waits = {sink(each).frames[0]["reconnect_in_ms"] for each in (connections[0], connections[2])}
    assert len(waits) == 2, "all would come back at the same moment"
    assert all(500 <= wait <= 2500 for wait in waits)
    assert closed(*connections) == [[1012]] * 3
    assert house.log.listener_count == 0
    refusal = house.hub.refusal()
    assert refusal is not None
    assert refusal[0] == CloseCode.DRAINING
