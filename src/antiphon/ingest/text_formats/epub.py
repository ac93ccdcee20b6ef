"""EPUB: the chapters in the order of the spine, their headings as outline. Runs in worker processes.

A chapter without a heading gets its title from the table of contents. Books under DRM are told. zip_guard has looked at the
container before anything is opened. Tests: tests/unit/ingest/text_formats/test_epub.py.
"""

from __future__ import annotations

import posixpath
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Final
from urllib.parse import unquote

from antiphon.core.errors import BadRequest, Unsupported
from antiphon.ingest.composition import Composition
from antiphon.ingest.decoding import decode
from antiphon.ingest.document import MOST_CHARACTERS
from antiphon.ingest.office.markup import Element, attribute, local, parse_markup
from antiphon.ingest.office.zip_guard import inspect
from antiphon.ingest.plain_text import TextDocument
from antiphon.ingest.text_formats.html import add_html, declared_charset
from antiphon.ingest.text_formats.mending import one_line

_FONT_OBFUSCATION: Final = ("http://www.idpf.org/2008/embedding", "http://ns.adobe.com/pdf/enc#RC")
_PAGES: Final = frozenset({"application/xhtml+xml", "text/html", "application/x-dtbook+xml", "text/x-oeb1-document"})
_READ_ERRORS: Final = (KeyError, zipfile.BadZipFile, EOFError, OSError, NotImplementedError, RuntimeError, zlib.error)
_LONGEST_TITLE: Final = 200


def open_epub(path: Path, _password: str | None) -> TextDocument:
    try:
        inspect(path)
        archive = zipfile.ZipFile(path)
    except _READ_ERRORS as error:
        raise BadRequest("The book is damaged: its directory can't be read.", data={"reason": "unreadable"}) from error
    with archive:
        return _Book(archive).read()


class _Book:
    def __init__(self, archive: zipfile.ZipFile) -> None:
        self._archive = archive
        self._names = {name.lower(): name for name in archive.namelist()}

    def read(self) -> TextDocument:
        self._refuse_protected()
        package_name = self._package_name()
        content = self._bytes(package_name)
        if content is None:
            raise BadRequest("The book is damaged: its list of chapters is missing.", data={"reason": "unreadable"})
        package = parse_markup(content)
        folder = posixpath.dirname(package_name)
        items = {
            attribute(item, "id") or "": (
                _resolved(folder, attribute(item, "href") or ""),
                attribute(item, "media-type") or "",
                item,
            )
            for item in _named(package, "item")
        }
        titles = self._contents(package, items)
        composition = Composition()
        seen: set[str] = set()
        for reference in _named(package, "itemref"):
            name, media_type, _ = items.get(attribute(reference, "idref") or "", ("", "", None))
            if name and name not in seen and (media_type in _PAGES or name.lower().endswith((".xhtml", ".html", ".htm"))):
                seen.add(name)
                self._add_chapter(composition, name, titles.get(name, ""))
        title = next((one_line("".join(found.text or "")) for found in _named(package, "title") if found.text), "")
        if not composition.length and not seen:
            raise BadRequest("The book is damaged: it lists no chapters.", data={"reason": "unreadable"})
        return composition.document(title[:_LONGEST_TITLE], heading_anchors=True)

    def _refuse_protected(self) -> None:
        """Files under META-INF say which parts are encrypted; obfuscated fonts are no protection."""
        content = self._bytes("META-INF/encryption.xml")
        if self._names.get("meta-inf/rights.xml") is None and content is None:
            return
        protected = self._names.get("meta-inf/rights.xml") is not None and content is None
        if content is not None:
            methods = [attribute(found, "Algorithm") or "" for found in _named(parse_markup(content), "EncryptionMethod")]
            protected = any(method not in _FONT_OBFUSCATION for method in methods)
        if protected:
            raise Unsupported(
                "The book is protected by DRM and can't be read here; ask the seller for an edition without it.",
                data={"reason": "protected"},
            )

    def _package_name(self) -> str:
        content = self._bytes("META-INF/container.xml")
        if content is not None:
            for found in _named(parse_markup(content), "rootfile"):
                name = _resolved("", attribute(found, "full-path") or "")
                if name:
                    return name
        return next((name for name in self._archive.namelist() if name.lower().endswith(".opf")), "")

    def _contents(self, package: Element, items: dict[str, tuple[str, str, Element]]) -> dict[str, str]:
        """File -> title of its first entry in the table of contents (EPUB 3: nav, EPUB 2: ncx)."""
        titles: dict[str, str] = {}
        toc_id = next((attribute(spine, "toc") for spine in _named(package, "spine")), None)
        for key, (name, media_type, item) in items.items():
            is_nav = "nav" in (attribute(item, "properties") or "").split()
            if not is_nav and key != toc_id and media_type != "application/x-dtbncx+xml":
                continue
            content = self._bytes(name)
            if content is None:
                continue
            folder = posixpath.dirname(name)
            for href, title in _entries(parse_markup(content), is_nav=is_nav):
                titles.setdefault(_resolved(folder, href), title[:_LONGEST_TITLE])
        return titles

    def _add_chapter(self, composition: Composition, name: str, title: str) -> None:
        content = self._bytes(name)
        if content is None:
            return
        part = Composition()
        add_html(part, decode(content, declared_charset(content)))
        if not part.length:
            return
        if not part.outline and title:
            composition.heading(title, 1)
        composition.extend(part)

    def _bytes(self, name: str) -> bytes | None:
        """None for a missing part. Raises BadRequest for one that can't be unpacked."""
        stored = self._names.get(name.lower())
        if stored is None:
            return None
        try:
            with self._archive.open(stored) as file:
                content = file.read(4 * MOST_CHARACTERS + 1)
        except _READ_ERRORS as error:
            raise BadRequest("The book is damaged: a part of it can't be unpacked.", data={"reason": "unreadable"}) from error
        if len(content) > 4 * MOST_CHARACTERS:
            raise BadRequest("A chapter of the book is longer than can be kept: split it.", data={"reason": "too_large"})
        return content


def _entries(root: Element, *, is_nav: bool) -> Iterator[tuple[str, str]]:
    if is_nav:
        for link in _named(root, "a"):
            href = attribute(link, "href")
            if href:
                yield href, one_line("".join(_strings(link)))
        return
    for point in _named(root, "navPoint"):
        label = source = ""
        for below in point:
            if local(below) == "navLabel":
                label = one_line("".join(_strings(below)))
            elif local(below) == "content":
                source = attribute(below, "src") or ""
        if label and source:
            yield source, label


def _strings(element: Element) -> Iterator[str]:
    for found in element.iter():
        yield found.text or ""
        if found is not element:
            yield found.tail or ""


def _named(root: Element, name: str) -> Iterator[Element]:
    return root.iter(f"{{*}}{name}")


def _resolved(folder: str, href: str) -> str:
    """A member's name; empty for a link that leads out of the book."""
    target = unquote(href.partition("#")[0])
    if not target or "://" in target:
        return ""
    name = posixpath.normpath(posixpath.join(folder, target)).lstrip("/")
    return "" if name.startswith("..") else name
