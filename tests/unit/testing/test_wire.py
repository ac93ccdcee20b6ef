"""testing/wire.py: the client that trusts nothing must see a hole, a double, a lie about the position."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from antiphon.storage.event_log.contract import text_frame
from antiphon.testing.wire import WatchingClient, Wire, split_frames
from antiphon.transports.sinks import close_frame

TOPIC = "session:s"
SNAPSHOT: dict[str, Any] = {"type": "snapshot", "topic": TOPIC, "epoch": "e", "seq": 5, "messages": [], "active_runs": []}


def write(wire: Wire, *frames: dict[str, Any]) -> None:
    channel = wire.websocket.scope["extensions"]["antiphon.wire"]
    channel.write(b"".join(text_frame(msgspec.json.encode(frame)) for frame in frames))


def subscribed(mode: str, seq: int, epoch: str = "e") -> dict[str, Any]:
    return {"type": "subscribed", "topic": TOPIC, "epoch": epoch, "seq": seq, "mode": mode}


def event(seq: int, **more: Any) -> dict[str, Any]:
    return {"type": "notice", "topic": TOPIC, "seq": seq, **more}


@pytest.fixture
def client() -> WatchingClient:
    client = WatchingClient("a")
    client.attach(Wire(lambda _: None))
    client.subscribe(TOPIC, number=1)
    write(client.wire, subscribed("snapshot", 5), SNAPSHOT)
    client.read()
    assert client.faults == []
    return client


def test_an_unbroken_chain_is_no_fault(client: WatchingClient) -> None:
    write(client.wire, event(6), event(9, prev_seq=6), {**SNAPSHOT, "seq": 20}, event(21))
    assert client.read(2) == 2
    assert client.states[TOPIC].last_seq == 9
    assert client.read() == 2
    assert (client.faults, client.states[TOPIC].last_seq) == ([], 21)


@pytest.mark.parametrize("frame", [event(7), event(5), event(9, prev_seq=7), event(6, prev_seq=4)])
def test_a_broken_chain_is_one(client: WatchingClient, frame: dict[str, Any]) -> None:
    write(client.wire, frame)
    client.read()
    assert "the chain is broken" in client.faults[0]


def test_after_a_resume_it_must_go_on_from_there(client: WatchingClient) -> None:
    client.subscribe(TOPIC, number=2)
    write(client.wire, event(6), subscribed("replay", 7), event(6), event(7))  # what came before the answer is passed over
    client.read()
    assert client.faults == []
    client.subscribe(TOPIC, number=3)
    client.subscribe(TOPIC, number=4)
    write(client.wire, subscribed("live", 7), event(8), subscribed("replay", 8), event(8))
    client.read()
    assert (client.faults, client.modes) == ([], {"snapshot": 1, "replay": 2})
    client.subscribe(TOPIC, number=5)
    write(client.wire, subscribed("live", 8, epoch="another"))
    client.read()
    assert "another epoch" in " ".join(client.faults)


def test_a_promised_snapshot_must_come_first(client: WatchingClient) -> None:
    client.subscribe(TOPIC, number=2)
    write(client.wire, subscribed("snapshot", 5), event(6))
    client.read()
    assert "before the snapshot" in client.faults[0]


def test_a_run_is_completed_once_and_a_command_answered_once(client: WatchingClient) -> None:
    complete = {"type": "complete", "topic": TOPIC, "run_id": "r", "status": "completed", "text_sha256": "0"}
    write(client.wire, {**complete, "seq": 6}, {**complete, "seq": 7})
    ack = {"type": "ack", "reply_to": "a-1", "ok": True}
    write(client.wire, ack, ack)
    client.read()
    assert "completed twice" in client.faults[0]
    assert "an ack too many" in client.faults[1]


def test_a_refused_subscribe_is_remembered(client: WatchingClient) -> None:
    client.subscribe("session:gone", number=2)
    write(client.wire, {"type": "ack", "reply_to": "a-2", "ok": False})
    client.read()
    assert (client.refused, client.faults) == ({"session:gone"}, [])


async def test_a_cut_wire_loses_what_was_not_read(client: WatchingClient) -> None:
    wire = client.wire
    write(wire, event(6))
    client.lose()
    write(wire, event(7))
    assert (client.connected, client.read(), client.states[TOPIC].last_seq) == (False, 0, 5)
    assert (await wire.websocket.receive())["text"]
    assert (await wire.websocket.receive())["type"] == "websocket.disconnect"


def test_frames_of_all_sizes_are_taken_apart() -> None:
    payloads = [b"x" * size for size in (0, 125, 126, 65535, 65536)]
    assert split_frames(b"".join(map(text_frame, payloads)) + close_frame(1000, "Bye.")) == [
        *((1, payload) for payload in payloads), (8, b"\x03\xe8Bye."),
    ]  # fmt: skip
