"""`GuardedClient`: the one client for addresses that users name: documents, model servers, webhooks, MCP servers, OIDC.

Each hop of a redirect is admitted by the guard anew (D1 - D3, D6), credentials stay with the origin they were meant for, and
time, rate, size and inflation have caps (D5). Nothing is taken from the environment: no proxy, no netrc, no cookies kept.
Subsystem: docs/subsystems/outgoing.md.
Tests: tests/integration/test_outgoing_attacks.py (named after the rows of security.md), tests/integration/test_outgoing_client.py.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Final

import aiohttp

from antiphon.core.errors import AntiphonError, BadRequest, UrlRefused, UrlTooLarge, UrlUnreachable
from antiphon.core.runtime import Clock, Runtime
from antiphon.outgoing.allowance import Purpose
from antiphon.outgoing.connection import Connection, unreachable
from antiphon.outgoing.guard import Admitted, Guard
from antiphon.outgoing.inflate import ACCEPTED, Inflation
from antiphon.outgoing.url import WebUrl, parse_url, resolve_reference

MOST_REDIRECTS: Final = 5
_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
_PERMANENT: Final = frozenset({301, 308})
_CREDENTIALS: Final = frozenset({
    "authorization", "proxy-authorization", "cookie", "x-api-key", "api-key", "x-auth-token", "x-csrf-token",
})  # fmt: skip
_OURS: Final = frozenset({"host", "content-length", "transfer-encoding", "connection", "accept-encoding"})
_READ_BYTES: Final = 16 * 1024


@dataclass(frozen=True, kw_only=True, slots=True)
class Caps:
    """`total_s`: of the whole exchange, redirects included (None: a stream without end). `idle_s`: the longest silence.
    `max_bytes`: of the content, unpacked. `least_bytes_s`: a body that is slower than this after `grace_s` is given up."""

    total_s: float | None = 60.0
    connect_s: float = 10.0
    head_s: float = 20.0
    idle_s: float = 15.0
    max_bytes: int = 50 * 2**20
    least_bytes_s: float = 256.0
    grace_s: float = 10.0
    redirects: int = MOST_REDIRECTS


@dataclass(frozen=True, kw_only=True, slots=True)
class Request:
    """`credentials`: headers that only the origin of `url` may see. `headers` that are known to hold some are treated alike."""

    url: WebUrl | str
    purpose: Purpose
    method: str = "GET"
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    credentials: Mapping[str, str] = field(default_factory=dict[str, str])
    body: bytes | None = None


class Answer:
    """The answer of the last hop. `url`: where it came from; `moved`: whether all redirects on the way are for good."""

    def __init__(self, response: aiohttp.ClientResponse, admitted: Admitted, caps: Caps, clock: Clock, *, moved: bool) -> None:
        self.status = response.status
        self.headers: Mapping[str, str] = response.headers
        self.url = admitted.url
        self.moved = moved
        self._response = response
        self._admitted = admitted
        self._caps = caps
        self._clock = clock

    @property
    def declared_bytes(self) -> int | None:
        """What the site says that it sends; None when it does not, or packs it."""
        length = self.headers.get("Content-Length", "")
        return int(length) if length.isdecimal() and len(length) < 16 and not self.headers.get("Content-Encoding") else None

    async def chunks(self) -> AsyncIterator[bytes]:
        """The content, unpacked. Raises UrlTooLarge, UrlUnreachable (broken, slow)."""
        declared = self.declared_bytes
        if declared is not None and declared > self._caps.max_bytes:
            raise too_large(self._caps.max_bytes)
        inflation = Inflation(self.headers.get("Content-Encoding", ""))
        began_s, raw, total = self._clock.monotonic(), 0, 0
        try:
            async for data in self._response.content.iter_chunked(_READ_BYTES):
                raw += len(data)
                self._demand_pace(raw, self._clock.monotonic() - began_s)
                for piece in inflation.pieces(data):
                    total += len(piece)
                    if total > self._caps.max_bytes:
                        raise too_large(self._caps.max_bytes)
                    yield piece
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise unreachable(self._admitted, error) from error
        inflation.finish()

    async def content(self) -> bytes:
        """All of it, in memory: for small things."""
        return b"".join([piece async for piece in self.chunks()])

    def _demand_pace(self, raw_bytes: int, elapsed_s: float) -> None:
        if elapsed_s > self._caps.grace_s and raw_bytes < self._caps.least_bytes_s * elapsed_s:
            raise UrlUnreachable(f"{self.url.origin} sends its answer too slowly.", data={"reason": "slow"})


class GuardedClient:
    """`tls` None: the system's certificates. One per process; holds nothing open between requests."""

    def __init__(self, guard: Guard, runtime: Runtime, *, user_agent: str, tls: ssl.SSLContext | None = None) -> None:
        self._guard = guard
        self._clock = runtime.clock
        self._user_agent = user_agent
        self._tls = tls

    @asynccontextmanager
    async def open(self, request: Request, caps: Caps | None = None) -> AsyncGenerator[Answer]:
        """The answer to a request, whatever its status; its body is read inside the block. Raises BadRequest (no address of
        the web), UrlRefused, UrlUnreachable, UrlTooLarge."""
        caps = caps or Caps()
        url = parse_url(request.url) if isinstance(request.url, str) else request.url
        limit = asyncio.timeout(caps.total_s)
        try:
            async with limit, self._answered(replace(request, url=url), url, caps) as answer:
                yield answer
        except TimeoutError:
            if not limit.expired():  # the caller's own
                raise
            raise UrlUnreachable(
                f"{url.origin} took longer than {caps.total_s:g} s and was given up.", data={"reason": "slow"}
            ) from None

    @asynccontextmanager
    async def _answered(self, request: Request, url: WebUrl, caps: Caps) -> AsyncGenerator[Answer]:
        moved, hops = True, 0
        while True:
            admitted = await self._guard.admit(url, request.purpose)
            connection = Connection(admitted, connect_s=caps.connect_s, idle_s=caps.idle_s, tls=self._tls)
            try:
                response = await self._head(connection, admitted, request, caps)
                target = response.headers.get("Location")
                if response.status not in _REDIRECTS or target is None or not caps.redirects:
                    yield Answer(response, admitted, caps, self._clock, moved=moved and hops > 0)
                    return
            finally:
                await connection.close()
            hops += 1
            moved = moved and response.status in _PERMANENT
            if hops > caps.redirects:
                raise UrlRefused(
                    f"{admitted.url.origin} redirects more than {caps.redirects} times.", data={"reason": "redirects"}
                )
            following = redirected(target, url)
            request = next_request(request, url, following, response.status)
            url = following

    async def _head(
        self, connection: Connection, admitted: Admitted, request: Request, caps: Caps
    ) -> aiohttp.ClientResponse:  # fmt: skip
        try:
            async with asyncio.timeout(caps.head_s):
                return await connection.ask(request.method, self._headers(request), request.body)
        except TimeoutError as error:
            raise unreachable(admitted, error) from error

    def _headers(self, request: Request) -> dict[str, str]:
        given = {**request.headers, **request.credentials}
        sent = {name: value for name, value in given.items() if name.lower() not in _OURS}
        if any("\r" in text or "\n" in text or "\x00" in text for pair in sent.items() for text in pair):
            raise BadRequest("A header of the request holds a line break.")
        names = {name.lower() for name in sent}
        if "user-agent" not in names:
            sent["User-Agent"] = self._user_agent
        return (
            {"Accept": "*/*", **sent, "Accept-Encoding": ACCEPTED}
            if "accept" not in names
            else {**sent, "Accept-Encoding": ACCEPTED}
        )


def redirected(target: str, url: WebUrl) -> WebUrl:
    """Where a redirect leads. Raises UrlRefused for what is no address of the web, and for a way back from https to http."""
    try:
        following = resolve_reference(target, url)
    except BadRequest as error:
        raise UrlRefused(
            f"{url.origin} redirects to something that is not asked: {error.message}", data={"reason": "redirect"}
        ) from None
    if url.scheme == "https" and following.scheme == "http":
        raise UrlRefused(f"{url.origin} redirects from https to http, which is not followed.", data={"reason": "downgrade"})
    return following


def next_request(request: Request, old: WebUrl, new: WebUrl, status: int) -> Request:
    """The request of the next hop: without credentials when the origin changes, and without a body where the method becomes GET.
    Raises UrlRefused rather than send a body to another origin."""
    method, body = request.method, request.body
    if status == 303 or (status in {301, 302} and method == "POST"):
        method, body = ("HEAD" if method == "HEAD" else "GET"), None
    headers, credentials = dict(request.headers), request.credentials
    if body is None:
        headers = {name: value for name, value in headers.items() if name.lower() != "content-type"}
    if new.origin != old.origin:
        if body is not None:
            raise UrlRefused(
                f"{old.origin} redirects to another site, which is not sent the content.", data={"reason": "redirect"}
            )
        headers = {name: value for name, value in headers.items() if name.lower() not in _CREDENTIALS}
        credentials = {}
    return replace(request, url=new, method=method, body=body, headers=headers, credentials=credentials)


def too_large(max_bytes: int) -> AntiphonError:
    return UrlTooLarge(f"What is at this address is larger than {max_bytes / 2**20:.1f} MiB.", data={"max_bytes": max_bytes})
