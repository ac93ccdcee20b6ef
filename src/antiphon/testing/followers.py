"""Clients of one topic over a socket, an event stream or long polls, in process, that may change from one to the other.

Everything from the request to the log is the product's own; what a follower has read is applied by the product's reducer and
noted in `applied`. A cut loses what was not read. Used by tests/properties/test_transports_agree.py; needs a `LiveCore`.
Tests: that file (it plants bugs and finds them).
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Any, Final, Literal
from urllib.parse import urlencode

import msgspec
from starlette.requests import Request
from starlette.types import Message

from antiphon.protocol.reducer import Outcome, TopicState
from antiphon.testing.live_core import LiveCore
from antiphon.testing.wire import Wire
from antiphon.transports.event_stream import EventStreamEndpoint
from antiphon.transports.following import read_request
from antiphon.transports.long_poll import poll

Frame = dict[str, Any]
Kind = Literal["socket", "stream", "poll"]
KINDS: Final[tuple[Kind, ...]] = ("socket", "stream", "poll")


class Follower:
    """`kind` is the present transport. `_told` is the cursor that SSE and long-poll said last; after
    a socket it is written from the position."""

    def __init__(self, core: LiveCore, topic: str, kind: Kind) -> None:
        self.core = core
        self.kind: Kind = kind
        self.state = TopicState(topic)
        self.applied: list[Frame] = []
        self.faults: list[str] = []
        self.snapshots = 0
        self._wire: Wire | None = None
        self._stream: _Stream | None = None
        self._connected = False
        self._number = 0
        self._told = ""

    @property
    def connected(self) -> bool:
        return self._connected

    def connect(self, kind: Kind | None = None) -> None:
        self.cut()
        self.kind = kind or self.kind
        self._connected = True
        if self.kind == "socket":
            self._wire = self.core.connect()
            self._number += 1
            since = {"since": self.state.position} if self.state.position else {}
            self._wire.send({"type": "subscribe", "id": f"f-{self._number}", "topic": self.state.topic, **since})
        elif self.kind == "stream":
            self._stream = _Stream(self.core, self._request({"last-event-id": self._told}))

    def cut(self) -> None:
        """What was not read is lost."""
        self._connected = False
        if self._wire is not None:
            self._wire.cut()
        if self._stream is not None:
            self._stream.leave()
        self._wire = self._stream = None

    async def read(self, count: int | None = None) -> None:
        """Applies up to `count` frames that have come; with long-poll, those of one poll."""
        if self._wire is not None:
            taken = 0
            while self._wire.unread and (count is None or taken < count):
                self._take(self._wire.unread.popleft())
                taken += 1
            self._told = self._position()
        elif self._stream is not None:
            for cursor, frame in self._stream.take(count):
                self._take(frame)
                self._told = cursor or self._told
        elif self._connected:
            asking = asyncio.get_running_loop().create_task(self._poll(), name="poll")
            await self.core.settle()  # the database goes no step by itself
            answer = msgspec.json.decode(await asking)
            for frame in answer["frames"]:
                self._take(frame)
            self._told = answer["cursor"]
        if self._told != self._position():
            self.faults.append(f"{self.kind}: the cursor {self._told!r} is not where the frames end: {self._position()!r}")

    async def _poll(self) -> bytes:
        house = self.core.running.sockets
        following = await read_request(house, self.core.running.rights, self._request({}, cursor=self._told))
        return await poll(house, following, wait_s=0.0)

    def _request(self, headers: dict[str, str], **query: str) -> Request:
        scope: dict[str, Any] = {
            "type": "http", "method": "GET", "path": "/api/v1/stream", "scheme": "http", "server": ("127.0.0.1", 8000),
            "query_string": urlencode({"topics": self.state.topic, **query}).encode(),
            "headers": [(name.encode(), value.encode()) for name, value in headers.items() if value],
        }  # fmt: skip
        return Request(scope)

    def _position(self) -> str:
        position = self.state.position
        return f"{self.state.topic}@{position['epoch']}:{position['seq']}" if position else ""

    def _take(self, frame: Frame) -> None:
        if frame.get("topic") != self.state.topic:
            return
        outcome = self.state.apply(frame)
        if outcome not in {Outcome.APPLIED, Outcome.IGNORED}:
            self.faults.append(f"{self.kind}: {outcome.value} at {self.state.last_seq}: {frame}")
        elif frame["type"] == "snapshot":
            self.snapshots += 1
        elif "seq" in frame and frame["type"] != "subscribed":
            self.applied.append(frame)


class _Stream:
    """A running answer of the event stream, and the events its peer has not read yet."""

    def __init__(self, core: LiveCore, request: Request) -> None:
        self._unread: deque[tuple[str, Frame]] = deque()
        self._inbox: asyncio.Queue[Message] = asyncio.Queue()
        self._rest = b""
        self._inbox.put_nowait({"type": "http.request", "body": b"", "more_body": False})
        process = core.running
        self._task = process.runtime.scheduler.spawn(self._run(process.sockets, process.rights, request), name="event stream")

    async def _run(self, house: Any, gate: Any, request: Request) -> None:
        response = await EventStreamEndpoint(house, gate).answer(request)
        await response(request.scope, self._inbox.get, self._sent)

    async def _sent(self, message: Message) -> None:
        *events, self._rest = (self._rest + message.get("body", b"")).split(b"\n\n")
        for event in events:
            fields = dict(line.split(b": ", 1) for line in event.split(b"\n"))
            self._unread.append((fields.get(b"id", b"").decode(), msgspec.json.decode(fields[b"data"])))

    def take(self, count: int | None) -> list[tuple[str, Frame]]:
        """(id, data) of the next events."""
        count = len(self._unread) if count is None else min(count, len(self._unread))
        return [self._unread.popleft() for _ in range(count)]

    def leave(self) -> None:
        self._inbox.put_nowait({"type": "http.disconnect"})


def applied_log(frames: list[Frame]) -> list[tuple[Any, ...]]:
    """What a client's log comes to, whatever was merged on the way: events by seq, and the texts between them."""
    log: list[tuple[Any, ...]] = []
    for frame in frames:
        if frame["type"] not in {"answer_chunk", "reasoning_chunk", "node_chunk"}:
            log.append((frame["seq"], {name: value for name, value in frame.items() if name != "prev_seq"}))
            continue
        key = ("text", frame["type"], frame.get("message_id"), frame.get("node_id"), frame.get("port"))
        if log and log[-1][:5] == key:
            log[-1] = (*key, log[-1][5], log[-1][6] + frame["content"], frame["seq"])
        else:
            log.append((*key, frame["offset"], frame["content"], frame["seq"]))
    return log
