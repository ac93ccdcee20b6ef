"""`Pages`: the text, the anchors, the rectangles and the picture of a page, a document's outline, and where its original lies.

Places in PDFs and pictures come from a parser in a process of its own, given as `PageReader`; where recognised words stand is
stored. Tests: tests/unit/library/test_documents.py, test_pages.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from typing import Any, Final, Protocol

from antiphon.access.missing import missing
from antiphon.access.scope import Scope
from antiphon.core.errors import BadRequest, NotFound, Unsupported
from antiphon.ingest.document import PageRectangles
from antiphon.ingest.passwords import Passwords
from antiphon.ingest.rectangles import merge_boxes
from antiphon.library.removal import live_document
from antiphon.storage.blobs.contract import BlobStore
from antiphon.storage.records.contract import Store, Transaction
from antiphon.storage.records.rows import LAYOUTS, PAGES, DocumentRow, LayoutRow, PageRow

PDF: Final = "application/pdf"
IMAGES: Final = frozenset({"image/png", "image/jpeg", "image/tiff", "image/gif", "image/webp", "image/bmp"})
MAX_IMAGE_WIDTH_PX: Final = 2400
MIN_IMAGE_WIDTH_PX: Final = 64


class PageReader(Protocol):
    """ingest's parser pool, as far as pages need it."""

    async def rectangles(self, path: Path, page: int, start: int, end: int, *, password: str | None = None) -> PageRectangles: ...

    async def page_image(self, path: Path, page: int, width_px: int, *, password: str | None = None) -> bytes:
        """PNG."""
        ...


@dataclass(frozen=True, kw_only=True, slots=True)
class Original:
    """What the edge needs to send a file: the bytes are in the blob store under `sha256`."""

    name: str
    media_type: str
    sha256: str
    size_bytes: int


class Pages:
    """`passwords`: of encrypted documents that were opened since the start; without one they are asked for again."""

    def __init__(self, store: Store, blobs: BlobStore, reader: PageReader, passwords: Passwords | None = None) -> None:
        self._store = store
        self._blobs = blobs
        self._reader = reader
        self._passwords = passwords or Passwords()

    async def text(
        self, scope: Scope, document_id: str, number: int, *, version: int | None = None
    ) -> tuple[PageRow, LayoutRow | None]:
        """The page and what stands where on it. Raises NotFound (document, page, or a version that was replaced)."""

        def read(tx: Transaction) -> tuple[PageRow, LayoutRow | None]:
            _, page = _page(tx, scope, document_id, number, version)
            return page, tx.get(LAYOUTS, scope, page.id)

        return await self._store.read(read)

    async def outline(self, scope: Scope, document_id: str) -> dict[str, Any]:
        """Headings in reading order, each with where its section ends, and where every page begins in the whole text (code
        points, one between pages). Raises NotFound."""

        def read(tx: Transaction) -> tuple[DocumentRow, list[PageRow]]:
            document = live_document(tx, scope, document_id)
            where = {"document_id": document.id, "version": document.version}
            return document, tx.find(PAGES, scope, where, order="number")

        document, pages = await self._store.read(read)
        return {
            "document_id": document.id, "version": document.version, "title": document.title or document.name,
            "headings": sections_of(document.outline, pages), "pages": page_starts(pages),
        }  # fmt: skip

    async def rectangles(
        self, scope: Scope, document_id: str, number: int, start: int, end: int, *, version: int | None = None
    ) -> PageRectangles:
        """Of the code points [start, end) of the page's stored text. Raises NotFound, BadRequest (range), Unsupported."""

        def read(tx: Transaction) -> tuple[DocumentRow, PageRow, LayoutRow | None]:
            found = _page(tx, scope, document_id, number, version)
            return *found, tx.get(LAYOUTS, scope, found[1].id)

        document, page, layout = await self._store.read(read)
        if not 0 <= start < end <= len(page.text):
            raise BadRequest(f"The range [{start}, {end}) is not inside the {len(page.text)} characters of page {number}.")
        if layout is not None and layout.words:
            return _of_words(page, layout, start, end)
        if document.media_type != PDF:
            raise Unsupported(f"Only pages of PDFs and of scans have places; this document is {document.media_type!r}.")
        path, password = self._blobs.local_path(document.sha256), self._passwords.of(document.id)
        try:
            return await self._reader.rectangles(path, number, start, end, password=password)
        except Unsupported as error:
            raise self._locked(document, error) from error

    async def image(self, scope: Scope, document_id: str, number: int, width_px: int, *, version: int | None = None) -> bytes:
        """PNG. Raises NotFound, Unsupported for documents without pages to show."""
        document, _ = await self._store.read(lambda tx: _page(tx, scope, document_id, number, version))
        if document.media_type != PDF and document.media_type not in IMAGES:
            raise Unsupported(f"Only PDFs and images have pages to show; this document is {document.media_type!r}.")
        width_px = min(max(width_px, MIN_IMAGE_WIDTH_PX), MAX_IMAGE_WIDTH_PX)
        path, password = self._blobs.local_path(document.sha256), self._passwords.of(document.id)
        try:
            return await self._reader.page_image(path, number, width_px, password=password)
        except Unsupported as error:
            raise self._locked(document, error) from error

    async def original(self, scope: Scope, document_id: str) -> Original:
        """Raises NotFound."""
        row = await self._store.read(lambda tx: live_document(tx, scope, document_id))
        return Original(name=row.name, media_type=row.media_type, sha256=row.sha256, size_bytes=row.bytes)

    def _locked(self, document: DocumentRow, error: Unsupported) -> Unsupported:
        if error.data.get("reason") != "password_required":
            return error
        self._passwords.forget(document.id)
        return Unsupported(
            "This document is encrypted, and its password is kept in memory only, until the server stops. Give it again (retry with "
            "the password) to see its pages.",
            data=error.data,
        )


def page_json(page: PageRow, layout: LayoutRow | None = None) -> dict[str, Any]:
    """`anchors`: [{anchor, start}], each holding up to the next; `headings`: [{title, level, start}]."""
    anchors = [] if layout is None else layout.anchors
    return {
        "document_id": page.document_id, "version": page.version, "page": page.number, "text": page.text,
        "width": page.width_pt, "height": page.height_pt,
        "anchors": [{"anchor": anchor, "start": start} for start, anchor, _ in anchors],
        "headings": [] if layout is None else layout.headings,
    }  # fmt: skip


def sections_of(outline: Sequence[dict[str, Any]], pages: Sequence[PageRow]) -> list[dict[str, Any]]:
    """The headings with `end_page` and `end`: where the next one of the same or a higher level begins, or the text ends."""
    last = {"page": pages[-1].number, "start": len(pages[-1].text)} if pages else {"page": 1, "start": 0}
    found: list[dict[str, Any]] = []
    open_above: list[dict[str, Any]] = []
    for heading in outline:
        while open_above and open_above[-1]["level"] >= heading.get("level", 1):
            open_above.pop().update(end_page=heading.get("page", 1), end=heading["start"])
        section = {"level": 1, "page": 1, **heading, "end_page": last["page"], "end": last["start"]}
        open_above.append(section)
        found.append(section)
    return found


def page_starts(pages: Sequence[PageRow]) -> list[dict[str, int]]:
    starts = accumulate((len(page.text) + 1 for page in pages), initial=0)
    return [
        {"page": page.number, "start": start, "characters": len(page.text)} for page, start in zip(pages, starts, strict=False)
    ]  # fmt: skip


def _of_words(page: PageRow, layout: LayoutRow, start: int, end: int) -> PageRectangles:
    """Of recognised text: whole words, one rectangle a line."""
    boxes = [(x0, y0, x1, y1) for first, last, x0, y0, x1, y1 in layout.words if first < end and last > start]
    width, height = page.width_pt or 0.0, page.height_pt or 0.0
    rects = merge_boxes([(box, box) for box in boxes], width, height)
    return PageRectangles(page=page.number, width=width, height=height, rects=rects)


def _page(
    tx: Transaction, scope: Scope, document_id: str, number: int, version: int | None
) -> tuple[DocumentRow, PageRow]:  # fmt: skip
    document = live_document(tx, scope, document_id)
    if version is not None and version != document.version:
        raise NotFound(
            f"Version {version} of this document was replaced; it has version {document.version} now.",
            data={"version": document.version},
        )  # fmt: skip
    page = tx.get(PAGES, scope, f"{document.id}:{document.version}:{number}")
    if page is None:
        raise missing("page", f"{document_id}:{number}")
    return document, page
