"""`ByteSocket`: a WebSocket client made of bytes, for what a polite client library would not send or read.

Frames are built by hand (wrong lengths, bits, fragments, no mask), and nothing is read unless asked: a reader that stops.
For tests of the transports only. Tests: tests/integration/live/test_socket_floods.py.
"""

from __future__ import annotations

import asyncio
import base64
import os
import socket
from collections.abc import Mapping
from types import TracebackType
from typing import Final, Self
from urllib.parse import urlsplit

from msgspec import Struct

CONT: Final = 0x0
TEXT: Final = 0x1
BINARY: Final = 0x2
CLOSE: Final = 0x8
PING: Final = 0x9
PONG: Final = 0xA
LIMIT_S = 10.0


class WireFrame(Struct, frozen=True):
    """One frame of the server. `code` of a close frame; 1005 when it has none."""

    opcode: int
    payload: bytes

    @property
    def code(self) -> int:
        return int.from_bytes(self.payload[:2], "big") if len(self.payload) >= 2 else 1005


def client_frame(opcode: int, payload: bytes = b"", *, fin: bool = True, rsv1: bool = False, masked: bool = True) -> bytes:
    """A frame as a client sends it."""
    head = bytes([(0x80 if fin else 0) | (0x40 if rsv1 else 0) | opcode])
    bit, size = (0x80 if masked else 0), len(payload)
    if size < 126:
        head += bytes([bit | size])
    elif size < 65536:
        head += bytes([bit | 126]) + size.to_bytes(2, "big")
    else:
        head += bytes([bit | 127]) + size.to_bytes(8, "big")
    return head + (bytes(4) + payload if masked else payload)


class ByteSocket:
    """`early`: bytes sent in the same packet as the handshake. `receive_buffer_bytes`: of the kernel, for slow readers."""

    def __init__(
        self, url: str, path: str = "/ws/v1", *, headers: Mapping[str, str] | None = None, early: bytes = b"",
        receive_buffer_bytes: int | None = None,
    ) -> None:  # fmt: skip
        parts = urlsplit(url)
        self._address = (parts.hostname or "127.0.0.1", parts.port or 80)
        self._path = path
        self._headers = dict(headers or {})
        self._early = early
        self._buffer_bytes = receive_buffer_bytes
        self.status = 0
        self.answer: dict[str, str] = {}

    async def __aenter__(self) -> Self:
        plain = socket.socket()
        if self._buffer_bytes is not None:
            plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, self._buffer_bytes)
        plain.setblocking(False)
        await asyncio.get_running_loop().sock_connect(plain, self._address)
        self.reader, self.writer = await asyncio.open_connection(sock=plain, limit=2**16)
        headers = {
            "Host": f"{self._address[0]}:{self._address[1]}", "Upgrade": "websocket", "Connection": "Upgrade",
            "Sec-WebSocket-Key": base64.b64encode(os.urandom(16)).decode(), "Sec-WebSocket-Version": "13", **self._headers,
        }  # fmt: skip
        lines = [f"GET {self._path} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items()), "", ""]
        self.writer.write("\r\n".join(lines).encode() + self._early)
        async with asyncio.timeout(LIMIT_S):
            head = (await self.reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        self.status = int(head[0].split(" ")[1])
        self.answer = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:] if line)}
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.writer.transport.abort()

    def push(self, data: bytes) -> None:
        """Hands bytes over without waiting until they are taken."""
        self.writer.write(data)

    async def send(self, opcode: int, payload: bytes = b"", **bits: bool) -> None:
        self.writer.write(client_frame(opcode, payload, **bits))
        await self.writer.drain()

    async def receive(self, limit_s: float = LIMIT_S) -> WireFrame | None:
        """The next frame; None when the connection ended without one."""
        try:
            async with asyncio.timeout(limit_s):
                head = await self.reader.readexactly(2)
                size = head[1] & 0x7F
                if size >= 126:
                    size = int.from_bytes(await self.reader.readexactly(2 if size == 126 else 8), "big")
                return WireFrame(head[0] & 0x0F, await self.reader.readexactly(size))
        except (asyncio.IncompleteReadError, ConnectionError):
            return None

    async def closed(self, limit_s: float = LIMIT_S) -> int | None:
        """Reads on until the end; the close code, or None when there was no close frame."""
        while (frame := await self.receive(limit_s)) is not None:
            if frame.opcode == CLOSE:
                return frame.code
        return None
