"""Which addresses a crawl takes: of the origin of its start, below the folder of its start, and such that may be a document.

Pure. Tests: tests/unit/library/test_crawl_rules.py.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import PurePosixPath
from typing import Final

from antiphon.core.errors import BadRequest
from antiphon.ingest.document import WebLinks
from antiphon.library.web.places import kept_url
from antiphon.outgoing.url import WebUrl, resolve_reference

_NO_DOCUMENTS: Final = frozenset({
    ".css", ".js", ".mjs", ".map", ".png", ".jpg", ".jpeg", ".gif", ".webp", ".svg", ".ico", ".bmp", ".tif", ".tiff", ".avif", ".woff",
    ".woff2", ".ttf", ".otf", ".eot", ".mp3", ".mp4", ".m4a", ".m4v", ".ogg", ".ogv", ".wav", ".webm", ".avi", ".mov", ".mkv", ".flac",
    ".zip", ".gz", ".tgz", ".bz2", ".xz", ".7z", ".rar", ".tar", ".exe", ".msi", ".dmg", ".deb", ".rpm", ".apk", ".iso", ".jar", ".whl",
    ".bin", ".img", ".torrent", ".sig", ".asc", ".sha256",
})  # fmt: skip
"""Links to these are not followed; given as the start they are fetched all the same."""


class CrawlRules:
    """`start`: after its redirects."""

    def __init__(self, start: WebUrl) -> None:
        self._origin = start.origin
        self._folder = start.path[: start.path.rfind("/") + 1]

    def takes(self, url: WebUrl) -> bool:
        suffix = PurePosixPath(url.path).suffix.lower()
        return url.origin == self._origin and url.path.startswith(self._folder) and suffix not in _NO_DOCUMENTS

    def taken(self, links: Iterable[str], base: WebUrl, known: set[str], most: int) -> tuple[list[str], bool]:
        """Of the links those that are taken and new, `most` at most, and whether there were more. `known` gains them."""
        found: list[str] = []
        for url in _addresses(links, base):
            text = str(url)
            if text in known or not self.takes(url):
                continue
            if len(found) >= most:
                return found, True
            known.add(text)
            found.append(text)
        return found, False


def base_of(page: WebUrl, links: WebLinks) -> WebUrl:
    """What the links of a page are relative to."""
    try:
        return resolve_reference(links.base, page) if links.base else page
    except BadRequest:
        return page


def own_address(page: WebUrl, links: WebLinks) -> WebUrl:
    """What a page calls itself, where that only takes away from its query; else where it was found. (A site whose every page
    names its front page would otherwise be one document.)"""
    try:
        named = kept_url(resolve_reference(links.canonical, page)) if links.canonical else page
    except BadRequest:
        return page
    return named if page.query is not None and named.origin == page.origin and named.path == page.path else page


def _addresses(links: Iterable[str], base: WebUrl) -> Iterator[WebUrl]:
    for link in links:
        try:
            yield kept_url(resolve_reference(link, base))
        except BadRequest:
            continue
