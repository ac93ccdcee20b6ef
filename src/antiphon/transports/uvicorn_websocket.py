"""uvicorn's sans-I/O WebSocket class with an ASGI extension `antiphon.wire`: pre-built frames, one write, back-pressure.

Given to uvicorn through its `ws=` option by server/process.py. A frame is built once for all subscribers and written past
the per-message path of ASGI (24 -> 14 us a frame); `paused` is the transport's own flag, so that a slow reader costs one
comparison and its socket buffer, no queue. Pinned to uvicorn 0.54. Tests: tests/integration/live/test_socket_frames.py,
test_socket_limits.py, test_slow_readers.py (4501 comes only through the extension). Measurements: docs/decisions/0005-token-path.md.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

from antiphon.protocol.close_codes import CloseCode

EXTENSION = "antiphon.wire"
INVALID_DATA = 1007
"""RFC 6455 section 7.4.1."""
LINGER_S = 5.0
EARLY_BYTES = 65_536
"""Of frames that come before the handshake is answered."""
MAX_FRAGMENTS = 1024
CONTROLS_PER_WINDOW, CONTROL_WINDOW_S = 600, 10.0
"""Pings and pongs of one peer; beyond it the socket is closed with 4029."""


class WireChannel:
    """The raw side of one accepted WebSocket. `on_resume` is called once the peer has read enough after a pause."""

    __slots__ = ("_protocol", "on_resume", "paused")

    def __init__(self, protocol: WireWebSocketProtocol) -> None:
        self._protocol = protocol
        self.paused = False
        self.on_resume: Callable[[], None] | None = None

    @property
    def pending_bytes(self) -> int:
        """Written and not yet taken by the kernel; 0 for a connection that is gone."""
        transport = self._protocol.transport
        return 0 if transport.is_closing() else transport.get_write_buffer_size()

    def write(self, data: bytes) -> None:
        """Whole, unmasked frames. Dropped when the connection is closing: the log has them."""
        protocol = self._protocol
        if protocol.handshake_complete and not protocol.close_sent and not protocol.transport.is_closing():
            protocol.transport.write(data)

    def finish(self, close_frame: bytes, code: int) -> None:
        """The end for a peer that does not read: it may still read what is buffered and the close frame behind it for
        `LINGER_S`, then the connection is cut. The application is told at once."""
        self.write(close_frame)
        protocol = self._protocol
        protocol.close_sent = True
        protocol.queue.put_nowait({"type": "websocket.disconnect", "code": code})
        protocol.transport.close()
        protocol.loop.call_later(LINGER_S, protocol.transport.abort)


class WireWebSocketProtocol(WebSocketsSansIOProtocol):
    """uvicorn's, with the extension in the scope, the pause flag, and bounds for what never reaches the application: control
    frames, fragments, and frames that come before the handshake is answered (row H2 of security.md)."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.wire = WireChannel(self)
        self._early = b""
        self._controls = 0
        self._controls_since_s = 0.0

    def handle_connect(self, event: Any) -> None:
        super().handle_connect(event)
        if self.response.status_code == 101:
            extensions: Any = self.scope.get("extensions")
            extensions[EXTENSION] = self.wire

    # --- what the peer sends ------------------------------------------------------------------------------------------------

    def data_received(self, data: bytes) -> None:
        if not self.handshake_initiated or self.handshake_complete:
            super().data_received(data)
            return
        # The protocol object can't answer before its 101 is out: a pong or a close frame would come in front of it.
        self._early += data
        if len(self._early) > EARLY_BYTES:
            self.transport.abort()

    async def send(self, message: Any) -> None:
        await super().send(message)
        if self._early and self.handshake_complete:
            early, self._early = self._early, b""
            if not self.close_sent:
                super().data_received(early)

    def send_receive_event_to_app(self) -> None:
        """Text that is no UTF-8 closes without a word in the log: uvicorn writes a traceback for each such frame."""
        if self.curr_msg_data_type == "text" and not self.close_sent:
            text = b"".join(self.frames)
            try:
                text.decode()
            except UnicodeDecodeError:
                self.frames = []
                self._refuse(INVALID_DATA, "Text must be UTF-8.")
                return
            self.frames = [text]
        super().send_receive_event_to_app()

    def handle_cont(self, event: Any) -> None:
        super().handle_cont(event)
        if len(self.frames) > MAX_FRAGMENTS:  # the size of a message is bounded, the number of empty fragments is not
            self.frames = []
            self._refuse(CloseCode.FRAME_TOO_BIG, f"A message may have {MAX_FRAGMENTS} fragments.")

    def handle_ping(self) -> None:
        if self.wire.paused:
            self.conn.data_to_send()  # a peer that pings and does not read would fill our memory with its pongs
        else:
            super().handle_ping()
        self._count_control()

    def handle_pong(self, event: Any) -> None:
        super().handle_pong(event)
        self._count_control()

    def _count_control(self) -> None:
        now = self.loop.time()
        if now - self._controls_since_s > CONTROL_WINDOW_S:
            self._controls, self._controls_since_s = 0, now
        self._controls += 1
        if self._controls > CONTROLS_PER_WINDOW and not self.close_sent:
            self._refuse(CloseCode.RATE_LIMITED, "Too many pings.")

    def _refuse(self, code: int, sentence: str) -> None:
        self.conn.fail(code, sentence)
        if self.conn.close_sent is not None and not self.close_sent:
            self.handle_parser_exception()

    # --- how fast it reads ----------------------------------------------------------------------------------------------------

    def pause_writing(self) -> None:
        super().pause_writing()
        self.wire.paused = True

    def resume_writing(self) -> None:
        super().resume_writing()
        self.wire.paused = False
        if self.wire.on_resume is not None:
            self.wire.on_resume()

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        resume, self.wire.on_resume = self.wire.on_resume, None
        if self.wire.paused and resume is not None:
            self.wire.paused = False  # asyncio does not say so; nobody must go on waiting for a peer that is gone
            resume()
