"""The real socket: handshake, close codes and a lost connection, against the fake server on loopback."""

from __future__ import annotations

import aiohttp
import pytest
from aiohttp import web

from antiphon.client import AntiphonClient
from antiphon.client.socket import SocketClosed, aiohttp_dialer
from antiphon.core.errors import BadRequest, Forbidden, Timeout, Unauthorized
from antiphon.testing.fake_server import FakeServer, Fault


async def test_ask_over_a_real_socket_that_is_lost_twice(runtime):
    faults = [Fault(frames=7), Fault(frames=4, code=4501)]
    server = FakeServer(answers=lambda _: list("over the wire, 经过线路"), faults=faults, runtime=runtime)
    async with server.serve() as url:
        async with AntiphonClient(url, runtime=runtime) as client:
            stream = client.ask("go", session_id="ses_9")
            async for _ in stream:
                pass
        await server.close()
    assert stream.text == "over the wire, 经过线路"
    assert server.connections == 3
    assert server.runs_started == 1


@pytest.mark.parametrize(("fault", "code"), [(Fault(frames=0, code=4003), 4003), (Fault(frames=0), None)])
async def test_close_codes_arrive(runtime, fault, code):
    server = FakeServer(faults=[fault], runtime=runtime)
    async with server.serve() as url, aiohttp.ClientSession() as session:
        socket = await aiohttp_dialer(session, url, key="k")()
        with pytest.raises(SocketClosed) as closed:
            await socket.receive()
        assert closed.value.code == code
        await socket.close()


@pytest.mark.parametrize(("status", "kind"), [(401, Unauthorized), (403, Forbidden), (404, BadRequest), (503, Timeout)])
async def test_refused_handshakes_are_final_unless_the_server_is_busy(runtime, status, kind):
    async def refuse(_: web.Request) -> web.Response:
        return web.Response(status=status)

    app = web.Application()
    app.router.add_get("/ws/v1", refuse)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = runner.addresses[0][1]
    try:
        with pytest.raises(kind):
            async with AntiphonClient(f"http://127.0.0.1:{port}", key="k", runtime=runtime, connect_timeout_s=0.2):
                pass
    finally:
        await runner.cleanup()


async def test_the_key_goes_into_the_header_and_never_into_the_address(runtime):
    seen: list[tuple[str, str | None]] = []

    async def note(request: web.Request) -> web.Response:
        seen.append((str(request.rel_url), request.headers.get("Authorization")))
        return web.Response(status=403)

    app = web.Application()
    app.router.add_get("/ws/v1", note)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        with pytest.raises(Forbidden):
            async with AntiphonClient(f"http://127.0.0.1:{runner.addresses[0][1]}/", key="secret", runtime=runtime):
                pass
    finally:
        await runner.cleanup()
    assert seen == [("/ws/v1", "Bearer secret")]
