"""The seam to the network: a socket that carries text frames. `aiohttp_dialer` is the real one, tests give another.

Tests: tests/unit/client/test_client_socket.py (against a real WebSocket server on loopback).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Protocol

import aiohttp

from antiphon.core.errors import AntiphonError, BadRequest, Forbidden, Unauthorized

SUBPROTOCOL = "antiphon.v1"
MAX_FRAME_BYTES = 1 << 20
"""Inbound: the server's own limit is 256 KiB; four times that leaves room for an operator's larger setting."""


class SocketClosed(Exception):
    """The socket is gone. `code` None: without a close frame."""

    def __init__(self, code: int | None, reason: str = "") -> None:
        super().__init__(f"closed with {code}: {reason}")
        self.code = code
        self.reason = reason


class Socket(Protocol):
    async def send(self, text: str) -> None:
        """Raises SocketClosed."""
        ...

    async def receive(self) -> str | bytes:
        """The next message. Raises SocketClosed."""
        ...

    async def close(self) -> None: ...


Dialer = Callable[[], Awaitable[Socket]]
"""Opens a socket. Raises OSError (try again) or an AntiphonError (trying again is no use)."""


class AiohttpSocket:
    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket

    async def send(self, text: str) -> None:
        try:
            await self._socket.send_str(text)
        except (ConnectionError, aiohttp.ClientError) as error:
            raise SocketClosed(self._socket.close_code, str(error)) from error

    async def receive(self) -> str | bytes:
        message = await self._socket.receive()
        if message.type in {aiohttp.WSMsgType.TEXT, aiohttp.WSMsgType.BINARY}:
            return message.data
        reason = message.extra if isinstance(message.extra, str) else ""
        code = self._socket.close_code
        # 1006 is aiohttp's word for "no close frame came".
        raise SocketClosed(None if code == aiohttp.WSCloseCode.ABNORMAL_CLOSURE else code, reason)

    async def close(self) -> None:
        await self._socket.close()


def _refused(status: int) -> AntiphonError | None:
    """What a refused handshake means; None: it may go better later."""
    if status == 401:
        return Unauthorized("The server refused the credentials. Make a key with `antiphon keys create` and pass it.")
    if status == 403:
        return Forbidden("The server refused this origin or this user. Ask its owner.")
    if 400 <= status < 500 and status not in {408, 425, 429}:
        return BadRequest(f"The server answered the WebSocket handshake with HTTP {status}. Is this an Antiphon server?")
    return None


def aiohttp_dialer(session: aiohttp.ClientSession, url: str, *, key: str | None) -> Dialer:
    """`url` is the server's, http or https; the protocol is at `/ws/v1` below it."""
    address = url.rstrip("/") + "/ws/v1"
    headers = {"Authorization": f"Bearer {key}"} if key else {}

    async def dial() -> Socket:
        try:
            socket = await session.ws_connect(
                address, headers=headers, protocols=(SUBPROTOCOL,), max_msg_size=MAX_FRAME_BYTES, compress=0, autoping=True
            )
        except aiohttp.WSServerHandshakeError as error:
            refusal = _refused(error.status)
            if refusal is not None:
                raise refusal from None
            raise ConnectionError(f"HTTP {error.status}") from error
        except (aiohttp.ClientError, TimeoutError) as error:
            raise ConnectionError(str(error)) from error
        return AiohttpSocket(socket)

    return dial
