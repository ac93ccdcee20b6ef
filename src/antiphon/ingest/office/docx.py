"""DOCX: the body in reading order as one page of text; headings, lists with their numbers, tables, text boxes, notes, charts.

Headers and footers, comments and deleted text are left out. Read from the XML itself: libraries for the format stop at the first
broken relationship and know only one of its two dialects. Runs in worker processes. Tests: tests/unit/ingest/office/test_docx.py.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from antiphon.ingest.composition import Composition
from antiphon.ingest.office.charts import chart_lines, diagram_lines
from antiphon.ingest.office.docx_numbering import BULLET, Numbering, whole
from antiphon.ingest.office.docx_styles import Shape, Styles, all_bold
from antiphon.ingest.office.docx_text import DEEPEST, Paragraph, read_paragraph
from antiphon.ingest.office.markup import Element, attribute, child, children, is_on, local
from antiphon.ingest.office.office_document import OfficeDocument, one_line, tidy
from antiphon.ingest.office.package import Package, Source
from antiphon.ingest.office.tables import Cell, Table, row_line

_LONGEST_HEADING: Final = 300
"""Whole paragraphs are styled as headings too; those are body text."""
_WIDEST_SPAN: Final = 64


def open_docx(source: Source, _password: str | None) -> OfficeDocument:
    """Raises as zip_guard.inspect and Package do."""
    package = Package(source)
    try:
        reader = _Reader(package)
        view = reader.read()
        title = reader.title or package.title()
    finally:
        package.close()
    return OfficeDocument(package, iter([view]), page_total=1, paged=False, title=title)


class _Reader:
    def __init__(self, package: Package) -> None:
        self._package = package
        self._part = package.main_part("word/document.xml")
        self._relations = package.relations(self._part)
        self._styles = Styles(package.optional(self._related("styles")))
        self._numbering = Numbering(package.optional(self._related("numbering")))
        self._notes: dict[tuple[str, str], Element] = {}
        for kind in ("footnote", "endnote"):
            root = package.optional(self._related(f"{kind}s"))
            for note in children(root, kind) if root is not None else ():
                if attribute(note, "type") in {None, "normal"}:
                    self._notes[kind, attribute(note, "id") or ""] = note
        self._view = Composition()
        self._in_list = False
        self.title = ""

    def _related(self, kind: str) -> str | None:
        return next((relation.target for relation in self._relations.values() if relation.kind == kind), None)

    def read(self) -> Composition:
        root = self._package.read(self._part)
        body = child(root, "body")
        self._blocks(root if body is None else body, 0)
        return self._view

    def _blocks(self, parent: Element, depth: int) -> None:
        if depth > DEEPEST:
            return
        for element in parent:
            name = local(element)
            if name == "p":
                self._paragraph(element, depth)
            elif name == "tbl":
                self._table(element, depth)
            elif name == "AlternateContent":
                choice = next(iter(element), None)
                if choice is not None:
                    self._blocks(choice, depth + 1)
            elif name not in {"sdtPr", "sdtEndPr", "sectPr", "del", "moveFrom"}:
                self._blocks(element, depth + 1)

    # --- paragraphs ---------------------------------------------------------------------------------------------------

    def _paragraph(self, element: Element, depth: int) -> None:
        shape = self._styles.shape(element)
        found = read_paragraph(element)
        text = tidy(found.text)
        if text:
            self._put(text, shape)
        elif not found.boxes:
            self._in_list = False
        self._attached(found, depth)

    def _put(self, text: str, shape: Shape) -> None:
        label = self._numbering.label(shape.list_id, shape.list_level) if shape.list_id else ""
        if shape.level is not None and len(text) <= _LONGEST_HEADING:
            self._in_list = False
            if shape.title and not self.title:
                self.title = one_line(text)[:_LONGEST_HEADING]
            self._view.heading(("" if label == BULLET else label) + text, shape.level)
            return
        if label:
            line = "  " * min(shape.list_level, 8) + label + text
            _ = self._view.line(line) if self._in_list else self._view.block(line)
        else:
            self._view.block(text)
        self._in_list = bool(label)

    def _attached(self, found: Paragraph, depth: int) -> None:
        for box in found.boxes:
            self._blocks(box, depth + 1)
        for kind, key in found.notes:
            note = self._notes.pop((kind, key), None)  # each once, where it is first referred to
            if note is not None:
                text = " ".join(filter(None, (tidy(read_paragraph(below).text) for below in children(note, "p"))))
                self._view.block(f"({kind.capitalize()}: {text})" if text else "")
        for key in found.charts:
            relation = self._relations.get(key)
            self._view.lines(chart_lines(self._package.optional(relation.target)) if relation is not None else ())
        for key in found.diagrams:
            relation = self._relations.get(key)
            self._view.lines(diagram_lines(self._package.optional(relation.target)) if relation is not None else ())

    # --- tables -------------------------------------------------------------------------------------------------------

    def _table(self, table: Element, depth: int) -> None:
        """A table that only lays out the page (a single column) gives its blocks; others one line a row."""
        rows = list(_rows(table, 0))
        if not rows:
            return
        self._in_list = False
        if all(len(list(_cells(row, 0))) <= 1 for row in rows):
            for row in rows:
                for cell in _cells(row, 0):
                    self._blocks(cell, depth + 1)
            return
        above: dict[int, str] = {}
        self._view.lines(Table().lines([(self._row(row, above, depth), _marked(row)) for row in rows]))

    def _row(self, row: Element, above: dict[int, str], depth: int) -> list[Cell]:
        """One for every column: a cell over several columns or rows stands in each of them."""
        texts: list[Cell] = []
        for cell in _cells(row, 0):
            properties = child(cell, "tcPr")
            span = whole(attribute(child(properties, "gridSpan"), "val"), 1) if properties is not None else 1
            merge = child(properties, "vMerge") if properties is not None else None
            goes_on = merge is not None and attribute(merge, "val") != "restart"
            text = above.get(len(texts), "") if goes_on else self._cell_text(cell, depth)
            for column in range(max(1, min(span, _WIDEST_SPAN))):
                if merge is not None:
                    above[len(texts)] = text
                texts.append(Cell(text=text, spanned=column > 0))
        return texts

    def _cell_text(self, cell: Element, depth: int) -> str:
        """On one line; a table inside is read row by row."""
        parts: list[str] = []
        for element in _flat(cell, 0):
            if local(element) == "tbl":
                rows = _rows(element, 0) if depth < DEEPEST else ()
                inner = (row_line([cell.text for cell in self._row(row, {}, depth + 1) if not cell.spanned])[2:] for row in rows)
                parts.append("; ".join(filter(None, inner)))
                continue
            shape = self._styles.shape(element)
            found = read_paragraph(element)
            text = one_line(found.text)
            if text and shape.list_id:
                text = self._numbering.label(shape.list_id, shape.list_level) + text
            parts.append(text)
            for box in found.boxes:
                parts += (one_line(read_paragraph(paragraph).text) for paragraph in box.iter("{*}p"))
            for key in found.notes:
                note = self._notes.pop(key, None)
                if note is not None:
                    parts.append(
                        f"({key[0].capitalize()}: {one_line(' '.join(read_paragraph(p).text for p in children(note, 'p')))})"
                    )
        return " ".join(filter(None, parts))


def _flat(parent: Element, depth: int) -> Iterator[Element]:
    """Paragraphs and tables of a cell, through content controls and insertions."""
    for element in parent:
        name = local(element)
        if name in {"p", "tbl"}:
            yield element
        elif depth < DEEPEST and name not in {"tcPr", "sdtPr", "del", "moveFrom"}:
            yield from _flat(element, depth + 1)


def _rows(parent: Element, depth: int) -> Iterator[Element]:
    for element in parent:
        if local(element) == "tr":
            if child(element, "trPr", "del") is None:  # a deleted row that is still tracked
                yield element
        elif depth < DEEPEST and local(element) in {"sdt", "sdtContent", "customXml", "ins", "moveTo", "bookmarkStart"}:
            yield from _rows(element, depth + 1)


def _cells(parent: Element, depth: int) -> Iterator[Element]:
    for element in parent:
        if local(element) == "tc":
            yield element
        elif depth < DEEPEST and local(element) in {"sdt", "sdtContent", "customXml", "ins", "moveTo"}:
            yield from _cells(element, depth + 1)


def _marked(row: Element) -> bool:
    return is_on(child(row, "trPr", "tblHeader")) or all_bold(list(row.iter("{*}p")))
