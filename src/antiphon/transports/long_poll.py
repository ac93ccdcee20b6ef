"""`GET /api/v1/poll`: what happened since the cursor, at once or as soon as something does; the last resort of R7.

Answer: `{"frames": [...], "cursor": "..."}`, the frames of docs/protocol.md in order. Without a cursor the topics begin with
`subscribed` and `snapshot`. `wait` seconds (0 to 55, 25 when left out) it waits for a first frame; none may come. Between two
polls nothing is kept for the client but the log. What is shared with SSE: following.py.
Tests: tests/integration/live/test_long_poll.py, tests/properties/test_transports_agree.py.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from antiphon.core.errors import BadRequest
from antiphon.core.runtime import Runtime
from antiphon.protocol.codec import encode_json
from antiphon.storage.event_log.contract import Entry
from antiphon.transports.connection import Connection
from antiphon.transports.cursor import Cursor
from antiphon.transports.following import Following, closing_frame, open_connection, read_request, start_subscriptions, welcome
from antiphon.transports.handshake import RequestGate
from antiphon.transports.socket_session import SocketHouse

WAIT_S: Final = 25.0
LONGEST_WAIT_S: Final = 55.0
"""Below the minute after which proxies give up."""


class LongPollEndpoint:
    """`Route("/api/v1/poll", LongPollEndpoint(house, gate).answer)`."""

    def __init__(self, house: SocketHouse, gate: RequestGate) -> None:
        self._house = house
        self._gate = gate

    async def answer(self, request: Request) -> Response:
        wait_s = _wait_s(request.query_params.get("wait"))
        following = await read_request(self._house, self._gate, request)
        peer = self._house.hub.runtime.scheduler.spawn(_left(request), name="peer of a poll")
        try:
            body = await poll(self._house, following, wait_s=wait_s, peer=peer)
        finally:
            peer.cancel()
        return Response(body, media_type="application/json", headers={"Cache-Control": "no-store"})


class BasketSink:
    """Collects the frames of one answer. `paused` when it is full: the rest comes with the next poll."""

    def __init__(self, cursor: Cursor, runtime: Runtime, *, full_bytes: int) -> None:
        self._runtime = runtime
        self.frames: list[bytes] = []
        self.ready = asyncio.Event()
        self.cursor = cursor
        self._full_bytes = full_bytes
        self._size_bytes = 0

    @property
    def paused(self) -> bool:
        return self._size_bytes >= self._full_bytes

    @property
    def pending_bytes(self) -> int:
        return self._size_bytes

    def of_entry(self, entry: Entry) -> bytes:
        self.cursor.after_entry(entry)
        return entry.frame

    def of_frame(self, frame: bytes) -> bytes:
        self.cursor.after_frame(frame)
        return frame

    def write(self, pieces: list[bytes]) -> None:
        self.frames += pieces
        self._size_bytes += sum(map(len, pieces))
        self.ready.set()

    def on_resume(self, callback: Callable[[], None]) -> None:
        """It never gets empty again."""
        del callback

    async def close(self, code: int, reason: str) -> None:
        self.write([closing_frame(code, reason, self._runtime)])

    def answer(self) -> bytes:
        return b'{"frames":[%b],"cursor":%b}' % (b",".join(self.frames), encode_json(str(self.cursor)))


async def poll(house: SocketHouse, following: Following, *, wait_s: float, peer: asyncio.Task[None] | None = None) -> bytes:
    """The body of the answer. `peer` ends when the client left: then nobody waits any longer."""
    sink = BasketSink(following.cursor, house.hub.runtime, full_bytes=house.replay.bytes)
    connection = open_connection(house, following, sink, kind="poll")
    try:
        if not following.resumes:
            connection.push_event(welcome(house, connection, following.identity))
        await start_subscriptions(house, following, connection)
        connection.flush()
        if wait_s > 0 and not _tells_something(sink, connection):
            await _first_frame(sink, house.hub.runtime, wait_s, peer)
        connection.flush()  # the cursor has moved over what waits for the end of the tick
    finally:
        house.hub.forget(connection)
    return sink.answer()


def _tells_something(sink: BasketSink, connection: Connection) -> bool:
    """`subscribed` and nothing else is all that a client hears who is up to date: that is worth waiting for more."""
    return connection.closing or any(not frame.startswith(b'{"type":"subscribed"') for frame in sink.frames)


async def _first_frame(sink: BasketSink, runtime: Runtime, wait_s: float, peer: asyncio.Task[None] | None) -> None:
    sink.ready.clear()
    frame = runtime.scheduler.spawn(_event(sink.ready), name="first frame of a poll")
    timer = runtime.scheduler.spawn(runtime.scheduler.sleep(wait_s), name="wait of a poll")
    waiting = {frame, timer} if peer is None else {frame, timer, peer}
    try:
        await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in (frame, timer):
            task.cancel()


async def _event(ready: asyncio.Event) -> None:
    await ready.wait()


async def _left(request: Request) -> None:
    message = await request.receive()
    while message["type"] != "http.disconnect":
        message = await request.receive()


def _wait_s(text: str | None) -> float:
    """Raises BadRequest for what is no number of seconds; more than LONGEST_WAIT_S is that."""
    if text is None:
        return WAIT_S
    try:
        wait_s = float(text)
    except ValueError:
        wait_s = -1.0
    if not 0 <= wait_s < 10_000:
        raise BadRequest("`wait` is a number of seconds, 0 to 55.")
    return min(wait_s, LONGEST_WAIT_S)
