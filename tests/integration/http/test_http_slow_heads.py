"""H1: a head that comes too slowly, or is too large, costs one connection for a moment."""

from __future__ import annotations

import asyncio
from urllib.parse import urlsplit

from antiphon.server import front_door


async def _open(house):
    at = urlsplit(house.url)
    return at, *(await asyncio.open_connection(at.hostname, at.port))


async def test_h1_a_slow_head_is_cut(hasty_house):
    for first in (b"", b"GET / HTTP/1.1\r\nX: ", b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"):
        _, reader, writer = await _open(hasty_house)
        writer.write(first)
        if first.endswith(b"\r\n\r\n"):
            assert b"200 OK" in await reader.readuntil(b"}")
            writer.write(b"GET /he")  # a second request on the same connection
        async with asyncio.timeout(2):
            assert await reader.read() == b""
        writer.close()


async def test_h1_an_endless_head_is_431(house):
    _, reader, writer = await _open(house)
    writer.write(b"GET / HTTP/1.1\r\n" + b"X: " + b"y" * 70_000)
    async with asyncio.timeout(2):
        assert (await reader.read()).startswith(b"HTTP/1.1 431")
    writer.close()


async def test_h1_a_slow_body_is_408(house, monkeypatch):
    monkeypatch.setattr(front_door, "BODY_SILENCE_S", 0.2)
    at, reader, writer = await _open(house)
    head = f"POST /api/v1/workspaces HTTP/1.1\r\nHost: {at.netloc}\r\nAuthorization: Bearer key-of-ann\r\n"
    writer.write(head.encode() + b"Content-Type: application/json\r\nContent-Length: 50\r\n\r\n{")
    async with asyncio.timeout(5):
        answer = await reader.read()
    assert answer.startswith(b"HTTP/1.1 408")
    assert b'"code":"timeout"' in answer
    writer.close()
