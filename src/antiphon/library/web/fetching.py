"""`PageFetcher`: gets one address into a temporary file, politely: robots.txt, pace, further tries, and what it had before.

Everything goes through the guarded client, for the purpose `url`. What a site answers becomes one of the errors of docs/errors.md.
Tests: tests/integration/test_crawl.py.
"""

from __future__ import annotations

import tempfile
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, replace
from typing import IO, Final

from anyio import to_thread

from antiphon.config.settings import Settings
from antiphon.core.errors import AntiphonError, UrlDenied, UrlDisallowed, UrlNotFound, UrlUnreachable
from antiphon.core.runtime import Runtime
from antiphon.library.web.pace import Pace
from antiphon.library.web.robots import LARGEST_BYTES, Robots
from antiphon.outgoing.client import Answer, Caps, GuardedClient, Request
from antiphon.outgoing.url import WebUrl

OnBytes = Callable[[int, int | None], None]
"""(bytes so far, bytes in all when the site says so)"""
_IN_MEMORY_BYTES: Final = 2**20
_READ_BYTES: Final = 2**18
_FIRST_PAUSE_S: Final = 2.0
_LONGEST_PAUSE_S: Final = 60.0
_ROBOTS_CACHE: Final = 200
_ROBOTS_S: Final = 3600.0
_AGAIN: Final = frozenset({"slow", "broken", "busy", "connect"})


@dataclass(frozen=True, kw_only=True, slots=True)
class Validators:
    """What a site said of the content that is there."""

    etag: str = ""
    last_modified: str = ""

    def headers(self) -> dict[str, str]:
        named = {"If-None-Match": self.etag, "If-Modified-Since": self.last_modified}
        return {name: value for name, value in named.items() if value}


@dataclass(frozen=True, kw_only=True, slots=True)
class Fetched:
    """`content` None: it has not changed. `url`: where it came from, after redirects. To be closed."""

    url: WebUrl
    content: IO[bytes] | None
    media_type: str = ""
    disposition: str = ""
    validators: Validators = Validators()

    async def chunks(self) -> AsyncIterator[bytes]:
        if self.content is None:
            return
        self.content.seek(0)
        while piece := await to_thread.run_sync(self.content.read, _READ_BYTES):
            yield piece

    def close(self) -> None:
        if self.content is not None:
            self.content.close()


class PageFetcher:
    """One per process, so that all crawls keep one pace."""

    def __init__(self, client: GuardedClient, settings: Settings, runtime: Runtime) -> None:
        limits = [limit for limit in (settings.outgoing.max_bytes, settings.limits.upload_bytes) if limit]
        self._caps = Caps(total_s=settings.outgoing.timeout_s, idle_s=settings.outgoing.idle_s, max_bytes=min(limits))
        self._client = client
        self._crawl = settings.crawl
        self._runtime = runtime
        self._pace = Pace(runtime)
        self._robots: dict[str, tuple[float, Robots]] = {}

    async def robots(self, url: WebUrl) -> Robots:
        """The site's rules, kept for an hour. Raises UrlRefused, UrlUnreachable."""
        now_s = self._runtime.clock.monotonic()
        kept = self._robots.get(url.origin)
        if kept is not None and now_s - kept[0] < _ROBOTS_S:
            return kept[1]
        await self._pace.turn(url.origin, self._crawl.delay_s)
        found = await self._ask_robots(url)
        if len(self._robots) >= _ROBOTS_CACHE:
            self._robots.clear()
        self._robots[url.origin] = now_s, found
        return found

    async def fetch(
        self, url: WebUrl, validators: Validators | None = None, on_bytes: OnBytes | None = None, *, max_bytes: int | None = None
    ) -> Fetched:
        """Raises UrlDisallowed, UrlRefused, UrlUnreachable, UrlNotFound, UrlDenied, UrlTooLarge, BadRequest."""
        left = self._crawl.retries
        pause_s = _FIRST_PAUSE_S
        while True:
            try:
                robots = await self.robots(url)
                if not robots.allows(url):
                    raise UrlDisallowed(f"The robots.txt of {url.origin} asks programs not to fetch this address.")
                await self._pace.turn(url.origin, max(self._crawl.delay_s, robots.delay_s))
                return await self._fetch(url, validators or Validators(), on_bytes, max_bytes)
            except UrlUnreachable as error:
                if left <= 0 or error.data.get("reason") not in _AGAIN:
                    raise
                left -= 1
                asked_s = float(error.data.get("retry_after_s") or 0.0)
                await self._runtime.scheduler.sleep(min(max(pause_s, asked_s), _LONGEST_PAUSE_S))
                pause_s *= 4

    async def _fetch(self, url: WebUrl, validators: Validators, on_bytes: OnBytes | None, max_bytes: int | None) -> Fetched:
        request = Request(url=url, purpose="url", headers=validators.headers())
        caps = self._caps if max_bytes is None else replace(self._caps, max_bytes=min(max_bytes, self._caps.max_bytes))
        async with self._client.open(request, caps) as answer:
            said = Validators(etag=_header(answer, "ETag"), last_modified=_header(answer, "Last-Modified"))
            if answer.status == 304 and validators.headers():
                return Fetched(url=answer.url, content=None, validators=said if said.headers() else validators)
            demand_success(answer)
            content: IO[bytes] = tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY_BYTES)  # noqa: SIM115 - given on, and closed there
            try:
                received = 0
                async for piece in answer.chunks():
                    received += len(piece)
                    if received > _IN_MEMORY_BYTES:
                        await to_thread.run_sync(content.write, piece)
                    else:
                        content.write(piece)
                    if on_bytes is not None:
                        on_bytes(received, answer.declared_bytes)
            except BaseException:
                content.close()
                raise
        return Fetched(
            url=answer.url, content=content, media_type=_header(answer, "Content-Type"),
            disposition=_header(answer, "Content-Disposition"), validators=said,
        )  # fmt: skip

    async def _ask_robots(self, url: WebUrl) -> Robots:
        """A site without the file allows everything; one that can't say is not asked for more."""
        async with self._client.open(
            Request(url=url.at("/robots.txt"), purpose="url"), replace(self._caps, max_bytes=2**24)
        ) as answer:
            if answer.status >= 500 or answer.status == 429:
                demand_success(answer)
            if answer.status != 200:
                return Robots()
            content = bytearray()
            async for piece in answer.chunks():
                content += piece
                if len(content) > LARGEST_BYTES:
                    break
        return Robots.parse(bytes(content[:LARGEST_BYTES]).decode("utf-8", "replace"))


def demand_success(answer: Answer) -> None:
    """Raises what the status of the answer means."""
    status, where = answer.status, answer.url.origin
    if status in {200, 203}:
        return
    data = {"status": status}
    if status in {404, 410}:
        raise UrlNotFound(f"{where} has nothing at this address (it answers {status}).", data=data)
    if status == 429 or status >= 500:
        raise UrlUnreachable(
            f"{where} is busy or broken (it answers {status}); try again later.",
            data={**data, "reason": "busy", "retry_after_s": _retry_after_s(answer)},
        )
    error: type[AntiphonError] = UrlDenied if status in {401, 402, 403, 405, 406, 407, 451} else UrlUnreachable
    raise error(f"{where} does not give this address: it answers {status}.", data=data)


def _retry_after_s(answer: Answer) -> float:
    text = answer.headers.get("Retry-After", "")
    return float(text) if text.isdecimal() and len(text) < 6 else 0.0


def _header(answer: Answer, name: str) -> str:
    """Short and printable, or nothing: it is stored, and sent again."""
    value = answer.headers.get(name, "")
    return value if len(value) <= 500 and value.isprintable() else ""
