"""`AiohttpTransport`: https, and servers behind a proxy. Made by transport_choice.py.

Twice the CPU per token of httptools_transport.py (docs/decisions/0004-model-stream.md), in exchange for TLS and proxies.
Tests: tests/integration/test_transports.py.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Mapping
from typing import TYPE_CHECKING, cast

from antiphon.core.errors import AntiphonError, ModelError, ModelUnavailable, Timeout
from antiphon.core.runtime import Runtime
from antiphon.models.httptools_transport import connect_failure
from antiphon.models.transport import (
    DRAIN_S,
    IDLE_CONNECTION_S,
    MAX_HEAD_BYTES,
    HttpRequest,
    ResponseSink,
)

if TYPE_CHECKING:
    import ssl

    import aiohttp
    from aiohttp.abc import AbstractResolver, ResolveResult

_PIECE_BYTES = 65_536


class _Reading:
    """The `ResponseControl` of one response."""

    def __init__(self) -> None:
        self.finished = False
        self.may_read = asyncio.Event()
        self.may_read.set()

    def pause(self) -> None:
        self.may_read.clear()

    def resume(self) -> None:
        self.may_read.set()

    def finish(self) -> None:
        self.finished = True
        self.may_read.set()


class AiohttpTransport:
    """See `Transport`. `proxy` is the address of an http proxy; `tls` None: the system's certificates."""

    def __init__(self, runtime: Runtime, *, proxy: str | None = None, tls: ssl.SSLContext | None = None) -> None:
        self._runtime = runtime
        self._proxy = proxy
        self._tls = tls
        self._session: aiohttp.ClientSession | None = None
        self._pins: dict[str, str] = {}

    async def send(self, request: HttpRequest, sink: ResponseSink) -> None:
        import aiohttp  # lazy: 0.2 s of imports that a server with a plain http model never needs

        if request.address.pinned is not None:
            self._pins[request.address.host] = request.address.pinned

        try:
            try:
                response = await self._ask(request)
            except aiohttp.ServerDisconnectedError:  # a kept connection that died unseen; nothing had come
                response = await self._ask(request)
        except (aiohttp.ClientError, TimeoutError) as error:
            raise _before_head(request, error) from error
        try:
            await self._deliver(response, sink)
        except (aiohttp.ClientError, TimeoutError) as error:
            await self._abort(response)
            raise _within_answer(request, error) from error
        except BaseException:
            await self._abort(response)
            raise

    async def close(self) -> None:
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    async def _ask(self, request: HttpRequest) -> aiohttp.ClientResponse:
        import aiohttp  # lazy, as above
        from yarl import URL  # comes with aiohttp

        return await self._opened().request(
            request.method,
            URL(request.address.url(request.path), encoded=True),
            headers=request.headers,
            data=request.body or None,
            allow_redirects=False,
            proxy=self._proxy,
            timeout=aiohttp.ClientTimeout(
                total=None,
                connect=request.connect_timeout_s,
                sock_connect=request.connect_timeout_s,
                sock_read=request.idle_timeout_s,
            ),
        )

    def _opened(self) -> aiohttp.ClientSession:
        import aiohttp  # lazy, as above

        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(
                    limit=0,
                    keepalive_timeout=IDLE_CONNECTION_S,
                    ssl=True if self._tls is None else self._tls,
                    resolver=cast("AbstractResolver", _PinnedResolver(self._pins)),  # no subclass: aiohttp is lazy
                    use_dns_cache=False,  # it would outlive a pin
                ),
                cookie_jar=aiohttp.DummyCookieJar(),
                max_line_size=MAX_HEAD_BYTES // 4,
                max_field_size=MAX_HEAD_BYTES // 4,
                read_bufsize=_PIECE_BYTES,
            )
        return self._session

    async def _deliver(self, response: aiohttp.ClientResponse, sink: ResponseSink) -> None:
        reading = _Reading()
        sink.on_head(response.status, {name.lower(): value for name, value in response.headers.items()}, reading)
        while not reading.finished:
            await reading.may_read.wait()
            piece = await response.content.readany()
            if not piece and response.content.at_eof():
                break
            if piece:
                sink.on_body(piece)
        if reading.finished:
            await self._drain(response)
        response.release()

    async def _drain(self, response: aiohttp.ClientResponse) -> None:
        """The rest is not wanted; read to its end it leaves a connection that can be used again."""
        import aiohttp  # lazy, as above

        try:
            async with asyncio.timeout(DRAIN_S):
                while await response.content.readany():
                    pass
        except (TimeoutError, aiohttp.ClientError):
            await self._abort(response)

    async def _abort(self, response: aiohttp.ClientResponse) -> None:
        """Closes the socket at once. In older aiohttp of our range `close` alone would first say goodbye in TLS."""
        connection = response.connection
        if connection is not None and connection.transport is not None:
            connection.transport.abort()
        response.close()
        await self._runtime.scheduler.sleep(0)  # the loop closes the socket in its next turn


class _PinnedResolver:
    """Gives a pinned host its address, and asks the system for others."""

    def __init__(self, pins: Mapping[str, str]) -> None:
        self._pins = pins
        self._system: AbstractResolver | None = None

    async def resolve(self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET) -> list[ResolveResult]:
        import aiohttp  # lazy, as above

        pin = self._pins.get(host)
        if pin is None:
            if self._system is None:
                self._system = aiohttp.ThreadedResolver()
            return await self._system.resolve(host, port, family)
        kind = socket.AF_INET6 if ":" in pin else socket.AF_INET
        return [{"hostname": host, "host": pin, "port": port, "family": kind, "proto": 0, "flags": socket.AI_NUMERICHOST}]

    async def close(self) -> None:
        if self._system is not None:
            await self._system.close()


def _before_head(request: HttpRequest, error: Exception) -> AntiphonError:
    import aiohttp  # lazy, as above

    name = request.address.name
    if isinstance(error, aiohttp.SocketTimeoutError):
        return _silence(request)
    if isinstance(error, TimeoutError):
        return ModelUnavailable(f"The model server at {name} did not accept a connection within {request.connect_timeout_s:g} s.")
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        return ModelUnavailable(
            f"No secure connection to the model server at {name}: its certificate was not accepted. It is expired, for another "
            "name, or signed by nobody this machine trusts."
        )
    if isinstance(error, aiohttp.ClientConnectorSSLError | aiohttp.ClientSSLError):
        return ModelUnavailable(
            f"No secure connection to the model server at {name}: it does not speak TLS as expected. "
            "If it is a plain server, write http:// instead of https://."
        )
    if isinstance(error, aiohttp.ClientConnectorError):
        return connect_failure(request.address, error.os_error)
    if isinstance(error, aiohttp.ClientResponseError):
        return ModelError(
            f"The model server at {name}, or the proxy before it, sent something that is not HTTP: {error.message}."
        )
    return ModelUnavailable(f"The model server at {name} closed the connection without an answer.")


def _within_answer(request: HttpRequest, error: Exception) -> AntiphonError:
    if isinstance(error, TimeoutError):
        return _silence(request)
    return ModelError(f"The connection to the model server at {request.address.name} broke off within the answer.")


def _silence(request: HttpRequest) -> Timeout:
    return Timeout(
        f"The model server at {request.address.name} was silent for {request.idle_timeout_s:g} s. "
        "Try again, or raise ANTIPHON_CHAT_IDLE_TIMEOUT_S."
    )
