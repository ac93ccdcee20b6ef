"""Paragraphs, headings, lists and tables of OpenDocument content. For odf.py.

Tests: tests/unit/ingest/office/test_odf.py.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from antiphon.ingest.composition import Composition
from antiphon.ingest.office.docx_numbering import BULLET, whole, written
from antiphon.ingest.office.markup import Element, attribute, child, children, local
from antiphon.ingest.office.office_document import one_line, tidy
from antiphon.ingest.office.tables import Cell, Table, row_line

whole_number = whole
_DEEPEST: Final = 40
_LONGEST_HEADING: Final = 300
_WIDEST_SPAN: Final = 64
_MOST_REPEATED: Final = 64
_LEFT_OUT: Final = frozenset({
    "tracked-changes", "annotation", "annotation-end", "ruby-text", "note-citation", "desc", "title", "forms", "sequence-decls",
    "event-listeners", "glue-point", "thumbnail", "binary-data", "tab-stop", "variable-decls", "user-field-decls",
    "deletion", "script", "shapes", "settings", "object", "object-ole",
})  # fmt: skip
_SIGNS: Final = {"tab": " ", "line-break": "\n", "s": " ", "soft-page-break": ""}
_BLOCKS: Final = frozenset({"p", "h"})
_TITLE_STYLES: Final = frozenset({"Title", "Subtitle"})
_FORMS: Final = {
    "a": "lowerLetter",
    "A": "upperLetter",
    "i": "lowerRoman",
    "I": "upperRoman",
    "一, 二, 三, ...": "chineseCounting",
}
_POINTS: Final = {"cm": 28.3465, "mm": 2.83465, "in": 72.0, "pt": 1.0}


def plain(element: Element) -> str:
    """All its words; paragraphs parted by line breaks."""
    pieces: list[str] = []
    _gather(element, pieces, 0)
    return "".join(pieces).strip("\n")


def _gather(element: Element, pieces: list[str], depth: int) -> None:
    pieces.append(element.text or "")
    for below in element:
        name = local(below)
        if name in _SIGNS:
            pieces.append(_SIGNS[name])
        elif name in _BLOCKS:
            pieces.append("\n")
            _gather(below, pieces, depth + 1)
        elif name not in _LEFT_OUT and depth < _DEEPEST:
            _gather(below, pieces, depth + 1)
        pieces.append(below.tail or "")


def rows_of(parent: Element, depth: int = 0) -> Iterator[Element]:
    """Of a table, its header rows and groups opened."""
    for element in parent:
        if local(element) == "table-row":
            yield element
        elif local(element) in {"table-header-rows", "table-row-group", "table-rows"} and depth < _DEEPEST:
            yield from rows_of(element, depth + 1)


def cells_of(row: Element) -> Iterator[Element]:
    return (cell for cell in row if local(cell) in {"table-cell", "covered-table-cell"})


class OdfText:
    """`styles`: the roots that define styles (content and styles). `title`: of the first paragraph styled so."""

    def __init__(self, styles: Sequence[Element]) -> None:
        self.title = ""
        self.page_size_pt: tuple[float, float] | None = None
        self._parents: dict[str, str] = {}
        self._lists: dict[str, dict[int, Element]] = {}
        hidden: set[str] = set()
        for root in styles:
            for element in root.iter("{*}style", "{*}list-style", "{*}page-layout-properties"):
                name = attribute(element, "name") or ""
                if local(element) == "style":
                    self._parents.setdefault(name, attribute(element, "parent-style-name") or "")
                    if attribute(child(element, "table-properties"), "display") == "false":
                        hidden.add(name)
                elif local(element) == "list-style":
                    self._lists.setdefault(name, {whole(attribute(level, "level"), 1): level for level in element})
                else:
                    width, height = _points(attribute(element, "page-width")), _points(attribute(element, "page-height"))
                    self.page_size_pt = (width, height) if width and height else self.page_size_pt
        self.hidden_tables = frozenset(hidden)
        self._in_list = False

    def blocks(self, parent: Element, view: Composition, depth: int = 0) -> None:
        """Adds what stands below `parent`, in order."""
        for element in parent:
            name = local(element)
            if name in _BLOCKS:
                self._in_list = False
                self._paragraph(element, view, depth)
            elif name == "list":
                self._list(element, view, 1, "", depth)
            elif name == "table":
                self._in_list = False
                view.lines(Table().lines(_table_rows(element)))
            elif name not in _LEFT_OUT and depth < _DEEPEST:
                self.blocks(element, view, depth + 1)

    def _paragraph(self, element: Element, view: Composition, depth: int) -> None:
        notes = list(element.iter("{*}note"))
        boxes = list(element.iter("{*}text-box"))
        text = tidy(_own_words(element))
        titled = self._is_title(attribute(element, "style-name") or "")
        if local(element) == "h" or titled:
            if titled and text and not self.title:
                self.title = one_line(text)[:_LONGEST_HEADING]
            level = 1 if titled else whole(attribute(element, "outline-level"), 1)
            if len(text) <= _LONGEST_HEADING:
                view.heading(text, level)
            else:
                view.block(text)
        else:
            view.block(text)
        for note in notes:
            words = one_line(plain(note))
            view.block(f"({(attribute(note, 'note-class') or 'note').capitalize()}: {words})" if words else "")
        for box in boxes if depth < _DEEPEST else ():
            self.blocks(box, view, depth + 1)

    def _is_title(self, style: str) -> bool:
        for _ in range(10):
            if style in _TITLE_STYLES:
                return style == "Title"
            style = self._parents.get(style, "")
        return False

    def _list(self, element: Element, view: Composition, level: int, style: str, depth: int) -> None:
        style = attribute(element, "style-name") or style
        definition = self._lists.get(style, {}).get(level)
        numbered = definition is not None and local(definition) == "list-level-style-number"
        number = whole(attribute(definition, "start-value"), 1) if numbered else 1
        for item in element:
            if local(item) not in {"list-item", "list-header"}:
                continue
            label = _label(definition, number) if numbered else BULLET
            for below in item:
                if local(below) == "list" and depth < _DEEPEST:
                    self._list(below, view, level + 1, style, depth + 1)
                elif local(below) in _BLOCKS:
                    self._item(below, view, "  " * min(level - 1, 8) + label, depth)
                    label = ""
            number += 1

    def _item(self, element: Element, view: Composition, label: str, depth: int) -> None:
        if local(element) == "h":
            self._in_list = False
            self._paragraph(element, view, depth)
            return
        text = tidy(_own_words(element))
        if text:
            line = label + text
            _ = view.line(line) if self._in_list else view.block(line)
            self._in_list = True
        for box in element.iter("{*}text-box"):
            self.blocks(box, view, depth + 1)


def _own_words(element: Element) -> str:
    """Without notes and text boxes, which follow the paragraph."""
    pieces: list[str] = []
    _own(element, pieces, 0)
    return "".join(pieces)


def _own(element: Element, pieces: list[str], depth: int) -> None:
    pieces.append(element.text or "")
    for below in element:
        name = local(below)
        if name in _SIGNS:
            pieces.append(_SIGNS[name])
        elif name not in _LEFT_OUT and name not in {"note", "text-box"} and depth < _DEEPEST:
            _own(below, pieces, depth + 1)
        pieces.append(below.tail or "")


def _table_rows(table: Element) -> list[tuple[list[Cell], bool]]:
    found: list[tuple[list[Cell], bool]] = []
    above: dict[int, tuple[str, int]] = {}
    for row in rows_of(table):
        parent = row.getparent()
        marked = parent is not None and local(parent) == "table-header-rows"
        cells: list[Cell] = []
        span_left, spanned_text = 0, ""
        for cell in cells_of(row):
            for _ in range(max(1, min(whole(attribute(cell, "number-columns-repeated"), 1), _MOST_REPEATED))):
                column = len(cells)
                if local(cell) == "covered-table-cell":
                    text, rows_left = above.get(column, ("", 0))
                    across = span_left > 0
                    cells.append(Cell(text=spanned_text if across else text if rows_left else "", spanned=across))
                    above[column] = (text, rows_left - 1)
                    span_left -= 1
                    continue
                text = one_line(_cell_text(cell))
                high, wide = (whole(attribute(cell, f"number-{kind}-spanned"), 1) for kind in ("rows", "columns"))
                above[column] = (text, high - 1)
                span_left, spanned_text = min(wide, _WIDEST_SPAN) - 1, text
                cells.append(Cell(text=text))
        found.append((cells, marked))
    return found


def _cell_text(cell: Element) -> str:
    inner = next(iter(cell.iter("{*}table")), None)
    if inner is None:
        return plain(cell)
    rows = (row_line([one_line(plain(below)) for below in cells_of(row)])[2:] for row in rows_of(inner))
    own = " ".join(one_line(plain(paragraph)) for paragraph in children(cell, "p"))
    return " ".join(filter(None, (own, "; ".join(filter(None, rows)))))


def _label(definition: Element | None, number: int) -> str:
    form = attribute(definition, "num-format") or ""
    if not form:
        return ""
    prefix, suffix = attribute(definition, "num-prefix") or "", attribute(definition, "num-suffix") or ""
    return f"{prefix}{written(number, _FORMS.get(form, 'decimal'))}{suffix} "


def _points(length: str | None) -> float:
    for unit, factor in _POINTS.items():
        if length is not None and length.endswith(unit):
            try:
                return round(float(length[: -len(unit)]) * factor, 2)
            except ValueError:
                return 0.0
    return 0.0
