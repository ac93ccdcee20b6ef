"""`Pages`: the text, the rectangles and the picture of a page, and where the original of a document lies.

Places and pictures come from a parser in a process of its own, given as `PageReader`. Tests: tests/unit/library/test_pages.py.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol

from antiphon.access.missing import missing
from antiphon.access.scope import Scope
from antiphon.core.errors import BadRequest, Unsupported
from antiphon.ingest.document import PageRectangles
from antiphon.library.documents import live_document
from antiphon.storage.blobs.contract import BlobStore
from antiphon.storage.records.contract import Store, Transaction
from antiphon.storage.records.rows import PAGES, DocumentRow, PageRow

PDF: Final = "application/pdf"
MAX_IMAGE_WIDTH_PX: Final = 2400
MIN_IMAGE_WIDTH_PX: Final = 64


class PageReader(Protocol):
    """ingest's parser pool, as far as pages need it."""

    async def rectangles(self, path: Path, page: int, start: int, end: int) -> PageRectangles: ...

    async def page_image(self, path: Path, page: int, width_px: int) -> bytes:
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
    def __init__(self, store: Store, blobs: BlobStore, reader: PageReader) -> None:
        self._store = store
        self._blobs = blobs
        self._reader = reader

    async def text(self, scope: Scope, document_id: str, number: int) -> PageRow:
        """Raises NotFound (document, page)."""
        _, page = await self._store.read(lambda tx: _page(tx, scope, document_id, number))
        return page

    async def rectangles(self, scope: Scope, document_id: str, number: int, start: int, end: int) -> PageRectangles:
        """Of the code points [start, end) of the page's stored text. Raises NotFound, BadRequest (range), Unsupported."""
        document, page = await self._store.read(lambda tx: _page(tx, scope, document_id, number))
        if not 0 <= start < end <= len(page.text):
            raise BadRequest(f"The range [{start}, {end}) is not inside the {len(page.text)} characters of page {number}.")
        _demand_pdf(document)
        return await self._reader.rectangles(self._blobs.local_path(document.sha256), number, start, end)

    async def image(self, scope: Scope, document_id: str, number: int, width_px: int) -> bytes:
        """PNG. Raises NotFound, Unsupported for documents without pages to show."""
        document, _ = await self._store.read(lambda tx: _page(tx, scope, document_id, number))
        _demand_pdf(document)
        width_px = min(max(width_px, MIN_IMAGE_WIDTH_PX), MAX_IMAGE_WIDTH_PX)
        return await self._reader.page_image(self._blobs.local_path(document.sha256), number, width_px)

    async def original(self, scope: Scope, document_id: str) -> Original:
        """Raises NotFound."""
        row = await self._store.read(lambda tx: live_document(tx, scope, document_id))
        return Original(name=row.name, media_type=row.media_type, sha256=row.sha256, size_bytes=row.bytes)


def page_json(page: PageRow) -> dict[str, Any]:
    return {
        "document_id": page.document_id, "version": page.version, "page": page.number, "text": page.text,
        "width": page.width_pt, "height": page.height_pt,
    }  # fmt: skip


def _page(tx: Transaction, scope: Scope, document_id: str, number: int) -> tuple[DocumentRow, PageRow]:
    document = live_document(tx, scope, document_id)
    page = tx.get(PAGES, scope, f"{document.id}:{document.version}:{number}")
    if page is None:
        raise missing("page", f"{document_id}:{number}")
    return document, page


def _demand_pdf(document: DocumentRow) -> None:
    if document.media_type != PDF:
        raise Unsupported(f"Only PDF pages have places and pictures; this document is {document.media_type!r}.")
