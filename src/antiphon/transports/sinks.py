"""Where a connection's frames go: `WireSink` (our uvicorn extension) or `QueueSink` (any ASGI server, and SSE).

Both are written to once a tick and never waited for by a producer. Tests: tests/unit/transports/test_sinks.py.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Protocol

from starlette.requests import ClientDisconnect
from starlette.websockets import WebSocket, WebSocketDisconnect, WebSocketState

from antiphon.core.runtime import Runtime
from antiphon.storage.event_log.contract import Entry, text_frame
from antiphon.transports.uvicorn_websocket import EXTENSION, WireChannel


class FrameSink(Protocol):
    @property
    def paused(self) -> bool:
        """The peer reads too slowly: write nothing, remember the position."""
        ...

    @property
    def pending_bytes(self) -> int:
        """Written and not yet on its way; 0 for a peer that is gone."""
        ...

    def of_entry(self, entry: Entry) -> bytes: ...

    def of_frame(self, frame: bytes) -> bytes: ...

    def write(self, pieces: list[bytes]) -> None: ...

    def on_resume(self, callback: Callable[[], None]) -> None: ...

    async def close(self, code: int, reason: str) -> None:
        """Idempotent. Does not wait for a peer that does not read."""
        ...


class WireSink:
    def __init__(self, channel: WireChannel, websocket: WebSocket) -> None:
        self._channel = channel
        self._websocket = websocket
        self._closed = False

    @property
    def paused(self) -> bool:
        return self._channel.paused

    @property
    def pending_bytes(self) -> int:
        return self._channel.pending_bytes

    def of_entry(self, entry: Entry) -> bytes:
        return entry.wire

    def of_frame(self, frame: bytes) -> bytes:
        return text_frame(frame)

    def write(self, pieces: list[bytes]) -> None:
        self._channel.write(pieces[0] if len(pieces) == 1 else b"".join(pieces))

    def on_resume(self, callback: Callable[[], None]) -> None:
        self._channel.on_resume = callback

    async def close(self, code: int, reason: str) -> None:
        if self._closed:
            return
        self._closed = True
        if self._channel.paused:
            # uvicorn's send waits for the buffer to drain, which a reader that stopped never lets happen.
            self._channel.finish(close_frame(code, reason), code)
            return
        await close_quietly(self._websocket, code, reason)


class QueueSink:
    """One task sends what is queued; `paused` from `pending_bytes` on, until half of it is sent. For SSE, and for sockets of
    servers without the extension. `deliver` sends one piece, `finish` closes with a code and a reason."""

    def __init__(
        self, deliver: Callable[[bytes], Awaitable[None]], finish: Callable[[int, str], Awaitable[None]], runtime: Runtime, *,
        pending_bytes: int,
    ) -> None:  # fmt: skip
        self._deliver = deliver
        self._finish = finish
        self._limit_bytes = pending_bytes
        self._queue: deque[bytes] = deque()
        self._size_bytes = 0
        self._wake = asyncio.Event()
        self._paused = False
        self._closed = False
        self._resume: Callable[[], None] | None = None
        self.sending = runtime.scheduler.spawn(self._send_all(), name="queue sink")
        """Ends when everything is sent after `close`, or when the peer is gone."""

    @property
    def paused(self) -> bool:
        return self._paused

    @property
    def pending_bytes(self) -> int:
        return self._size_bytes

    def of_entry(self, entry: Entry) -> bytes:
        return entry.frame

    def of_frame(self, frame: bytes) -> bytes:
        return frame

    def write(self, pieces: list[bytes]) -> None:
        if self.sending.done():
            return  # the peer is gone
        self._queue.extend(pieces)
        self._size_bytes += sum(map(len, pieces))
        self._paused = self._paused or self._size_bytes >= self._limit_bytes
        self._wake.set()

    def on_resume(self, callback: Callable[[], None]) -> None:
        self._resume = callback

    async def close(self, code: int, reason: str) -> None:
        if self._closed:
            return
        self._closed = True
        if self._paused:
            self._queue.clear()
        self._wake.set()
        _, stuck = await asyncio.wait([self.sending], timeout=1.0)
        for task in stuck:
            task.cancel()
        await self._finish(code, reason)

    async def _send_all(self) -> None:
        while True:
            while self._queue:
                piece = self._queue.popleft()
                try:
                    await self._deliver(piece)
                except (RuntimeError, OSError, WebSocketDisconnect, ClientDisconnect):
                    self._queue.clear()  # the peer is gone; the endpoint's receive loop sees it too
                    self._taken(self._size_bytes)
                    return
                self._taken(len(piece))
            if self._closed:
                return
            self._wake.clear()
            await self._wake.wait()

    def _taken(self, size_bytes: int) -> None:
        self._size_bytes -= size_bytes
        if self._paused and self._size_bytes * 2 < self._limit_bytes:
            self._paused = False
            if self._resume is not None:
                self._resume()


def sink_for(websocket: WebSocket, runtime: Runtime, *, pending_bytes: int) -> FrameSink:
    channel = websocket.scope.get("extensions", {}).get(EXTENSION)
    if isinstance(channel, WireChannel):
        return WireSink(channel, websocket)
    return socket_queue(websocket, runtime, pending_bytes=pending_bytes)


def socket_queue(websocket: WebSocket, runtime: Runtime, *, pending_bytes: int) -> QueueSink:
    async def deliver(piece: bytes) -> None:
        await websocket.send_text(piece.decode())

    async def finish(code: int, reason: str) -> None:
        await close_quietly(websocket, code, reason)

    return QueueSink(deliver, finish, runtime, pending_bytes=pending_bytes)


async def close_quietly(websocket: WebSocket, code: int, reason: str) -> None:
    """Closes unless it is closed already."""
    if websocket.application_state is WebSocketState.CONNECTED and websocket.client_state is WebSocketState.CONNECTED:
        try:
            await websocket.close(code, reason[:120])
        except (RuntimeError, OSError, WebSocketDisconnect):
            return  # closed by the peer at the same moment


def close_frame(code: int, reason: str) -> bytes:
    """An unmasked close frame; the reason is cut to what a control frame holds (RFC 6455 section 5.5)."""
    payload = code.to_bytes(2, "big") + reason.encode()[:120].decode(errors="ignore").encode()
    return bytes((0x88, len(payload))) + payload
