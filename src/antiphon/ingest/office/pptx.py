"""PPTX: each slide is a page, in the order of the show: title, text, tables, charts, then the speaker's notes.

Page footers, numbers and dates are left out, and comments too. Read from the XML itself, as docx.py is and for the same reasons.
Runs in worker processes. Tests: tests/unit/ingest/office/test_pptx.py.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from antiphon.ingest.anchors import slide_anchor
from antiphon.ingest.composition import Composition
from antiphon.ingest.office.charts import chart_lines, diagram_lines
from antiphon.ingest.office.docx_numbering import BULLET, whole
from antiphon.ingest.office.markup import Element, attribute, child, children, local, texts
from antiphon.ingest.office.office_document import OfficeDocument, one_line, tidy
from antiphon.ingest.office.package import Package, Relation, Source
from antiphon.ingest.office.tables import Cell, Table

_TITLES: Final = frozenset({"title", "ctrTitle"})
_FURNITURE: Final = frozenset({"ftr", "dt", "sldNum", "hdr", "sldImg"})
_BODIES: Final = frozenset({"body", "obj", ""})
_DEEPEST: Final = 20
_EMU_PER_POINT: Final = 12_700
_DEFAULT_SIZE_EMU: Final = (9_144_000, 6_858_000)
_MOST_SLIDES: Final = 5_000


def open_pptx(source: Source, _password: str | None) -> OfficeDocument:
    """Raises as zip_guard.inspect and Package do. Close the document: it keeps the file open."""
    package = Package(source)
    try:
        main = package.main_part("ppt/presentation.xml")
        root = package.read(main)
        relations = package.relations(main)
        listed = child(root, "sldIdLst")
        keys = [_relation_id(slide) for slide in children(listed, "sldId")] if listed is not None else []
        slides = [relations[key].target for key in keys if key in relations][:_MOST_SLIDES]
        size = child(root, "sldSz")
        title = package.title()
    except BaseException:
        package.close()
        raise
    width, height = (
        whole(attribute(size, name), fallback) / _EMU_PER_POINT
        for name, fallback in zip(("cx", "cy"), _DEFAULT_SIZE_EMU, strict=True)
    )
    views = (_Slide(package, part, number).read() for number, part in enumerate(slides, start=1))
    return _Presentation(
        views, page_total=len(slides), paged=True, title=title, size_pt=(round(width, 2), round(height, 2)), package=package
    )  # fmt: skip


class _Presentation(OfficeDocument):
    def __init__(
        self, views: Iterator[Composition], *, page_total: int, paged: bool, title: str, size_pt: tuple[float, float],
        package: Package,
    ) -> None:  # fmt: skip
        super().__init__(package, views, page_total=page_total, paged=paged, title=title, size_pt=size_pt)
        self._package = package

    def close(self) -> None:
        super().close()
        self._package.close()


def _relation_id(slide: Element) -> str:
    """`r:id`, not the slide's own `id`."""
    return next((value for key, value in slide.items() if key.endswith("}id")), "")


class _Slide:
    def __init__(self, package: Package, part: str, number: int) -> None:
        self._package = package
        self._part = part
        self._relations = package.relations(part)
        self._view = Composition(number)

    def read(self) -> Composition:
        """A slide that can't be read is an empty page: the others are still worth having."""
        self._view.mark(slide_anchor(self._view.number), 0)
        root = self._package.optional(self._part)
        if root is None:
            return self._view
        tree = child(root, "cSld", "spTree")
        shapes = list(_shapes(tree, 0)) if tree is not None else []
        hidden = " (hidden slide)" if attribute(root, "show") in {"0", "false"} else ""
        title = next((text for shape in shapes if _place(shape) in _TITLES and (text := one_line(_all_text(shape)))), "")
        if title:
            self._view.heading(title + hidden, 1, title)
        elif hidden:
            self._view.block(hidden.strip())
        for shape in shapes:
            place = _place(shape)
            if place in _FURNITURE or (place in _TITLES and one_line(_all_text(shape)) == title):
                continue
            self._shape(shape, place)
        self._notes()
        return self._view

    def _shape(self, shape: Element, place: str | None) -> None:
        if local(shape) != "graphicFrame":
            body = child(shape, "txBody")
            if body is not None:
                self._paragraphs(body, bulleted=place in _BODIES)
            return
        for element in shape.iter("{*}tbl", "{*}chart", "{*}relIds"):
            if local(element) == "tbl":
                self._table(element)
                continue
            key = attribute(element, "id") if local(element) == "chart" else attribute(element, "dm")
            relation = self._relations.get(key or "")
            if relation is not None:
                self._lines(relation, element)

    def _lines(self, relation: Relation, element: Element) -> None:
        root = self._package.optional(relation.target)
        lines = chart_lines(root) if local(element) == "chart" else diagram_lines(root)
        self._view.lines(lines)

    def _paragraphs(self, body: Element, *, bulleted: bool) -> None:
        """`bulleted`: a list, as the body of a slide is, when it has several paragraphs."""
        lines: list[str] = []
        for paragraph in children(body, "p"):
            level = whole(attribute(child(paragraph, "pPr"), "lvl"), 0)
            text = tidy(_paragraph_text(paragraph))
            if text:
                lines.append("  " * max(0, min(level, 8)) + text)
        as_list = bulleted and len(lines) > 1
        for index, line in enumerate(lines):
            text = line.lstrip(" ")
            indent = line[: len(line) - len(text)]
            whole_line = f"{indent}{BULLET}{text}" if as_list or indent else text
            _ = self._view.line(whole_line) if index and as_list else self._view.block(whole_line)

    def _table(self, table: Element) -> None:
        marked = attribute(child(table, "tblPr"), "firstRow") in {"1", "true"}
        above: dict[int, str] = {}
        self._view.lines(Table().lines([(_row(row, above), marked) for row in children(table, "tr")]))

    def _notes(self) -> None:
        part = next((relation.target for relation in self._relations.values() if relation.kind == "notesSlide"), None)
        root = self._package.optional(part)
        tree = child(root, "cSld", "spTree") if root is not None else None
        for shape in _shapes(tree, 0) if tree is not None else ():
            body = child(shape, "txBody")
            if _place(shape) in _FURNITURE or body is None:
                continue
            text = "\n".join(filter(None, (tidy(_paragraph_text(paragraph)) for paragraph in children(body, "p"))))
            self._view.block(f"Notes: {text}" if text else "")


def _shapes(parent: Element, depth: int) -> Iterator[Element]:
    """In the order a screen reader takes, groups opened; of alternatives the first."""
    for element in parent:
        name = local(element)
        if name in {"sp", "graphicFrame", "cxnSp"}:
            yield element
        elif name in {"grpSp", "Choice"} and depth < _DEEPEST:
            yield from _shapes(element, depth + 1)
        elif name == "AlternateContent" and depth < _DEEPEST:
            first = next((choice for choice in element if any(True for _ in _shapes(choice, depth + 1))), None)
            if first is not None:
                yield from _shapes(first, depth + 1)


def _place(shape: Element) -> str | None:
    """The kind of placeholder; "" for one that says none, None for a shape that is no placeholder."""
    for properties in shape:
        if local(properties).startswith("nv"):
            found = child(properties, "nvPr", "ph")
            return None if found is None else attribute(found, "type") or ""
    return None


def _all_text(shape: Element) -> str:
    body = child(shape, "txBody")
    return " ".join(_paragraph_text(paragraph) for paragraph in children(body, "p")) if body is not None else ""


def _paragraph_text(paragraph: Element) -> str:
    pieces: list[str] = []
    for run in paragraph:
        name = local(run)
        if name == "br":
            pieces.append("\n")
        elif name in {"r", "fld"}:
            pieces.append(texts(run, "t"))
        elif name in {"m", "AlternateContent"}:
            choice = next(iter(run), None) if name == "AlternateContent" else run
            pieces.append(f" {texts(choice, 't')} " if choice is not None else "")
    return "".join(pieces)


def _row(row: Element, above: dict[int, str]) -> list[Cell]:
    """One for every column: a cell over several columns or rows stands in each of them."""
    found: list[Cell] = []
    for column, cell in enumerate(children(row, "tc")):
        body = child(cell, "txBody")
        lines = (one_line(_paragraph_text(paragraph)) for paragraph in children(body, "p")) if body is not None else ()
        text = " ".join(filter(None, lines))
        spanned = attribute(cell, "hMerge") in {"1", "true"} and column > 0
        if spanned:
            text = found[-1].text
        elif attribute(cell, "vMerge") in {"1", "true"}:
            text = above.get(column, "")
        above[column] = text
        found.append(Cell(text=text, spanned=spanned))
    return found
