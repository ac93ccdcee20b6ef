"""The links of an HTML page, and the addresses of a sitemap (XML, index, text; packed or not). Runs in worker processes.

Links are given as they are written; what they mean, and whether they may be followed, the crawl decides. Nothing is fetched,
entities stay what they are, and what is unpacked is bounded. Tests: tests/unit/ingest/test_web_links.py.
"""

from __future__ import annotations

import io
import zlib
from pathlib import Path
from typing import Final

from selectolax.lexbor import LexborHTMLParser

from antiphon.core.errors import BadRequest, TooLarge
from antiphon.ingest.decoding import decode
from antiphon.ingest.document import WebLinks
from antiphon.ingest.media_names import HTML
from antiphon.ingest.media_type import media_type_of_file
from antiphon.ingest.office.markup import local, stream_elements
from antiphon.ingest.plain_text import demand_size
from antiphon.ingest.text_formats.html import declared_charset, nests_too_deeply

MOST_LINKS: Final = 10_000
MOST_ADDRESSES: Final = 50_000
"""As the protocol of sitemaps has it."""
LARGEST_SITEMAP_BYTES: Final = 50 * 2**20
_LONGEST: Final = 4000
_GZIP_MARK: Final = b"\x1f\x8b"


def links_of(path: Path, name: str, *, sitemap: bool = False) -> WebLinks:
    """Raises TooLarge, BadRequest (a sitemap that is none)."""
    if sitemap:
        return sitemap_links(path.read_bytes() if path.stat().st_size <= LARGEST_SITEMAP_BYTES else _too_large())
    if media_type_of_file(path, name) != HTML:
        return WebLinks(follow=False)
    demand_size(path)
    content = path.read_bytes()
    return page_links(decode(content, declared_charset(content)))


def page_links(html: str) -> WebLinks:
    html = html.replace("\x00", "")
    if nests_too_deeply(html):
        return WebLinks(follow=False)
    tree = LexborHTMLParser(html)
    found: dict[str, None] = {}
    cut = False
    for node in tree.css("a[href], area[href]"):
        href = node.attributes.get("href") or ""
        relations = (node.attributes.get("rel") or "").lower().split()
        if not href or len(href) > _LONGEST or "nofollow" in relations:
            continue
        if len(found) >= MOST_LINKS:
            cut = True
            break
        found[href] = None
    return WebLinks(
        links=list(found),
        base=_attribute(tree, "base[href]", "href"),
        canonical=_canonical(tree),
        follow=_may_follow(tree),
        cut=cut,
    )


def sitemap_links(content: bytes) -> WebLinks:
    """Of the bytes of a sitemap, packed or not."""
    if content.startswith(_GZIP_MARK):
        content = _unpacked(content)
    text = content.lstrip(b"\xef\xbb\xbf \t\r\n")
    if not text.startswith(b"<"):
        return _listed(decode(content).split("\n"))
    links: dict[str, None] = {}
    sitemaps: dict[str, None] = {}
    entries = 0
    for element in stream_elements(io.BytesIO(text), "loc"):
        parent = element.getparent()
        kind = "" if parent is None else local(parent)
        address = (element.text or "").strip()
        if kind not in {"url", "sitemap"} or not address or len(address) > _LONGEST:
            continue
        entries += 1
        if entries > MOST_ADDRESSES:
            return WebLinks(links=list(links), sitemaps=list(sitemaps), cut=True)
        (links if kind == "url" else sitemaps)[address] = None
    if not entries:
        raise BadRequest("This is no sitemap: it lists no address.", data={"reason": "unreadable"})
    return WebLinks(links=list(links), sitemaps=list(sitemaps))


def _listed(lines: list[str]) -> WebLinks:
    found = list(dict.fromkeys(line.strip() for line in lines if line.strip().startswith(("http://", "https://"))))
    if not found:
        raise BadRequest("This is no sitemap: it lists no address.", data={"reason": "unreadable"})
    return WebLinks(links=found[:MOST_ADDRESSES], cut=len(found) > MOST_ADDRESSES)


def _unpacked(content: bytes) -> bytes:
    inflater = zlib.decompressobj(16 + zlib.MAX_WBITS)
    try:
        unpacked = inflater.decompress(content, LARGEST_SITEMAP_BYTES + 1)
    except zlib.error:
        raise BadRequest("The sitemap is packed, and broken.", data={"reason": "unreadable"}) from None
    return unpacked if len(unpacked) <= LARGEST_SITEMAP_BYTES else _too_large()


def _too_large() -> bytes:
    raise TooLarge(f"The sitemap is larger than {LARGEST_SITEMAP_BYTES // 2**20} MiB.")


def _attribute(tree: LexborHTMLParser, selector: str, name: str) -> str:
    node = tree.css_first(selector)
    value = "" if node is None else (node.attributes.get(name) or "").strip()
    return value if len(value) <= _LONGEST else ""


def _canonical(tree: LexborHTMLParser) -> str:
    for node in tree.css("link[rel][href]"):
        if (node.attributes.get("rel") or "").lower().strip() == "canonical":
            href = (node.attributes.get("href") or "").strip()
            return href if len(href) <= _LONGEST else ""
    return ""


def _may_follow(tree: LexborHTMLParser) -> bool:
    for node in tree.css("meta[name][content]"):
        if (node.attributes.get("name") or "").lower() == "robots":
            words = (node.attributes.get("content") or "").lower().replace(",", " ").split()
            if "nofollow" in words or "none" in words:
                return False
    return True
