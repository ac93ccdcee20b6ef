"""`Wire`: both ends of a WebSocket without a network, and `WatchingClient`, which trusts nothing that comes over it.

The server's end is the product's `WireSink`; frames are taken apart as a browser would. The peer reads only when told, and
`paused` is the test's to set. Used by antiphon.testing.live_core. Tests: tests/unit/testing/test_wire.py.
"""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from collections.abc import Callable
from typing import Any, cast

import msgspec
from starlette.websockets import WebSocket, WebSocketState

from antiphon.protocol.reducer import Outcome, TopicState
from antiphon.transports.uvicorn_websocket import EXTENSION, WireChannel

Frame = dict[str, Any]


class _Channel(WireChannel):
    def __init__(self, written: Callable[[Frame], None]) -> None:
        self.paused = False
        self.on_resume = None
        self.unread: deque[Frame] = deque()
        self.gone = False
        self.close_code: int | None = None
        self.full_bytes = 0
        self._written = written

    @property
    def pending_bytes(self) -> int:
        return self.full_bytes if self.paused else 0

    def write(self, data: bytes) -> None:
        if self.gone or self.close_code is not None:
            return
        for opcode, payload in split_frames(data):
            if opcode == 8:
                self.close_code = int.from_bytes(payload[:2], "big")
                return
            frame: Frame = msgspec.json.decode(payload)
            self._written(frame)
            self.unread.append(frame)

    def finish(self, close_frame: bytes, code: int) -> None:
        self.write(close_frame)
        self.close_code = code
        self.ended()

    def abort(self) -> None:
        self.gone = True

    def ended(self) -> None:
        """Set by the wire: the server closed."""


class _WebSocket:
    """What the endpoint uses of a starlette WebSocket."""

    def __init__(self, channel: WireChannel, inbox: asyncio.Queue[dict[str, Any]]) -> None:
        self.scope: dict[str, Any] = {"type": "websocket", "extensions": {EXTENSION: channel}, "subprotocols": []}
        self.application_state = self.client_state = WebSocketState.CONNECTED
        self.close_code: int | None = None
        self._inbox = inbox

    async def accept(self, subprotocol: str | None = None) -> None:
        del subprotocol

    async def receive(self) -> dict[str, Any]:
        return await self._inbox.get()

    async def close(self, code: int = 1000, reason: str | None = None) -> None:
        del reason
        self.close_code = code
        self.application_state = WebSocketState.DISCONNECTED
        self._inbox.put_nowait({"type": "websocket.disconnect", "code": code})


class Wire:
    """`sent` sees every frame at the moment the server writes it, read or not."""

    def __init__(self, sent: Callable[[Frame], None]) -> None:
        self._inbox: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self._channel = _Channel(sent)
        self._channel.ended = lambda: self._inbox.put_nowait({"type": "websocket.disconnect", "code": 1006})
        self._websocket = _WebSocket(self._channel, self._inbox)

    @property
    def websocket(self) -> WebSocket:
        return cast("WebSocket", self._websocket)

    @property
    def unread(self) -> deque[Frame]:
        return self._channel.unread

    @property
    def closed(self) -> bool:
        """By either side."""
        return self._channel.gone or self._channel.close_code is not None or self._websocket.close_code is not None

    @property
    def paused(self) -> bool:
        return self._channel.paused

    def send(self, command: Frame) -> None:
        self._inbox.put_nowait({"type": "websocket.receive", "text": msgspec.json.encode(command).decode()})

    def pause(self, *, full_bytes: int = 0) -> None:
        """The peer stops reading. `full_bytes`: what the server's buffer says it holds from now on."""
        self._channel.paused = True
        self._channel.full_bytes = full_bytes

    def resume(self) -> None:
        if self._channel.paused:
            self._channel.paused = False
            if self._channel.on_resume is not None:
                self._channel.on_resume()

    def cut(self) -> None:
        """The connection breaks; what was not read is lost. The server hears of it."""
        self._channel.gone = True
        self._channel.on_resume = None
        self._inbox.put_nowait({"type": "websocket.disconnect", "code": 1006})


class WatchingClient:
    """Keeps topics as a client does, with the reducer of the product, and beside it checks the chain of positions itself.

    `frames`: all it has read. `faults`: what must not happen. `modes` counts how subscriptions went on."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.wire: Wire | None = None
        self.states: dict[str, TopicState] = {}
        self.acks: dict[str, Frame] = {}
        self.frames: list[Frame] = []
        self.faults: list[str] = []
        self.completes: Counter[tuple[str, str]] = Counter()
        self.hashes: dict[str, str] = {}
        self.modes: Counter[str] = Counter()
        self._unanswered: Counter[str] = Counter()
        self.refused: set[str] = set()
        self._last: dict[str, tuple[str, int]] = {}
        self._asked: dict[str, deque[tuple[str, Frame | None]]] = {}
        self._snapshot_due: set[str] = set()
        self._again = 0

    @property
    def connected(self) -> bool:
        return self.wire is not None and not self.wire.closed

    def attach(self, wire: Wire) -> None:
        self.wire = wire
        self._asked.clear()
        self._unanswered.clear()
        self._snapshot_due.clear()

    def lose(self) -> None:
        if self.wire is not None:
            self.wire.cut()
            self.wire = None

    def subscribe(self, topic: str, *, number: int) -> None:
        """From where it is; frames of before the (last) answer are passed over."""
        since = self.states.setdefault(topic, TopicState(topic)).position
        command_id = f"{self.name}-{number}"
        self._asked.setdefault(topic, deque()).append((command_id, since))
        self.send({"type": "subscribe", "id": command_id, "topic": topic, **({"since": since} if since else {})})

    def send(self, command: Frame) -> None:
        assert self.wire is not None
        self._unanswered[command["id"]] += 1
        self.wire.send(command)

    def read(self, count: int | None = None) -> int:
        """Takes up to `count` frames off the wire; the number taken."""
        taken = 0
        while self.wire is not None and self.wire.unread and (count is None or taken < count):
            self._take(self.wire.unread.popleft())
            taken += 1
        return taken

    def _take(self, frame: Frame) -> None:
        self.frames.append(frame)
        kind, topic = frame["type"], frame.get("topic")
        if kind == "ack":
            self._unanswered[frame["reply_to"]] -= 1
            if self._unanswered[frame["reply_to"]] < 0:
                self._fault(f"an ack too many for {frame['reply_to']}: {frame}")
            self.acks[frame["reply_to"]] = frame
            if not frame["ok"]:
                self._refused(frame["reply_to"])
        elif topic is None or kind == "unsubscribed":
            return
        elif kind == "subscribed":
            self._subscribed(topic, frame)
        elif topic not in self._asked:
            self._follow(topic, frame)

    def _refused(self, command_id: str) -> None:
        """A subscribe that came to nothing."""
        for topic, asked in list(self._asked.items()):
            if any(command_id == other for other, _ in asked):
                self._asked[topic] = deque(entry for entry in asked if entry[0] != command_id)
                self.refused.add(topic)

    def _subscribed(self, topic: str, frame: Frame) -> None:
        _, since = self._asked[topic].popleft()
        if self._asked[topic]:  # asked again since
            return
        del self._asked[topic]
        mode = frame["mode"]
        self.modes[mode] += 1
        self.refused.discard(topic)
        if self.states[topic].apply(frame) is not Outcome.APPLIED:
            self._fault(f"{topic}: {mode} does not go on from {since}: {frame}")
        if mode == "snapshot":
            self._snapshot_due.add(topic)
        elif since is None or since["epoch"] != frame["epoch"]:
            self._fault(f"{topic}: {mode} of another epoch than {since}: {frame}")
        else:
            self._last[topic] = (since["epoch"], since["seq"])

    def _follow(self, topic: str, frame: Frame) -> None:
        state = self.states[topic]
        if frame["type"] == "snapshot":
            self._snapshot_due.discard(topic)
            self._last[topic] = (frame["epoch"], frame["seq"])
        elif topic in self._snapshot_due:
            self._fault(f"{topic}: {frame['type']} before the snapshot")
        elif "seq" in frame:
            epoch, last = self._last[topic]
            if frame.get("prev_seq", frame["seq"] - 1) != last or frame["seq"] <= last:
                self._fault(f"{topic}: the chain is broken at {last}: {frame}")
            self._last[topic] = (epoch, frame["seq"])
        outcome = state.apply(frame)
        if outcome is Outcome.MOVED:
            self._again += 1
            if self.connected:
                self.subscribe(topic, number=-self._again)
        elif outcome is not Outcome.APPLIED:
            self._fault(f"{topic}: {outcome.value} at {state.last_seq}: {frame}")
        if frame["type"] == "complete":
            key = (topic, frame["run_id"])
            self.completes[key] += 1
            self.hashes[frame["run_id"]] = frame["text_sha256"]
            if self.completes[key] > 1:
                self._fault(f"{topic}: {frame['run_id']} was completed twice")

    def _fault(self, what: str) -> None:
        self.faults.append(f"client {self.name}: {what}")


def split_frames(data: bytes) -> list[tuple[int, bytes]]:
    """(opcode, payload) of whole, unmasked frames (RFC 6455 section 5.2)."""
    frames: list[tuple[int, bytes]] = []
    while data:
        size, start = data[1], 2
        if size == 126:
            size, start = int.from_bytes(data[2:4], "big"), 4
        elif size == 127:
            size, start = int.from_bytes(data[2:10], "big"), 10
        frames.append((data[0] & 0x0F, data[start : start + size]))
        data = data[start + size :]
    return frames
