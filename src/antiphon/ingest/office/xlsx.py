"""XLSX: each sheet is a page; each row a line that repeats its column's name, with its cells as anchor.

Values are those the workbook was stored with (formulas are not calculated), shown in their cell's format. The extent a sheet
claims is not believed: only cells that are there count. Pictures, text boxes, charts and comments are left out.
Runs in worker processes. Tests: tests/unit/ingest/office/test_xlsx.py.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final, TypeVar

from antiphon.ingest.composition import Composition
from antiphon.ingest.document import MOST_CHARACTERS
from antiphon.ingest.office.docx_numbering import whole
from antiphon.ingest.office.markup import Element, attribute, child, stream_elements
from antiphon.ingest.office.number_formats import general, shown
from antiphon.ingest.office.office_document import OfficeDocument, tidy
from antiphon.ingest.office.package import Package, Source
from antiphon.ingest.office.sheet_view import GridRow, SheetView
from antiphon.ingest.office.xlsx_parts import (
    Sheet,
    formats_of,
    merged_ranges,
    rich_text,
    shared_texts,
    sheets_of,
)
from antiphon.storage.lexical.anchor_ranges import column_number

T = TypeVar("T")
MOST_SHEETS: Final = 1_000
MOST_COLUMNS: Final = 1_000
"""Of one row; cells further right are left out and that is said."""
_MOST_ROW_ELEMENTS: Final = 1_100_000
_TRUE: Final = {"1": "TRUE", "0": "FALSE"}


def open_xlsx(source: Source, _password: str | None) -> OfficeDocument:
    """Raises as zip_guard.inspect and Package do, TooLarge for more text than is kept. Close it: it keeps the file open."""
    package = Package(source)
    try:
        return _Workbook(package)
    except BaseException:
        package.close()
        raise


class _Workbook(OfficeDocument):
    def __init__(self, package: Package) -> None:
        main = package.main_part("xl/workbook.xml")
        root = package.read(main)
        self._package = package
        self._sheets = sheets_of(package, main, root)[:MOST_SHEETS]
        self._from_1904 = attribute(child(root, "workbookPr"), "date1904") in {"1", "true"}
        self._texts = shared_texts(package, package.related(main, "sharedStrings"))
        self._formats = formats_of(package.optional(package.related(main, "styles")))
        self._left = MOST_CHARACTERS - 1_000
        super().__init__(package, self._views(), page_total=len(self._sheets), paged=False, title=package.title())

    def close(self) -> None:
        super().close()
        self._package.close()

    def _views(self) -> Iterator[Composition]:
        for number, sheet in enumerate(self._sheets, start=1):
            view = Composition(number)
            view.heading(f"{sheet.name} (hidden sheet)" if sheet.hidden else sheet.name, 1, sheet.name)
            if sheet.part is not None:
                merged = merged_ranges(self._package, sheet.part)
                SheetView(view, sheet.name, merged, self._left).fill(self._rows(sheet))
            self._left -= view.length
            yield view

    def _rows(self, sheet: Sheet) -> Iterator[GridRow]:
        """Rows with text, in the file's order. A cell without a place of its own stands right of the one before it."""
        assert sheet.part is not None
        number = 0
        with self._package.open(sheet.part) as file:
            for count, element in enumerate(stream_elements(file, "row")):
                if count >= _MOST_ROW_ELEMENTS:
                    return
                number = whole(attribute(element, "r"), number + 1)
                cells: dict[int, str] = {}
                bold, column = True, 0
                for cell in element:
                    column = _column(cell, column)
                    text = self._text(cell)
                    if text and column <= MOST_COLUMNS:
                        cells[column] = text
                        bold = bold and _styled(self._formats.bold, cell, otherwise=False)
                if cells:
                    yield GridRow(number=number, cells=cells, marked=bold)

    def _text(self, cell: Element) -> str:
        kind = cell.get("t")
        if kind == "inlineStr":
            inline = child(cell, "is")
            return rich_text(inline) if inline is not None else ""
        value = child(cell, "v")
        stored = value.text if value is not None else None
        if not stored:
            return ""
        if kind == "s":
            index = whole(stored, -1)
            return self._texts[index] if 0 <= index < len(self._texts) else ""
        if kind == "b":
            return _TRUE.get(stored, stored)
        if kind in {"str", "e", "d"}:
            return tidy(stored)
        return self._number(stored, cell)

    def _number(self, stored: str, cell: Element) -> str:
        try:
            number = float(stored)
        except ValueError:
            return tidy(stored)
        if number - number != 0:  # infinite, or not a number
            return tidy(stored)
        code = _styled(self._formats.codes, cell, otherwise="")
        return shown(number, code, from_1904=self._from_1904) if code else general(number)


def _column(cell: Element, before: int) -> int:
    reference = cell.get("r")
    if reference is None:
        return before + 1
    letters = reference.rstrip("0123456789")
    return column_number(letters) if 0 < len(letters) <= 3 and letters.isascii() and letters.isupper() else before + 1


def _styled(values: Sequence[T], cell: Element, *, otherwise: T) -> T:
    index = whole(cell.get("s"), 0)
    return values[index] if 0 <= index < len(values) else otherwise
