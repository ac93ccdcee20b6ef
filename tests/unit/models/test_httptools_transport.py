"""One connection fed by hand, on simulated time: states, silence, reuse, and the races between an end and a cancel."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

import pytest

from antiphon.core.errors import ModelError, Timeout
from antiphon.models.httptools_transport import ConnectionState, HttpConnection, StaleConnection
from antiphon.models.transport import DRAIN_S, HttpRequest, ResponseControl, parse_server_address
from antiphon.testing.simulated import SimulatedRuntime, simulated_runtime

HEAD = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
END = b"0\r\n\r\n"
ADDRESS = parse_server_address("http://h:1/v1")
REQUEST = HttpRequest(address=ADDRESS, path="/x", body=b"{}", connect_timeout_s=1.0, idle_timeout_s=10.0)


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


class Wire(asyncio.Transport):
    """A transport in memory; the loss of the connection is told in the loop's next turn, as asyncio does."""

    def __init__(self) -> None:
        super().__init__()
        self.written = b""
        self.reading = True
        self.aborted = False
        self.connection: HttpConnection | None = None

    def get_extra_info(self, name: str, default: object = None) -> object:
        return default

    def write(self, data: bytes) -> None:
        self.written += data

    def pause_reading(self) -> None:
        self.reading = False

    def resume_reading(self) -> None:
        self.reading = True

    def abort(self) -> None:
        if not self.aborted:
            self.aborted = True
            asyncio.get_running_loop().call_soon(self.connection.connection_lost, None)


class Sink:
    def __init__(self) -> None:
        self.status = 0
        self.body = b""

    def on_head(self, status: int, headers: Mapping[str, str], control: ResponseControl) -> None:
        self.status, self.headers, self.control = status, headers, control

    def on_body(self, piece: bytes) -> None:
        self.body += piece


class Rig:
    def __init__(self) -> None:
        self.runtime: SimulatedRuntime = simulated_runtime()
        self.kept: list[HttpConnection] = []
        self.wire = Wire()
        self.connection = HttpConnection(ADDRESS, self.runtime, self.kept.append)
        self.wire.connection = self.connection
        self.connection.connection_made(self.wire)
        self.sink = Sink()

    async def ask(self, sink: Sink | None = None) -> asyncio.Task[None]:
        task = asyncio.ensure_future(self.connection.exchange(REQUEST, sink or self.sink))
        await self.runtime.scheduler.settle()
        return task


@pytest.fixture
async def rig() -> Rig:
    return Rig()


async def test_states_of_a_whole_exchange(rig: Rig) -> None:
    task = await rig.ask()
    assert rig.connection.state is ConnectionState.WAITING
    assert rig.wire.written.startswith(b"POST /v1/x HTTP/1.1\r\nHost: h:1\r\nContent-Length: 2\r\n\r\n{}")
    rig.connection.data_received(HEAD + chunk(b"a"))
    assert rig.connection.state is ConnectionState.READING
    rig.connection.data_received(chunk(b"b") + END)
    assert rig.connection.state is ConnectionState.IDLE
    await task
    assert (rig.sink.status, rig.sink.body, rig.kept) == (200, b"ab", [rig.connection])


async def test_nothing_is_delivered_between_cancel_and_its_arrival(rig: Rig) -> None:
    task = await rig.ask()
    rig.connection.data_received(HEAD + chunk(b"a"))
    task.cancel()
    rig.connection.data_received(chunk(b"b"))
    with pytest.raises(asyncio.CancelledError):
        await task
    assert rig.sink.body == b"a"
    assert rig.wire.aborted
    assert rig.connection.state is ConnectionState.CLOSED


async def test_cancel_after_the_end_leaves_the_next_exchange_alone(rig: Rig) -> None:
    """The connection is back and in use by somebody else before the first task runs again, cancelled."""
    first = await rig.ask()
    second_sink = Sink()
    second = asyncio.ensure_future(rig.connection.exchange(REQUEST, second_sink))  # its first step comes in the next turn ...
    rig.connection.data_received(HEAD + END)  # ... before the first task is woken by this
    first.cancel()
    await rig.runtime.scheduler.settle()
    assert not rig.wire.aborted
    rig.connection.data_received(HEAD + chunk(b"mine") + END)
    await second
    assert second_sink.body == b"mine"


async def test_silence(rig: Rig) -> None:
    task = await rig.ask()
    rig.connection.data_received(HEAD)
    await rig.runtime.advance(9.0)
    rig.connection.data_received(chunk(b"a"))
    await rig.runtime.advance(9.5)
    assert not task.done()
    await rig.runtime.advance(1.0)
    with pytest.raises(Timeout, match="silent for 10 s"):
        await task
    assert rig.wire.aborted


async def test_own_pause_is_not_silence(rig: Rig) -> None:
    task = await rig.ask()
    rig.connection.data_received(HEAD)
    rig.sink.control.pause()
    assert not rig.wire.reading
    await rig.runtime.advance(60.0)
    assert not task.done()
    rig.sink.control.resume()
    assert rig.wire.reading
    await rig.runtime.advance(10.5)
    with pytest.raises(Timeout):
        await task


async def test_no_timer_is_left_behind(rig: Rig) -> None:
    task = await rig.ask()
    rig.connection.data_received(HEAD + END)
    await task
    assert rig.runtime.scheduler.next_due_s is None


async def test_finish_returns_at_once_and_drains(rig: Rig) -> None:
    task = await rig.ask()
    rig.connection.data_received(HEAD + chunk(b"a"))
    rig.sink.control.finish()
    await task
    assert rig.connection.state is ConnectionState.DRAINING
    rig.connection.data_received(chunk(b"b") + END)
    assert rig.sink.body == b"a"
    assert rig.kept == [rig.connection]


async def test_what_never_ends_is_not_drained_for_ever(rig: Rig) -> None:
    task = await rig.ask()
    rig.connection.data_received(HEAD)
    rig.sink.control.finish()
    await task
    await rig.runtime.advance(DRAIN_S + 0.1)
    assert rig.wire.aborted
    assert rig.kept == []


async def test_connection_that_is_not_idle_is_stale(rig: Rig) -> None:
    rig.connection.abort()
    with pytest.raises(StaleConnection):
        await rig.connection.exchange(REQUEST, rig.sink)


async def test_kept_connection_that_dies_unseen_is_stale(rig: Rig) -> None:
    task = await rig.ask()
    rig.connection.data_received(HEAD + END)
    await task
    task = await rig.ask()
    rig.connection.connection_lost(ConnectionResetError())
    with pytest.raises(StaleConnection):
        await task


async def test_kept_connection_that_dies_after_a_byte_is_not_stale(rig: Rig) -> None:
    """The server may have begun to work on it: asking again is for the adapter to decide."""
    task = await rig.ask()
    rig.connection.data_received(HEAD + END)
    await task
    task = await rig.ask()
    rig.connection.data_received(b"HTTP/1.1 200")
    rig.connection.connection_lost(None)
    with pytest.raises(Exception, match="closed the connection without an answer"):
        await task


async def test_second_answer_to_one_question_spoils_the_connection(rig: Rig) -> None:
    task = await rig.ask()
    rig.connection.data_received(HEAD + chunk(b"a") + END + HEAD + chunk(b"b") + END)
    await task
    assert (rig.sink.body, rig.kept, rig.wire.aborted) == (b"a", [], True)


async def test_bytes_between_two_questions_spoil_the_connection(rig: Rig) -> None:
    task = await rig.ask()
    rig.connection.data_received(HEAD + END)
    await task
    rig.connection.data_received(HEAD + END)
    assert rig.wire.aborted


async def test_close_said_in_the_head_is_kept(rig: Rig) -> None:
    task = await rig.ask()
    rig.connection.data_received(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 1\r\n\r\na")
    await task
    assert rig.kept == []
    assert rig.wire.aborted


async def test_body_that_ends_with_the_connection(rig: Rig) -> None:
    task = await rig.ask()
    rig.connection.data_received(b"HTTP/1.1 200 OK\r\n\r\nabc")
    assert not task.done()
    rig.connection.connection_lost(None)
    await task
    assert rig.sink.body == b"abc"


async def test_reset_is_no_end(rig: Rig) -> None:
    task = await rig.ask()
    rig.connection.data_received(b"HTTP/1.1 200 OK\r\n\r\nabc")
    rig.connection.connection_lost(ConnectionResetError())
    with pytest.raises(ModelError, match="broke off"):
        await task


@pytest.mark.parametrize("flood", [b"X: " + b"y" * 1000 + b"\r\n", b"X: y" + b"y" * 1000])
async def test_headers_are_bounded(rig: Rig, flood: bytes) -> None:
    task = await rig.ask()
    rig.connection.data_received(b"HTTP/1.1 200 OK\r\n")
    for _ in range(70):
        rig.connection.data_received(flood)
    with pytest.raises(ModelError, match="bytes of headers"):
        await task


async def test_chunk_extensions_are_bounded(rig: Rig) -> None:
    task = await rig.ask()
    rig.connection.data_received(HEAD + b"1;")
    for _ in range(70):
        rig.connection.data_received(b"y" * 1000)
    with pytest.raises(ModelError, match="bytes of headers"):
        await task


async def test_long_body_in_small_reads_is_not_taken_for_headers(rig: Rig) -> None:
    task = await rig.ask()
    rig.connection.data_received(HEAD)
    for _ in range(200):
        rig.connection.data_received(chunk(b"z" * 1000))
    rig.connection.data_received(END)
    await task
    assert len(rig.sink.body) == 200_000


async def test_every_split_of_a_response_gives_the_same_body() -> None:
    whole = HEAD + chunk(b"ab") + chunk("答".encode()) + END
    for place in range(len(whole)):
        rig = Rig()
        task = await rig.ask()
        rig.connection.data_received(whole[:place])
        rig.connection.data_received(whole[place:])
        await task
        assert rig.sink.body == "ab答".encode()
