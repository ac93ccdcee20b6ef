"""`Sitemaps`: the addresses that a site's sitemaps list, as many as a crawl may take. Nested ones and packed ones are followed,
each read in a worker process; those of other origins are not.

Tests: tests/integration/test_crawl.py; the reading: tests/unit/ingest/test_web_links.py.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final, Protocol

from anyio import to_thread

from antiphon.core.errors import AntiphonError, BadRequest, UrlNotFound
from antiphon.ingest.document import WebLinks
from antiphon.ingest.web_links import LARGEST_SITEMAP_BYTES
from antiphon.library.web.beginning import SITES_OWN
from antiphon.library.web.fetching import Fetched, PageFetcher
from antiphon.library.web.rules import CrawlRules
from antiphon.outgoing.url import WebUrl, parse_url, resolve_reference

MOST_SITEMAPS: Final = 50


class LinkFinder(Protocol):
    """`ingest.worker.ParserPool`, as crawls see it."""

    async def links(self, path: Path, name: str, *, sitemap: bool = False) -> WebLinks: ...


class Sitemaps:
    def __init__(self, fetcher: PageFetcher, finder: LinkFinder) -> None:
        self._fetcher = fetcher
        self._finder = finder

    async def addresses(
        self, start: WebUrl, sitemap: str, *, start_is_sitemap: bool, rules: CrawlRules, known: set[str], most: int
    ) -> tuple[list[str], bool]:
        """Those that the crawl takes, `most` at most, and whether there were more. `known` gains them. Raises what the only
        sitemap, or the last one tried, raised, when none could be read."""
        waiting = [start] if start_is_sitemap else await self._named(start, sitemap)
        seen = {str(url) for url in waiting}
        found: list[str] = []
        failure: AntiphonError | None = None
        read = 0
        while waiting and read < MOST_SITEMAPS:
            url = waiting.pop(0)
            try:
                links = await self._read(url)
            except AntiphonError as error:
                failure = error
                continue
            read += 1
            taken, cut = await to_thread.run_sync(rules.taken, links.links, url, known, most - len(found))
            found += taken
            if cut:
                return found, True
            for text in links.sitemaps:
                nested = _same_origin(text, url)
                if nested is not None and str(nested) not in seen:
                    seen.add(str(nested))
                    waiting.append(nested)
        if not read and failure is not None:
            raise failure
        return found, bool(waiting)

    async def _named(self, start: WebUrl, sitemap: str) -> list[WebUrl]:
        """Those that robots.txt names, else the usual place."""
        if sitemap != SITES_OWN:
            return [parse_url(sitemap)]
        named = [_same_origin(text, start) for text in (await self._fetcher.robots(start)).sitemaps]
        return [url for url in named if url is not None] or [start.at("/sitemap.xml")]

    async def _read(self, url: WebUrl) -> WebLinks:
        fetched = await self._fetcher.fetch(url, max_bytes=LARGEST_SITEMAP_BYTES)
        try:
            if fetched.content is None:
                raise UrlNotFound(f"{url.origin} did not send its sitemap.")
            async with _as_file(fetched) as path:
                return await self._finder.links(path, "sitemap.xml", sitemap=True)
        finally:
            fetched.close()


@asynccontextmanager
async def _as_file(fetched: Fetched) -> AsyncGenerator[Path]:
    """With a name, for another process to open."""
    handle, name = await to_thread.run_sync(tempfile.mkstemp, ".sitemap", "antiphon-")
    path = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            async for piece in fetched.chunks():
                await to_thread.run_sync(file.write, piece)
        yield path
    finally:
        await to_thread.run_sync(path.unlink, True)


def _same_origin(text: str, base: WebUrl) -> WebUrl | None:
    try:
        url = resolve_reference(text, base)
    except BadRequest:
        return None
    return url if url.origin == base.origin else None
