"""`GET /api/v1/stream`: the frames of the topics asked for as server-sent events, for whom a WebSocket does not get through.

Each `data:` is a frame of docs/protocol.md; `id:` is the cursor after it, so that a browser's own reconnect (`Last-Event-ID`)
goes on exactly there. Commands go up by `POST /api/v1/commands`. What is shared with long-poll: following.py.
Tests: tests/integration/live/test_event_stream.py, tests/properties/test_transports_agree.py.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Message, Receive, Scope, Send

from antiphon.core.runtime import Runtime
from antiphon.storage.event_log.contract import Entry
from antiphon.transports.cursor import Cursor
from antiphon.transports.following import (
    Following,
    closing_frame,
    open_connection,
    read_request,
    start_guarded,
    welcome,
)  # fmt: skip
from antiphon.transports.handshake import RequestGate
from antiphon.transports.sinks import QueueSink
from antiphon.transports.socket_session import SocketHouse

HEADERS: Final = (
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-store"),
    (b"x-accel-buffering", b"no"),  # nginx would hold the frames back otherwise
)


class EventStreamEndpoint:
    """`Route("/api/v1/stream", EventStreamEndpoint(house, gate).answer)`."""

    def __init__(self, house: SocketHouse, gate: RequestGate) -> None:
        self._house = house
        self._gate = gate

    async def answer(self, request: Request) -> Response:
        return _EventStream(self._house, await read_request(self._house, self._gate, request))


class EventStreamSink(QueueSink):
    """Frames as server-sent events. `cursor` is moved as they go by."""

    def __init__(
        self, deliver: Callable[[bytes], Awaitable[None]], runtime: Runtime, *, cursor: Cursor, pending_bytes: int
    ) -> None:
        super().__init__(deliver, _nothing_more, runtime, pending_bytes=pending_bytes)
        self._cursor = cursor
        self._runtime = runtime

    def of_entry(self, entry: Entry) -> bytes:
        moved = self._cursor.after_entry(entry)
        return self._event(entry.frame, moved=moved)

    def of_frame(self, frame: bytes) -> bytes:
        moved = self._cursor.after_frame(frame)
        return self._event(frame, moved=moved)

    def _event(self, frame: bytes, *, moved: bool) -> bytes:
        # A frame is JSON on one line: its line breaks are escaped.
        return b"id: %b\ndata: %b\n\n" % (str(self._cursor).encode(), frame) if moved else b"data: %b\n\n" % frame

    async def close(self, code: int, reason: str) -> None:
        if not self.paused:
            self.write([self.of_frame(closing_frame(code, reason, self._runtime))])
        await super().close(code, reason)


class _EventStream(Response):
    """The answer that lasts: it ends when the peer leaves, or the server closes the connection."""

    def __init__(self, house: SocketHouse, following: Following) -> None:
        super().__init__()
        self._house = house
        self._following = following

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        del scope
        house, following = self._house, self._following

        async def deliver(data: bytes) -> None:
            await send({"type": "http.response.body", "body": data, "more_body": True})

        sink = EventStreamSink(deliver, house.hub.runtime, cursor=following.cursor, pending_bytes=house.pending_bytes)
        try:
            connection = open_connection(house, following, sink, kind="sse")
        except BaseException:
            await QueueSink.close(sink, 0, "")
            raise
        try:
            await send({"type": "http.response.start", "status": 200, "headers": list(HEADERS)})
            connection.push_event(welcome(house, connection, following.identity))
            starting = house.hub.runtime.scheduler.spawn(
                start_guarded(house, following, connection), name=f"follow {connection.id}"
            )
            left = house.hub.runtime.scheduler.spawn(_disconnected(receive), name=f"peer of {connection.id}")
            await asyncio.wait([left, sink.sending], return_when=asyncio.FIRST_COMPLETED)
            peer_left = left.done()
            for task in (starting, left):
                task.cancel()
            await asyncio.wait([starting, left])
            if not peer_left:
                await send({"type": "http.response.body", "body": b"", "more_body": False})
        finally:
            house.hub.forget(connection)
            await QueueSink.close(sink, 0, "")


async def _disconnected(receive: Receive) -> None:
    message: Message = await receive()
    while message["type"] != "http.disconnect":
        message = await receive()


async def _nothing_more(code: int, reason: str) -> None:
    """An HTTP answer ends by itself."""
    del code, reason
