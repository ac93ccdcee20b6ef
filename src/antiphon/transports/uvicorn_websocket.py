"""uvicorn's sans-I/O WebSocket class with an ASGI extension `antiphon.wire`: pre-built frames, one write, back-pressure.

Given to uvicorn through its `ws=` option by server/process.py. A frame is built once for all subscribers and written past
the per-message path of ASGI (24 -> 14 us a frame); `paused` is the transport's own flag, so that a slow reader costs one
comparison and its socket buffer, no queue. Pinned to uvicorn 0.54; tests/integration/test_wire_extension.py fails when
the extension is not there. Measurements: docs/decisions/0005-token-path.md.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

EXTENSION = "antiphon.wire"


class WireChannel:
    """The raw side of one accepted WebSocket. `on_resume` is called once the peer has read enough after a pause."""

    __slots__ = ("_protocol", "on_resume", "paused")

    def __init__(self, protocol: WireWebSocketProtocol) -> None:
        self._protocol = protocol
        self.paused = False
        self.on_resume: Callable[[], None] | None = None

    def write(self, data: bytes) -> None:
        """Whole, unmasked frames. Dropped when the connection is closing: the log has them."""
        protocol = self._protocol
        if protocol.handshake_complete and not protocol.close_sent and not protocol.transport.is_closing():
            protocol.transport.write(data)

    def abort(self) -> None:
        """Cuts the TCP connection without waiting for what is still buffered."""
        transport = self._protocol.transport
        transport.abort()


class WireWebSocketProtocol(WebSocketsSansIOProtocol):
    """Everything is uvicorn's but the extension in the scope and the pause flag."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.wire = WireChannel(self)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)

    def handle_connect(self, event: Any) -> None:
        super().handle_connect(event)
        if self.response.status_code == 101:
            extensions: Any = self.scope.get("extensions")
            extensions[EXTENSION] = self.wire

    def pause_writing(self) -> None:
        super().pause_writing()
        self.wire.paused = True

    def resume_writing(self) -> None:
        super().resume_writing()
        self.wire.paused = False
        if self.wire.on_resume is not None:
            self.wire.on_resume()

    def connection_lost(self, exc: Exception | None) -> None:
        self.wire.on_resume = None
        super().connection_lost(exc)
