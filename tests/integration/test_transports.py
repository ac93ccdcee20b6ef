"""Both transports against a scripted server on loopback: framing, reuse, stale connections, pausing, limits, silence."""

from __future__ import annotations

import asyncio
import shutil
import socket
import ssl
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

from antiphon.core.errors import AntiphonError, ModelError, ModelUnavailable, ShuttingDown, Timeout
from antiphon.core.runtime import system_runtime
from antiphon.models.aiohttp_transport import AiohttpTransport
from antiphon.models.httptools_transport import HttptoolsTransport
from antiphon.models.transport import HttpRequest, ResponseControl, Transport, parse_server_address
from antiphon.testing.model_server import Break, Hang, Pause, Reply, serve_model

PLAIN = {"Content-Type": "text/plain"}


class Sink:
    def __init__(self) -> None:
        self.status = 0
        self.headers: Mapping[str, str] = {}
        self.pieces: list[bytes] = []

    def on_head(self, status: int, headers: Mapping[str, str], control: ResponseControl) -> None:
        self.status, self.headers, self.control = status, headers, control

    def on_body(self, piece: bytes) -> None:
        self.pieces.append(piece)

    @property
    def body(self) -> bytes:
        return b"".join(self.pieces)


def request(base_url: str, *, idle_s: float = 5.0, connect_s: float = 2.0) -> HttpRequest:
    return HttpRequest(
        address=parse_server_address(base_url),
        path="/chat/completions",
        headers={"Content-Type": "application/json"},
        body=b"{}",
        connect_timeout_s=connect_s,
        idle_timeout_s=idle_s,
    )


@pytest.fixture(params=["httptools", "aiohttp"])
async def transport(request: pytest.FixtureRequest):
    runtime = system_runtime()
    made: Transport = HttptoolsTransport(runtime) if request.param == "httptools" else AiohttpTransport(runtime)
    yield made
    await made.close()


@pytest.mark.parametrize("framing", ["chunked", "length", "close"])
async def test_body_arrives_whole_in_each_framing(transport: Transport, framing) -> None:
    async with serve_model(Reply(pieces=[b"ab", b"c" * 100_000, b"d"], headers=PLAIN, framing=framing)) as server:
        sink = Sink()
        await transport.send(request(server.base_url), sink)
    assert (sink.status, sink.body) == (200, b"ab" + b"c" * 100_000 + b"d")
    assert sink.headers["content-type"] == "text/plain"


async def test_connection_is_used_again(transport: Transport) -> None:
    async with serve_model(Reply(pieces=[b"x"], headers=PLAIN)) as server:
        for _ in range(3):
            await transport.send(request(server.base_url), Sink())
        assert (len(server.requests), server.connections) == (3, 1)


async def test_connection_is_used_again_after_the_sink_finished(transport: Transport) -> None:
    class Enough(Sink):
        def on_body(self, piece: bytes) -> None:
            super().on_body(piece)
            self.control.finish()

    async with serve_model(Reply(pieces=[b"x", b"y"], headers=PLAIN)) as server:
        sink = Enough()
        await transport.send(request(server.base_url), sink)
        assert sink.body[:1] == b"x"
        await server.settled()
        await asyncio.sleep(0.02)
        await transport.send(request(server.base_url), Sink())
        assert server.connections == 1


async def test_what_follows_finish_does_not_come(transport: Transport) -> None:
    class Enough(Sink):
        def on_body(self, piece: bytes) -> None:
            super().on_body(piece)
            self.control.finish()

    async with serve_model(Reply(pieces=[b"x", Pause(0.05), b"y"], headers=PLAIN)) as server:
        sink = Enough()
        await transport.send(request(server.base_url), sink)
        await server.settled()
        await asyncio.sleep(0.02)
    assert sink.body == b"x"


async def test_stale_connection_is_replaced(transport: Transport) -> None:
    """The server closes right when the second request arrives: nothing came, so a fresh connection is tried."""
    script = [
        Reply(pieces=[b"first"], headers=PLAIN),
        Reply(pieces=[Break()], framing="raw"),
        Reply(pieces=[b"second"], headers=PLAIN),
    ]
    async with serve_model(*script) as server:
        await transport.send(request(server.base_url), Sink())
        sink = Sink()
        await transport.send(request(server.base_url), sink)
        assert sink.body == b"second"
        assert server.connections == 2


async def test_close_without_an_answer_is_unavailable(transport: Transport) -> None:
    async with serve_model(Reply(pieces=[Break()], framing="raw")) as server:
        with pytest.raises(ModelUnavailable, match=rf"127\.0\.0\.1:{server.port} closed the connection without an answer"):
            await transport.send(request(server.base_url), Sink())


async def test_refused_connection_names_host_and_port(transport: Transport) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
        for host in ("127.0.0.1", "localhost"):
            with pytest.raises(ModelUnavailable, match=rf"{host}:{port} refused the connection"):
                await transport.send(request(f"http://{host}:{port}/v1"), Sink())


async def test_unknown_host_is_unavailable(transport: Transport) -> None:
    with pytest.raises(ModelUnavailable, match=r"no-such-host\.invalid:80 could not be resolved"):
        await transport.send(request("http://no-such-host.invalid/v1"), Sink())


async def test_break_within_a_chunked_answer(transport: Transport) -> None:
    async with serve_model(Reply(pieces=[b"abc", Break()], headers=PLAIN)) as server:
        sink = Sink()
        with pytest.raises(ModelError, match="broke off"):
            await transport.send(request(server.base_url), sink)
    assert sink.body == b"abc"


@pytest.mark.parametrize("pieces", [[Hang()], [b"abc", Hang()]])
async def test_silence_is_a_timeout(transport: Transport, pieces) -> None:
    async with serve_model(Reply(pieces=pieces, headers=PLAIN)) as server:
        with pytest.raises(Timeout, match=r"silent for 0\.1 s"):
            await transport.send(request(server.base_url, idle_s=0.1), Sink())
        await server.settled()
        assert server.requests[0].outcome == "client_closed"


async def test_silence_counts_between_bytes_only(transport: Transport) -> None:
    pieces = [piece for n in range(8) for piece in (Pause(0.04), b"%d" % n)]
    async with serve_model(Reply(pieces=pieces, headers=PLAIN)) as server:
        sink = Sink()
        await transport.send(request(server.base_url, idle_s=0.15), sink)
    assert sink.body == b"01234567"


async def test_no_connection_in_time(transport: Transport) -> None:
    """A listener whose backlog is full does not answer the handshake."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        port = listener.getsockname()[1]
        fillers = [socket.socket() for _ in range(4)]
        try:
            for filler in fillers:
                filler.setblocking(False)
                filler.connect_ex(("127.0.0.1", port))
            with pytest.raises(ModelUnavailable, match=r"did not accept a connection within 0\.2 s"):
                await transport.send(request(f"http://127.0.0.1:{port}/v1", connect_s=0.2), Sink())
        finally:
            for filler in fillers:
                filler.close()


async def test_not_http_is_a_model_error(transport: Transport) -> None:
    async with serve_model(Reply(pieces=[b"SSH-2.0-OpenSSH_9.2\r\n\r\n"], framing="raw")) as server:
        with pytest.raises(ModelError, match="not HTTP"):
            await transport.send(request(server.base_url), Sink())


async def test_endless_headers_are_cut(transport: Transport) -> None:
    flood = [b"HTTP/1.1 200 OK\r\n"] + [b"X-%d: %s\r\n" % (n, b"y" * 1000) for n in range(400)]
    async with serve_model(Reply(pieces=[*flood, Hang()], framing="raw")) as server:
        with pytest.raises(AntiphonError):
            await asyncio.wait_for(transport.send(request(server.base_url, idle_s=2.0), Sink()), 1.5)


async def test_interim_answer_is_passed_over(transport: Transport) -> None:
    raw = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
    async with serve_model(Reply(pieces=[raw, Hang()], framing="raw")) as server:
        sink = Sink()
        await transport.send(request(server.base_url), sink)
    assert (sink.status, sink.body) == (200, b"ok")


async def test_pause_stops_the_bytes_and_resume_brings_the_rest(transport: Transport) -> None:
    big = [b"z" * 65_536] * 256

    class Slow(Sink):
        def on_head(self, status, headers, control) -> None:
            super().on_head(status, headers, control)
            control.pause()

    async with serve_model(Reply(pieces=big, headers=PLAIN)) as server:
        sink = Slow()
        task = asyncio.ensure_future(transport.send(request(server.base_url, idle_s=0.2), sink))
        await asyncio.sleep(0.4)  # longer than the silence that is allowed: a pause of ours is not the server's
        assert not task.done()
        assert sum(map(len, sink.pieces)) < 1_048_576
        sink.control.resume()
        await task
    assert sum(map(len, sink.pieces)) == 256 * 65_536


async def test_cancel_closes_before_it_leaves(transport: Transport) -> None:
    async with serve_model(Reply(pieces=[b"x", Hang()], headers=PLAIN)) as server:
        sink = Sink()
        task = asyncio.ensure_future(transport.send(request(server.base_url), sink))
        while not sink.pieces:
            await asyncio.sleep(0.001)
        cancelled_s = asyncio.get_running_loop().time()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await server.settled(timeout_s=0.5)
        assert server.requests[0].outcome == "client_closed"
        took_s = server.requests[0].ended_s - cancelled_s
    assert took_s < 0.05, f"The server saw the close {took_s * 1000:.0f} ms after the cancel."


async def test_cancel_while_connecting_leaves_nothing_open(transport: Transport) -> None:
    async with serve_model(Reply(pieces=[Hang()], headers=PLAIN)) as server:
        for turns in range(8):
            task = asyncio.ensure_future(transport.send(request(server.base_url), Sink()))
            for _ in range(turns):
                await asyncio.sleep(0)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
        await server.settled()


async def test_error_of_the_sink_leaves_and_closes(transport: Transport) -> None:
    class Raising(Sink):
        def on_body(self, piece: bytes) -> None:
            raise LookupError("mine")

    async with serve_model(Reply(pieces=[b"x", Hang()], headers=PLAIN)) as server:
        with pytest.raises(LookupError, match="mine"):
            await transport.send(request(server.base_url), Raising())
        await server.settled()


async def test_redirects_are_not_followed(transport: Transport) -> None:
    moved = Reply(status=307, headers={"Location": "http://127.0.0.1:9/elsewhere"}, framing="length")
    async with serve_model(moved) as server:
        sink = Sink()
        await transport.send(request(server.base_url), sink)
        assert sink.status == 307
        assert len(server.requests) == 1


async def test_close_of_the_transport_ends_running_answers() -> None:
    transport = HttptoolsTransport(system_runtime())
    async with serve_model(Reply(pieces=[b"x", Hang()], headers=PLAIN)) as server:
        sink = Sink()
        task = asyncio.ensure_future(transport.send(request(server.base_url), sink))
        while not sink.pieces:
            await asyncio.sleep(0.001)
        await transport.close()
        with pytest.raises(ShuttingDown):
            await task
        await server.settled()


async def test_compressed_answer_is_refused_by_the_lean_transport() -> None:
    transport = HttptoolsTransport(system_runtime())
    squeezed = Reply(pieces=[b"\x1f\x8b"], headers={"Content-Encoding": "gzip"})
    async with serve_model(squeezed) as server:
        with pytest.raises(ModelError, match="compressed"):
            await transport.send(request(server.base_url), Sink())
    await transport.close()


async def test_bytes_nobody_asked_for_spoil_the_connection() -> None:
    """A second answer right after the first must not be taken for the answer to the next request."""
    double = b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\na" + b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nb"
    transport = HttptoolsTransport(system_runtime())
    async with serve_model(Reply(pieces=[double, Hang()], framing="raw"), Reply(pieces=[b"c"], headers=PLAIN)) as server:
        first, second = Sink(), Sink()
        await transport.send(request(server.base_url), first)
        await transport.send(request(server.base_url), second)
        assert (first.body, second.body) == (b"a", b"c")
        assert server.connections == 2
    await transport.close()


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A self-signed certificate for 127.0.0.1 and its key."""
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("openssl is not installed: no certificate can be made for the TLS tests")
    folder = tmp_path_factory.mktemp("tls")
    name = ["-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"]
    files = ["-keyout", str(folder / "key.pem"), "-out", str(folder / "cert.pem")]
    make = [openssl, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"]
    subprocess.run([*make, *name, *files], check=True, capture_output=True, timeout=30)
    return folder / "cert.pem", folder / "key.pem"


def server_tls(certificate: tuple[Path, Path]) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)
    return context


async def test_tls_streams_and_cancel_closes_at_once(certificate) -> None:
    transport = AiohttpTransport(system_runtime(), tls=ssl.create_default_context(cafile=str(certificate[0])))
    script = [Reply(pieces=[b"ab", b"cd"], headers=PLAIN), Reply(pieces=[b"x", Hang()], headers=PLAIN)]
    async with serve_model(*script, tls=server_tls(certificate)) as server:
        sink = Sink()
        await transport.send(request(server.base_url), sink)
        assert sink.body == b"abcd"
        hanging = Sink()
        task = asyncio.ensure_future(transport.send(request(server.base_url), hanging))
        while not hanging.pieces:
            await asyncio.sleep(0.001)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await server.settled(timeout_s=0.5)
        assert server.requests[1].outcome == "client_closed"
    await transport.close()


async def test_untrusted_certificate_is_said_plainly(certificate) -> None:
    transport = AiohttpTransport(system_runtime())
    async with serve_model(Reply(pieces=[b"x"], headers=PLAIN), tls=server_tls(certificate)) as server:
        with pytest.raises(ModelUnavailable, match="No secure connection to the model server"):
            await transport.send(request(server.base_url), Sink())
        assert server.requests == []
    await transport.close()
