"""OpenDocument: texts (ODT), sheets (ODS), presentations (ODP), read directly; LibreOffice is not needed.

A text is one page, a sheet or a slide one each, as with docx.py, xlsx.py and pptx.py. Deleted text, comments, headers and
footers are left out. Runs in worker processes. Tests: tests/unit/ingest/office/test_odf.py.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from antiphon.core.errors import BadRequest, Unsupported
from antiphon.ingest.anchors import slide_anchor
from antiphon.ingest.composition import Composition
from antiphon.ingest.document import MOST_CHARACTERS
from antiphon.ingest.office.markup import Element, attribute, child, children, local
from antiphon.ingest.office.odf_text import OdfText, cells_of, plain, rows_of, whole_number
from antiphon.ingest.office.office_document import OfficeDocument, one_line
from antiphon.ingest.office.package import Package, Source
from antiphon.ingest.office.sheet_view import GridRow, SheetView
from antiphon.ingest.office.xlsx_parts import Range

_CONTENT: Final = "content.xml"
_FURNITURE: Final = frozenset({"page-number", "date-time", "footer", "header", "page"})
_MOST_COLUMNS: Final = 1_000
_MOST_PAGES: Final = 5_000
_DEEPEST: Final = 20


def open_odf(source: Source, _password: str | None) -> OfficeDocument:
    """Raises as zip_guard.inspect does, Unsupported under a password, BadRequest for what is no OpenDocument."""
    package = Package(source)
    try:
        _refuse_encrypted(package)
        root = package.read(_CONTENT)
        title = _title(package)
        styles = [root, package.optional("styles.xml")]
    finally:
        package.close()
    body = child(root, "body")
    kind = next(iter(body), None) if body is not None else None
    if kind is None:
        raise BadRequest("The file is damaged: it has no document inside.", data={"reason": "unreadable"})
    text = OdfText([style for style in styles if style is not None])
    if local(kind) == "spreadsheet":
        tables = list(children(kind, "table"))[:_MOST_PAGES]
        return OfficeDocument(package, _sheets(tables, text.hidden_tables), page_total=len(tables), paged=False, title=title)
    if local(kind) == "presentation":
        slides = list(children(kind, "page"))[:_MOST_PAGES]
        size = text.page_size_pt
        return OfficeDocument(package, _slides(slides, text), page_total=len(slides), paged=True, title=title, size_pt=size)
    view = Composition()
    text.blocks(kind, view)
    return OfficeDocument(package, iter([view]), page_total=1, paged=False, title=text.title or title)


def _refuse_encrypted(package: Package) -> None:
    manifest = package.optional("META-INF/manifest.xml")
    if manifest is not None and any(True for _ in manifest.iter("{*}encryption-data")):
        raise Unsupported(
            "The file is protected by a password and can't be opened here: store it again without one, or as PDF.",
            data={"reason": "encrypted"},
        )


def _title(package: Package) -> str:
    root = package.optional("meta.xml")
    meta = child(root, "meta") if root is not None else None
    found = child(meta, "title") if meta is not None else None
    return one_line(plain(found))[:200] if found is not None else ""


# --- sheets -----------------------------------------------------------------------------------------------------------


def _sheets(tables: list[Element], hidden: frozenset[str]) -> Iterator[Composition]:
    left = MOST_CHARACTERS - 1_000
    for number, table in enumerate(tables, start=1):
        view = Composition(number)
        name = one_line(attribute(table, "name") or "") or f"Sheet{number}"
        view.heading(f"{name} (hidden sheet)" if attribute(table, "style-name") in hidden else name, 1, name)
        merged: list[Range] = []
        rows = list(_grid(table, merged))
        SheetView(view, name, merged, left).fill(iter(rows))
        left -= view.length
        yield view


def _grid(table: Element, merged: list[Range]) -> Iterator[GridRow]:
    """Rows with text as the file shows them. One that is said to repeat counts once and moves those below it down."""
    number = 1
    for row in rows_of(table):
        cells: dict[int, str] = {}
        column = 1
        for cell in cells_of(row):
            repeated = max(1, whole_number(attribute(cell, "number-columns-repeated"), 1))
            text = one_line(plain(cell)) if local(cell) != "covered-table-cell" else ""
            if text:
                for at in range(column, min(column + repeated, _MOST_COLUMNS)):
                    cells[at] = text
                wide, high = (whole_number(attribute(cell, f"number-{kind}-spanned"), 1) for kind in ("columns", "rows"))
                if wide > 1 or high > 1:
                    merged.append(
                        Range(first_row=number, last_row=number + high - 1, first_column=column, last_column=column + wide - 1)
                    )
            column += repeated
            if column > _MOST_COLUMNS:
                break
        if cells:
            yield GridRow(number=number, cells=cells)
        number += max(1, whole_number(attribute(row, "number-rows-repeated"), 1))


# --- slides -----------------------------------------------------------------------------------------------------------


def _slides(slides: list[Element], text: OdfText) -> Iterator[Composition]:
    for number, slide in enumerate(slides, start=1):
        view = Composition(number)
        view.mark(slide_anchor(number), 0)
        shapes = list(_shapes(slide, 0))
        title = next((line for shape in shapes if attribute(shape, "class") == "title" and (line := one_line(plain(shape)))), "")
        if title:
            view.heading(title, 1)
        for shape in shapes:
            if attribute(shape, "class") != "title" or one_line(plain(shape)) != title:
                text.blocks(shape, view)
        notes = child(slide, "notes")
        spoken = Composition(number)
        for shape in _shapes(notes, 0) if notes is not None else ():
            text.blocks(shape, spoken)
        if spoken.length:
            view.block(f"Notes: {spoken.text()}")
        yield view


def _shapes(parent: Element, depth: int) -> Iterator[Element]:
    for element in parent:
        if local(element) == "g" and depth < _DEEPEST:
            yield from _shapes(element, depth + 1)
        elif local(element) not in {"notes", "forms", "animations"} and attribute(element, "class") not in _FURNITURE:
            yield element
