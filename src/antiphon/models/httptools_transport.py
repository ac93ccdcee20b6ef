"""`HttptoolsTransport`: plain http on an asyncio Protocol and httptools' response parser; no task switch per token.

Made by transport_choice.py. Connections are kept for the next request. Measured in docs/decisions/0004-model-stream.md.
Tests: tests/unit/models/test_httptools_transport.py, tests/integration/test_transports.py.
"""

from __future__ import annotations

import asyncio
import errno
import socket
from collections.abc import Callable
from enum import Enum, auto
from typing import cast

import httptools

from antiphon.core.errors import AntiphonError, ModelError, ModelUnavailable, ShuttingDown, Timeout
from antiphon.core.runtime import Cancellable, Runtime
from antiphon.models.transport import (
    DRAIN_S,
    IDLE_CONNECTION_S,
    IDLE_CONNECTIONS_PER_SERVER,
    MAX_HEAD_BYTES,
    HttpRequest,
    ResponseSink,
    ServerAddress,
)


class ConnectionState(Enum):
    """IDLE -> WAITING (request out) -> READING (head in) -> IDLE; READING -> DRAINING -> IDLE; any -> CLOSED, which is final."""

    IDLE = auto()
    WAITING = auto()
    READING = auto()
    DRAINING = auto()
    CLOSED = auto()


class StaleConnection(Exception):
    """A kept connection turned out to be dead before it brought a byte; never leaves this module."""


class HttpConnection(asyncio.Protocol):
    """One connection; one exchange at a time. Also the `ResponseControl` its sink is given, and its parser's listener."""

    def __init__(self, server: ServerAddress, runtime: Runtime, on_idle: Callable[[HttpConnection], None]) -> None:
        self.server = server
        self.state = ConnectionState.IDLE
        self.idle_since_s = 0.0
        self._runtime = runtime
        self._monotonic = runtime.clock.monotonic
        self._on_idle = on_idle
        self._transport: asyncio.Transport | None = None
        self._lost: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._exchanges = 0
        self._parser: httptools.HttpResponseParser | None = None
        self._sink: ResponseSink | None = None
        self._answer: asyncio.Future[None] | None = None
        self._timer: Cancellable | None = None
        self._reset()

    def _reset(self) -> None:
        self._headers: dict[str, str] = {}
        self._received_any = False
        self._body_progress = False
        self._overhead_bytes = 0
        self._interim = False
        self._whole = False
        self._keep_alive = False
        self._ends_with_connection = False
        self._paused = False

    # -- the transport's side

    async def exchange(self, request: HttpRequest, sink: ResponseSink) -> None:
        """Sends and waits. Whatever leaves it but a return leaves a closed connection. Raises StaleConnection, too."""
        transport = self._transport
        if self.state is not ConnectionState.IDLE or transport is None:
            raise StaleConnection
        self._reset()
        self.state = ConnectionState.WAITING
        self._exchanges += 1
        self._sink = sink
        self._parser = httptools.HttpResponseParser(self)
        self._answer = answer = asyncio.get_running_loop().create_future()
        self._idle_timeout_s = request.idle_timeout_s
        self._heard_s = self._monotonic()
        self._timer = self._runtime.scheduler.call_later(request.idle_timeout_s, self._check_silence)
        transport.write(_head(request) + request.body)
        try:
            await answer
        except BaseException:  # cancelled, failed, or the sink raised: in each case the peer must see the close at once
            # A whole answer may have put the connection back, and another task may be using it, when this one is cancelled.
            if self._answer is answer:
                self.abort()
                await self._lost
            raise

    def abort(self) -> None:
        """Closes the connection at once, dropping what is not sent yet."""
        if self.state is not ConnectionState.CLOSED:
            self.state = ConnectionState.CLOSED
            self._stop_timer()
            if self._transport is not None:
                self._transport.abort()

    @property
    def reused(self) -> bool:
        return self._exchanges > 1

    # -- asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's has the methods, but is no subclass
        wire = transport.get_extra_info("socket")
        if wire is not None:
            wire.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def data_received(self, data: bytes) -> None:
        parser = self._parser
        if parser is None or self.state is ConnectionState.CLOSED:
            self.abort()  # bytes nobody asked for: this connection cannot be trusted with a next answer
            return
        self._heard_s = self._monotonic()
        self._received_any = True
        self._body_progress = False
        try:
            parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            self._fail(ModelError(f"The model server at {self.server.name} sent something that is not HTTP: {error}."))
            return
        if self._whole:
            self._end_exchange()
        elif not self._body_progress:
            self._overhead_bytes += len(data)
            if self._overhead_bytes > MAX_HEAD_BYTES:
                self._fail(
                    ModelError(f"The model server at {self.server.name} sent more than {MAX_HEAD_BYTES} bytes of headers.")
                )
        else:
            self._overhead_bytes = 0

    def connection_lost(self, exc: Exception | None) -> None:
        state, self.state = self.state, ConnectionState.CLOSED
        if not self._lost.done():
            self._lost.set_result(None)
        if state is ConnectionState.READING and self._ends_with_connection and exc is None:
            self._resolve(None)
        elif state is ConnectionState.READING:
            self._resolve(ModelError(f"The connection to the model server at {self.server.name} broke off within the answer."))
        elif state is ConnectionState.WAITING and self.reused and not self._received_any:
            self._resolve(StaleConnection())
        elif state is ConnectionState.WAITING:
            self._resolve(ModelUnavailable(f"The model server at {self.server.name} closed the connection without an answer."))
        else:
            self._resolve(ShuttingDown(f"The connection to the model server at {self.server.name} was closed on this side."))
        self._forget_exchange()

    # -- httptools listener

    def on_header(self, name: bytes, value: bytes) -> None:
        if not self._whole:
            self._headers[name.decode("latin-1").lower()] = value.decode("latin-1")

    def on_headers_complete(self) -> None:
        if self._whole or self._parser is None or self._sink is None:
            return
        status = self._parser.get_status_code()
        headers, self._headers = self._headers, {}
        if 100 <= status < 200:
            self._interim = True  # "100 Continue" and the like: the real head follows
            return
        self._ends_with_connection = "content-length" not in headers and "transfer-encoding" not in headers
        self.state = ConnectionState.READING
        if headers.get("content-encoding", "identity").lower() != "identity":
            # Every request asks for `identity`; inflating is the other transport's (and an attacker's) business.
            self._fail(ModelError(f"The model server at {self.server.name} compressed its answer, although it was asked not to."))
            return
        try:
            self._sink.on_head(status, headers, self)
        except Exception as error:  # noqa: BLE001 - the sink's error belongs to the waiting task, not to the parser
            self._fail(error)

    def on_body(self, piece: bytes) -> None:
        self._body_progress = True
        answer = self._answer
        if answer is None or answer.done() or self._sink is None or self._whole:
            return  # cancelled, failed or finished: nothing is delivered any more
        try:
            self._sink.on_body(piece)
        except Exception as error:  # noqa: BLE001 - the sink's error belongs to the waiting task, not to the parser
            self._fail(error)

    def on_message_complete(self) -> None:
        if self._interim:
            self._interim = False
        elif not self._whole and self._parser is not None:
            self._whole = True
            self._keep_alive = self._parser.should_keep_alive() and not self._ends_with_connection

    def on_message_begin(self) -> None:
        if self._whole:
            self._keep_alive = False  # a second answer to one question

    # -- ResponseControl

    def pause(self) -> None:
        if not self._paused and self._transport is not None and self.state is ConnectionState.READING:
            self._paused = True
            self._transport.pause_reading()

    def resume(self) -> None:
        if self._paused and self._transport is not None and self.state is not ConnectionState.CLOSED:
            self._paused = False
            self._heard_s = self._monotonic()
            self._transport.resume_reading()

    def finish(self) -> None:
        if self.state is ConnectionState.READING:
            self.resume()
            self.state = ConnectionState.DRAINING
            self._stop_timer()
            # The last chunk usually comes with the next read, and then the connection can be used again.
            self._timer = self._runtime.scheduler.call_later(DRAIN_S, self.abort)
            self._resolve(None)

    # -- ends

    def _end_exchange(self) -> None:
        self._forget_exchange()
        if self.state is ConnectionState.CLOSED:
            return
        if self._keep_alive:
            self.resume()
            self.state = ConnectionState.IDLE
            self.idle_since_s = self._monotonic()
            self._on_idle(self)
        else:
            self.abort()
        self._resolve(None)

    def _fail(self, error: Exception) -> None:
        self._resolve(error)
        self.abort()

    def _resolve(self, error: Exception | None) -> None:
        answer = self._answer
        if answer is None or answer.done():
            return
        if error is None:
            answer.set_result(None)
        else:
            answer.set_exception(error)

    def _forget_exchange(self) -> None:
        self._stop_timer()
        self._sink = None
        self._parser = None  # also breaks the reference cycle parser <-> connection

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _check_silence(self) -> None:
        """One timer an exchange, moved on when it finds that something was heard: cheaper than a reset per token."""
        now_s = self._monotonic()
        left_s = self._idle_timeout_s - (0.0 if self._paused else now_s - self._heard_s)
        if left_s <= 0.001:
            self._timer = None
            self._fail(
                Timeout(
                    f"The model server at {self.server.name} was silent for {self._idle_timeout_s:g} s. "
                    "Try again, or raise ANTIPHON_CHAT_IDLE_TIMEOUT_S."
                )
            )
        else:
            self._timer = self._runtime.scheduler.call_later(left_s, self._check_silence)


class HttptoolsTransport:
    """See `Transport`. A kept connection that died unseen is replaced once, when not a byte had come."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._idle: dict[tuple[str, int], list[HttpConnection]] = {}
        self._open: set[HttpConnection] = set()

    async def send(self, request: HttpRequest, sink: ResponseSink) -> None:
        connection = self._take_idle(request.address) or await self._connect(request)
        try:
            await self._exchange(connection, request, sink)
        except StaleConnection:
            await self._exchange(await self._connect(request), request, sink)

    async def close(self) -> None:
        for connection in list(self._open):
            connection.abort()
        self._open.clear()
        self._idle.clear()
        await self._runtime.scheduler.sleep(0)  # the loop closes the sockets in its next turn

    async def _exchange(self, connection: HttpConnection, request: HttpRequest, sink: ResponseSink) -> None:
        try:
            await connection.exchange(request, sink)
        finally:
            if connection.state is ConnectionState.CLOSED:
                self._open.discard(connection)

    def _take_idle(self, address: ServerAddress) -> HttpConnection | None:
        kept = self._idle.get((address.dialled, address.port), [])
        oldest_s = self._runtime.clock.monotonic() - IDLE_CONNECTION_S
        while kept:
            connection = kept.pop()
            if connection.state is ConnectionState.IDLE and connection.idle_since_s >= oldest_s:
                return connection
            connection.abort()
            self._open.discard(connection)
        return None

    def _keep(self, connection: HttpConnection) -> None:
        kept = self._idle.setdefault((connection.server.dialled, connection.server.port), [])
        kept[:] = [other for other in kept if other.state is ConnectionState.IDLE]
        if connection not in self._open or len(kept) >= IDLE_CONNECTIONS_PER_SERVER:
            connection.abort()
            self._open.discard(connection)
        else:
            kept.append(connection)

    async def _connect(self, request: HttpRequest) -> HttpConnection:
        address = request.address
        self._open = {connection for connection in self._open if connection.state is not ConnectionState.CLOSED}
        try:
            async with asyncio.timeout(request.connect_timeout_s):
                _, connection = await asyncio.get_running_loop().create_connection(
                    lambda: HttpConnection(address, self._runtime, self._keep), address.dialled, address.port
                )
        except TimeoutError:
            raise ModelUnavailable(
                f"The model server at {address.name} did not accept a connection within {request.connect_timeout_s:g} s. "
                "Check the address, or raise ANTIPHON_CHAT_CONNECT_TIMEOUT_S."
            ) from None
        except OSError as error:
            raise connect_failure(address, error) from error
        self._open.add(connection)
        return connection


def connect_failure(address: ServerAddress, error: OSError) -> AntiphonError:
    """The sentence for a connection that could not be made."""
    if isinstance(error, socket.gaierror):
        return ModelUnavailable(f"The host name of the model server {address.name} could not be resolved. Check the address.")
    # With several addresses for one name (::1 and 127.0.0.1) asyncio joins the errors into one text without a number.
    if isinstance(error, ConnectionRefusedError) or f"[Errno {errno.ECONNREFUSED}]" in str(error):
        return ModelUnavailable(f"The model server at {address.name} refused the connection. Is it running there?")
    reason = error.strerror or type(error).__name__
    return ModelUnavailable(f"The model server at {address.name} could not be reached: {reason}. Check the address.")


def _head(request: HttpRequest) -> bytes:
    lines = [f"{request.method} {request.address.target(request.path)} HTTP/1.1", f"Host: {request.address.host_header}"]
    lines += [f"{name}: {value}" for name, value in request.headers.items()]
    if request.body or request.method == "POST":
        lines.append(f"Content-Length: {len(request.body)}")
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")
