"""`PatientHttpProtocol`: uvicorn's httptools protocol with what it lacks: a time-out and a size limit for the request head,
and no loss of frames that come together with a socket's handshake.

Given to uvicorn as `http=` by server/process.py. Without it a connection that sends one header a minute, or endless headers,
stays open and grows for ever (security.md H1). Tests: tests/integration/http/test_http_slow_heads.py.
"""

from __future__ import annotations

import asyncio
import sys
from typing import Any, Final

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

HEAD_PATIENCE_S: Final = 10.0
"""From the connection, or the first byte of a further request, to the end of its head."""
HEAD_BYTES: Final = 64 * 1024
_TOO_LARGE: Final = (
    b"HTTP/1.1 431 Request Header Fields Too Large\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
)  # fmt: skip


class PatientHttpProtocol(HttpToolsProtocol):
    head_patience_s = HEAD_PATIENCE_S
    _head_timer: asyncio.TimerHandle | None = None
    _head_bytes = 0
    _latest = b""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] - as uvicorn narrows it
        super().connection_made(transport)
        self._await_head()

    def data_received(self, data: bytes) -> None:
        self._latest = data
        if self._head_timer is not None:
            self._head_bytes += len(data)
        super().data_received(data)
        self._latest = b""
        if self._head_timer is not None and self._head_bytes > HEAD_BYTES and not self.transport.is_closing():
            self.transport.write(_TOO_LARGE)
            self.transport.close()

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._await_head()

    def on_headers_complete(self) -> None:
        self._forget_head()
        super().on_headers_complete()

    def connection_lost(self, exc: Exception | None) -> None:
        self._forget_head()
        super().connection_lost(exc)

    def handle_websocket_upgrade(self) -> None:
        self._forget_head()
        super().handle_websocket_upgrade()
        self._pass_on_early_frames()

    def _pass_on_early_frames(self) -> None:
        """What came in one packet with the handshake: uvicorn forgets it, and takes the rest of a frame for its beginning."""
        upgrade = sys.exception()  # httptools says in it where the request ends
        protocol = self.transport.get_protocol()
        if isinstance(upgrade, httptools.HttpParserUpgrade) and isinstance(protocol, asyncio.Protocol) and protocol is not self:
            rest = self._latest[upgrade.args[0] :]
            if rest:
                protocol.data_received(rest)

    def _await_head(self) -> None:
        if self._head_timer is None:
            self._head_bytes = 0
            self._head_timer = self.loop.call_later(self.head_patience_s, self._give_up)

    def _forget_head(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _give_up(self) -> None:
        self._head_timer = None
        self.transport.close()


def http_protocol(*, head_patience_s: float = HEAD_PATIENCE_S) -> type[asyncio.Protocol]:
    """The class for uvicorn's `http=`."""
    attributes: dict[str, Any] = {"head_patience_s": head_patience_s}
    return type("PatientHttpProtocol", (PatientHttpProtocol,), attributes)
