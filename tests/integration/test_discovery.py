"""Model servers of this machine are found; whatever else listens there, and our own port, are not offered."""

from __future__ import annotations

import asyncio

from antiphon.core.runtime import system_runtime
from antiphon.models import discovery
from antiphon.models.discovery import KNOWN_PORTS, LocalServer, find_local_servers
from antiphon.testing.model_server import serve_model


async def test_servers_are_found_in_the_order_of_the_ports() -> None:
    async with serve_model(models=["qwen3", "nomic-embed-text"]) as one, serve_model(models=["llama"]) as two:
        ports = {two.port: "Second", one.port: "First", 9: "Nobody"}
        found = await find_local_servers(system_runtime(), own_ports={}, ports=ports)
        assert found == [
            LocalServer(name="Second", base_url=two.base_url, models=["llama"]),
            LocalServer(name="First", base_url=one.base_url, models=["qwen3"]),
        ]
        assert await find_local_servers(system_runtime(), own_ports={one.port, two.port}, ports=ports) == []
        assert len(one.requests) == 1


async def test_what_is_no_model_server_is_passed_over(monkeypatch) -> None:
    monkeypatch.setattr(discovery, "LOOK_S", 0.2)

    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    async def rude(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 mail ready\r\n")
        await reader.read()
        writer.close()

    async def closed(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 401 No\r\nContent-Length: 0\r\n\r\n")
        await reader.read()
        writer.close()

    servers = [await asyncio.start_server(handler, "127.0.0.1", 0) for handler in (silent, rude, closed)]
    ports = {
        server.sockets[0].getsockname()[1]: handler for server, handler in zip(servers, ("silent", "rude", "closed"), strict=True)
    }
    try:
        found = await find_local_servers(system_runtime(), own_ports=(), ports=ports)
        assert [(server.name, server.needs_key) for server in found] == [("closed", True)]
    finally:
        for server in servers:
            server.close()


def test_the_usual_ones_are_looked_for() -> None:
    assert {11434, 1234, 8000, 8080, 9997} <= set(KNOWN_PORTS)
