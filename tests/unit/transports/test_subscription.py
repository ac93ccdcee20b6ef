"""transports/subscription.py: replay, snapshot or live, and never a hole, whatever comes in between."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
import pytest

from antiphon.core.errors import NotFound
from antiphon.protocol.codec import encode_ephemeral
from antiphon.protocol.commands import Since
from antiphon.protocol.events import AnswerChunk, Event, Notice, Snapshot
from antiphon.storage.event_log.contract import Entry, Position
from antiphon.storage.event_log.memory import MemoryEventLog
from antiphon.testing.live_core import SESSION_IDS
from antiphon.testing.simulated import simulated_runtime
from antiphon.transports import subscription as module
from antiphon.transports.subscription import ReplayLimits, Subscription, SubscriptionState

TOPIC = "session:s"


class Outlet:
    def __init__(self) -> None:
        self.paused = False
        self.frames: list[dict[str, Any]] = []

    def push_entry(self, entry: Entry) -> None:
        self.push_frame(entry.frame)

    def push_frame(self, frame: bytes) -> None:
        self.frames.append(msgspec.json.decode(frame))

    def push_event(self, event: Event) -> None:
        self.push_frame(encode_ephemeral(event, "t"))

    @property
    def told(self) -> list[Any]:
        """`subscribed` by mode, snapshots by seq, events by (prev_seq, seq)."""
        words: list[Any] = []
        for frame in self.frames:
            if frame["type"] == "subscribed":
                words.append(f"{frame['mode']} {frame['seq']}")
            elif frame["type"] == "snapshot":
                words.append(f"snapshot at {frame['seq']}")
            else:
                words.append((frame.get("prev_seq", frame["seq"] - 1), frame["seq"]))
        return words


class SlowLog(MemoryEventLog):
    """Its reads take a turn or more, as those of a log on another machine."""

    def __init__(self, **more: Any) -> None:
        super().__init__(**more)
        self.gate = asyncio.Event()

    async def read(self, topic: str, since: Position, *, max_entries: int | None = None) -> list[Entry] | None:
        entries = await super().read(topic, since, max_entries=max_entries)
        await self.gate.wait()
        return entries


class House:
    def __init__(self, log_type: type[MemoryEventLog] = MemoryEventLog, *, frames: int = 300, max_bytes: int = 10**6) -> None:
        self.runtime = simulated_runtime()
        self.log = log_type(runtime=self.runtime, epoch="e1")
        self.outlet = Outlet()
        self.gate = asyncio.Event()
        self.gate.set()
        self.built = 0
        self.error: Exception | None = None
        self.subscription = self.subscribe(frames, max_bytes)

    def subscribe(self, frames: int = 300, max_bytes: int = 10**6) -> Subscription:
        return Subscription(
            TOPIC, log=self.log, outlet=self.outlet, limits=ReplayLimits(frames=frames, bytes=max_bytes), snapshot=self.snapshot
        )

    async def snapshot(self) -> Snapshot:
        position = self.log.head_now(TOPIC)
        self.built += 1
        await self.gate.wait()
        if self.error is not None:
            raise self.error
        return Snapshot(topic=TOPIC, epoch=position.epoch, seq=position.seq)

    def notices(self, count: int) -> None:
        for _ in range(count):
            self.log.append([TOPIC], Notice(notice_id="n", content="x"))

    def chunks(self, count: int) -> None:
        for number in range(count):
            self.log.append([TOPIC], AnswerChunk(content="x", offset=number, message_id="m", run_id="r"))


async def turn() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


@pytest.fixture
def house() -> House:
    return House()


# --- start --------------------------------------------------------------------------------------------------------------------


async def test_without_a_position_a_snapshot(house: House) -> None:
    house.notices(3)
    assert await house.subscription.start(None) == "snapshot"
    house.notices(1)
    assert house.outlet.told == ["snapshot 3", "snapshot at 3", (3, 4)]
    assert house.subscription.sent == Position("e1", 4)


async def test_from_the_head_live(house: House) -> None:
    house.notices(3)
    assert await house.subscription.start(Since("e1", 3)) == "live"
    house.notices(1)
    assert house.outlet.told == ["live 3", (3, 4)]


async def test_from_an_earlier_position_what_is_missing(house: House) -> None:
    house.notices(2)
    house.chunks(3)
    assert await house.subscription.start(Since("e1", 1)) == "replay"
    house.notices(1)
    assert house.outlet.told == ["replay 5", (1, 2), (2, 5), (5, 6)]


@pytest.mark.parametrize("since", [Since("e0", 3), Since("e1", 9), Since("e1", -1), Since("e1", 0)])
async def test_what_is_not_at_hand_is_a_snapshot(house: House, since: Since) -> None:
    house.notices(5)
    house.log.trim(TOPIC, up_to_seq=2)
    assert await house.subscription.start(since) == "snapshot"
    assert house.outlet.told == ["snapshot 5", "snapshot at 5"]


@pytest.mark.parametrize(("frames", "max_bytes", "mode"), [(4, 10**6, "replay"), (3, 10**6, "snapshot"), (300, 100, "snapshot")])
async def test_limits_count_after_merging(frames: int, max_bytes: int, mode: str) -> None:
    house = House(frames=frames, max_bytes=max_bytes)
    house.chunks(50)
    house.notices(3)
    assert await house.subscription.start(Since("e1", 0)) == mode


async def test_the_announcement_can_be_left_out(house: House) -> None:
    house.notices(2)
    await house.subscription.start(Since("e1", 1), announce=False)
    await house.subscribe().start(None, announce=False)
    assert house.outlet.told == [(1, 2), "snapshot at 2"]


async def test_start_live_goes_on_from_a_position(house: House) -> None:
    house.notices(3)
    await house.subscription.start_live(position=Position("e1", 2))
    assert house.outlet.told == [(2, 3)]
    await house.subscribe().start_live(position=Position("e0", 2))
    assert house.outlet.told == [(2, 3), "snapshot at 3"]


# --- while a snapshot is made -------------------------------------------------------------------------------------------------


async def test_what_comes_while_a_snapshot_is_made_follows_it(house: House) -> None:
    house.gate.clear()
    starting = asyncio.ensure_future(house.subscription.start(None))
    await turn()
    house.notices(1)
    house.chunks(2)
    assert house.outlet.told == []
    house.gate.set()
    await starting
    assert house.outlet.told == ["snapshot 0", "snapshot at 0", (0, 1), (1, 3)]
    assert house.subscription.state is SubscriptionState.LIVE


async def test_what_the_snapshot_holds_already_is_not_sent_again(house: House) -> None:
    async def late() -> Snapshot:
        house.notices(2)  # heard of as live entries, and in the snapshot
        return await house.snapshot()

    house.subscription._snapshot = late
    await house.subscription.start(None)
    house.notices(1)
    assert house.outlet.told == ["snapshot 2", "snapshot at 2", (2, 3)]


async def test_more_than_is_kept_aside_is_read_from_the_log(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_KEPT_ASIDE", 2)
    house.gate.clear()
    starting = asyncio.ensure_future(house.subscription.start(None))
    await turn()
    house.notices(5)
    house.gate.set()
    await starting
    house.notices(1)
    assert house.outlet.told == ["snapshot 0", "snapshot at 0", *((n, n + 1) for n in range(6))]


async def test_a_topic_that_is_too_fast_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_KEPT_ASIDE", 2)
    house = House(frames=3)
    house.gate.clear()
    starting = asyncio.ensure_future(house.subscription.start(None))
    await turn()
    house.notices(5)
    house.gate.set()
    assert await starting == "snapshot"
    assert house.subscription.state is SubscriptionState.BEHIND
    await house.subscription.catch_up()
    house.notices(1)
    assert house.outlet.told == ["snapshot 0", "snapshot at 0", "snapshot at 5", (5, 6)]


async def test_a_snapshot_that_cannot_be_made_ends_the_subscription(house: House) -> None:
    house.error = NotFound("There is no such session.")
    with pytest.raises(NotFound):
        await house.subscription.start(None)
    assert house.subscription.state is SubscriptionState.ENDED
    assert house.log.listener_count == 0


# --- slow readers -------------------------------------------------------------------------------------------------------------


async def test_a_reader_that_pauses_gets_the_rest_merged(house: House) -> None:
    await house.subscription.start(None)
    house.chunks(1)
    house.outlet.paused = True
    house.log.append([TOPIC], AnswerChunk(content="y", offset=1, message_id="m", run_id="r"))
    house.log.append([TOPIC], AnswerChunk(content="z", offset=2, message_id="m", run_id="r"))
    assert house.subscription.state is SubscriptionState.BEHIND
    house.outlet.paused = False
    house.notices(1)
    assert house.outlet.told == ["snapshot 0", "snapshot at 0", (0, 1)]
    await house.subscription.catch_up()
    assert house.outlet.told[3:] == [(1, 3), (3, 4)]
    assert house.outlet.frames[3]["content"] == "yz"
    assert house.subscription.state is SubscriptionState.LIVE


async def test_a_reader_that_is_too_far_behind_gets_a_snapshot() -> None:
    house = House(frames=2)
    await house.subscription.start(None)
    house.outlet.paused = True
    house.notices(5)
    house.outlet.paused = False
    await house.subscription.catch_up()
    house.notices(1)
    assert house.outlet.told == ["snapshot 0", "snapshot at 0", "snapshot at 5", (5, 6)]


async def test_a_reader_that_pauses_again_meanwhile_falls_behind_again(house: House) -> None:
    await house.subscription.start(None)
    house.outlet.paused = True
    house.notices(400)
    house.outlet.paused = False
    house.gate.clear()
    catching = asyncio.ensure_future(house.subscription.catch_up())
    await turn()
    house.outlet.paused = True
    house.notices(1)
    house.gate.set()
    await catching
    assert house.subscription.state is SubscriptionState.BEHIND
    house.outlet.paused = False
    await house.subscription.catch_up()
    assert house.outlet.told[2:] == ["snapshot at 400", (400, 401)]


async def test_only_who_is_behind_catches_up(house: House) -> None:
    house.notices(2)
    await house.subscription.start(Since("e1", 2))
    await house.subscription.catch_up()
    assert house.outlet.told == ["live 2"]


# --- the end ------------------------------------------------------------------------------------------------------------------


async def test_after_the_end_nothing_comes(house: House) -> None:
    await house.subscription.start(None)
    house.subscription.end()
    house.subscription.end()
    house.notices(3)
    await house.subscription.catch_up()
    assert house.outlet.told == ["snapshot 0", "snapshot at 0"]
    assert house.log.listener_count == 0


async def test_an_end_while_a_snapshot_is_made(house: House) -> None:
    house.gate.clear()
    starting = asyncio.ensure_future(house.subscription.start(None))
    await turn()
    house.notices(1)
    house.subscription.end()
    house.gate.set()
    await starting
    assert house.outlet.told == []


async def test_an_end_while_the_log_is_read() -> None:
    house = House(SlowLog)
    house.notices(3)
    starting = asyncio.ensure_future(house.subscription.start(Since("e1", 1)))
    await turn()
    house.subscription.end()
    house.log.gate.set()
    await starting
    assert house.outlet.told == []
    assert house.subscription.state is SubscriptionState.ENDED


async def test_what_comes_while_the_log_is_read_is_neither_lost_nor_doubled() -> None:
    house = House(SlowLog)
    house.notices(3)
    starting = asyncio.ensure_future(house.subscription.start(Since("e1", 1)))
    await turn()
    house.notices(2)
    house.log.gate.set()
    await starting
    assert house.outlet.told == ["replay 3", (1, 2), (2, 3), (3, 4), (4, 5)]


# --- what a client sees of it -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["snapshot", "replay", "live"])
async def test_the_ack_comes_first_then_subscribed_then_what_was_missed(talk, mode: str) -> None:
    """Also on a topic that is followed already, and while an answer is written."""
    client = await talk.client("a")
    await talk.ask(client)
    await talk.says("one")
    client.read()
    if mode == "replay":
        client.lose()
        await talk.says("two", "three")
        client.attach(talk.core.connect())
        await talk.core.settle()
        client.read()
    elif mode == "snapshot":
        client.states.clear()
    seen = len(client.frames)
    client.subscribe("session:" + SESSION_IDS[0], number=99)
    await talk.says("four")
    client.read()
    frames = client.frames[seen:]
    state = {"snapshot": ["snapshot"], "replay": ["answer_chunk"], "live": []}[mode]  # adjacent pieces are merged
    assert [frame["type"] for frame in frames] == ["ack", "subscribed", *state, "answer_chunk"]
    assert (frames[0]["ok"], frames[1]["mode"], frames[-1]["content"]) == (True, mode, "four")
    if mode == "replay":
        assert (frames[2]["content"], frames[2]["seq"] - frames[2]["prev_seq"]) == ("twothree", 2)
