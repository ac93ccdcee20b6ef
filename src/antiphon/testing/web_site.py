"""`WebSite`: a site on a loopback port whose pages a test writes, and `Trap`: a port that no packet may reach. For tests of the
guarded client, of crawls and of watches.

Plain HTTP/1.1, one request a connection; every request is kept in `seen`. A page may be a function that gets the raw streams, for
answers that no honest server gives. Tests: tests/integration/test_outgoing_attacks.py and those of crawls.
"""

from __future__ import annotations

import asyncio
import ipaddress
import ssl
import threading
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Final

from antiphon.core.errors import UrlUnreachable
from antiphon.outgoing.addresses import Address

_REASONS: Final = {200: "OK", 206: "Partial Content", 304: "Not Modified", 404: "Not Found"}
_HEAD_BYTES: Final = 64 * 1024


@dataclass(frozen=True, kw_only=True, slots=True)
class Seen:
    method: str
    target: str
    headers: Mapping[str, str]
    """Names in lower case."""
    body: bytes = b""


@dataclass(frozen=True, kw_only=True, slots=True)
class Page:
    """`etag` True: one is made of the body, and a request that knows it is answered 304."""

    body: bytes = b""
    media_type: str = "text/html; charset=utf-8"
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    etag: bool = False


Raw = Callable[[asyncio.StreamReader, asyncio.StreamWriter, Seen], Awaitable[None]]


class WebSite:
    """`pages`: path (with its query) -> page, changeable while it serves; what is not in it is answered 404."""

    def __init__(self, pages: Mapping[str, Page | Raw] | None = None) -> None:
        self.pages: dict[str, Page | Raw] = dict(pages or {})
        self.seen: list[Seen] = []
        self.port = 0
        self.scheme = "http"
        self.host = "127.0.0.1"

    @property
    def url(self) -> str:
        return f"{self.scheme}://{self.host}:{self.port}"

    @property
    def targets(self) -> list[str]:
        return [seen.target for seen in self.seen]

    def allowed(self, purpose: str = "url") -> str:
        """The entry of ANTIPHON_OUTGOING_ALLOW that lets a server come here."""
        return f"{purpose}:{self.host}:{self.port}"

    @asynccontextmanager
    async def serving(self, *, tls: ssl.SSLContext | None = None, port: int = 0) -> AsyncGenerator[WebSite]:
        server = await asyncio.start_server(self._serve, "127.0.0.1", port, ssl=tls)
        self.port = server.sockets[0].getsockname()[1]
        self.scheme = "http" if tls is None else "https"
        try:
            yield self
        finally:
            server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            seen = await _request(reader)
            self.seen.append(seen)
            page = self.pages.get(seen.target, Page(status=404, body=b"Nothing here."))
            if isinstance(page, Page):
                writer.write(_answer(page, seen))
                await writer.drain()
            else:
                await page(reader, writer, seen)
        except (ConnectionError, asyncio.IncompleteReadError):
            return  # the client went away, which is its right
        finally:
            writer.close()


def html(title: str, *links: str, text: str = "") -> Page:
    """A page with a heading, a paragraph and links."""
    anchors = "".join(f'<p><a href="{link}">to {link}</a></p>' for link in links)
    words = text or f"The page called {title} speaks of {title} and of nothing else."
    body = f"<!doctype html><html><head><title>{title}</title></head><body><h1>{title}</h1><p>{words}</p>{anchors}</body></html>"
    return Page(body=body.encode())


async def _request(reader: asyncio.StreamReader) -> Seen:
    head = (await reader.readuntil(b"\r\n\r\n"))[:_HEAD_BYTES].decode("latin-1")
    first, *lines = head.split("\r\n")
    method, target, _ = first.split(" ", 2)
    headers = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines if line)}
    body = await reader.readexactly(int(headers.get("content-length", "0")))
    return Seen(method=method, target=target, headers=headers, body=body)


def _answer(page: Page, seen: Seen) -> bytes:
    headers = {"Content-Type": page.media_type, **page.headers}
    status, body = page.status, page.body
    if page.etag:
        headers["ETag"] = f'"{sha256(body).hexdigest()[:16]}"'
        if seen.headers.get("if-none-match") == headers["ETag"]:
            status, body = 304, b""
    if status != 304 and not {"content-length", "transfer-encoding"} & {name.lower() for name in headers}:
        headers["Content-Length"] = str(len(body))
    head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    return f"HTTP/1.1 {status} {_REASONS.get(status, 'Answer')}\r\n{head}Connection: close\r\n\r\n".encode() + body


class Trap:
    """Listens on all loopback addresses of one port; `packets` counts what came."""

    def __init__(self) -> None:
        self.packets = 0
        self.port = 0

    @asynccontextmanager
    async def set(self) -> AsyncGenerator[Trap]:
        servers = [await asyncio.start_server(self._caught, "127.0.0.1", 0)]
        self.port = servers[0].sockets[0].getsockname()[1]
        for host in ("127.0.0.2", "::1"):
            try:
                servers.append(await asyncio.start_server(self._caught, host, self.port))
            except OSError:  # not every machine has it
                continue
        try:
            yield self
        finally:
            for server in servers:
                server.close()

    async def _caught(self, _reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.packets += 1
        writer.close()


class FakeNames:
    """A `Resolver` from a table. A name with several answers gives the next one each time it is asked, the last one for ever."""

    def __init__(self, **answers: list[list[str]]) -> None:
        self.answers = {name.replace("_", "."): answer for name, answer in answers.items()}
        self.asked: list[str] = []

    async def resolve(self, host: str, _port: int, /) -> list[Address]:
        self.asked.append(host)
        answers = self.answers.get(host)
        if not answers:
            raise UrlUnreachable(f"There is no host {host!r}.", data={"reason": "dns"})
        answer = answers.pop(0) if len(answers) > 1 else answers[0]
        return [ipaddress.ip_address(text) for text in answer]


class SiteThread:
    """A `WebSite` on a loop and a thread of its own, for tests that wait for processes without a loop."""

    def __init__(self, pages: Mapping[str, Page | Raw]) -> None:
        self.site = WebSite(pages)
        self._ready = threading.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._over: asyncio.Event | None = None
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()), name="web-site", daemon=True)

    def __enter__(self) -> WebSite:
        self._thread.start()
        self._ready.wait(10)
        return self.site

    def __exit__(self, *_: object) -> None:
        if self._loop is not None and self._over is not None:
            self._loop.call_soon_threadsafe(self._over.set)
        self._thread.join(10)

    async def _serve(self) -> None:
        self._loop, self._over = asyncio.get_running_loop(), asyncio.Event()
        async with self.site.serving():
            self._ready.set()
            await self._over.wait()
