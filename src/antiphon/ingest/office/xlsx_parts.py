"""What lies around the sheets of an XLSX: shared texts, formats, the list of sheets, merged cells. For xlsx.py.

Tests: tests/unit/ingest/office/test_xlsx.py.
"""

from __future__ import annotations

import re
from typing import Final

from msgspec import Struct

from antiphon.core.errors import TooLarge
from antiphon.ingest.office.docx_numbering import whole
from antiphon.ingest.office.markup import Element, attribute, child, children, is_on, local, stream_elements
from antiphon.ingest.office.number_formats import BUILT_IN
from antiphon.ingest.office.office_document import tidy
from antiphon.ingest.office.package import Package
from antiphon.storage.lexical.anchor_ranges import column_number

_MOST_SHARED_CHARACTERS: Final = 32_000_000
_MOST_MERGES: Final = 20_000
_RANGE: Final = re.compile(r"\$?([A-Z]{1,3})\$?(\d{1,7})(?::\$?([A-Z]{1,3})\$?(\d{1,7}))?")
_MERGE: Final = re.compile(rb"<(?:\w+:)?mergeCell\s[^>]{0,200}?ref=[\"']([A-Z]{1,3}\d{1,7}:[A-Z]{1,3}\d{1,7})[\"']")
_WINDOW_BYTES: Final = 2**18
_OVERLAP_BYTES: Final = 300


class Sheet(Struct, frozen=True, kw_only=True):
    """`part`: None where it is missing. `hidden`: from those who look at the workbook."""

    name: str
    part: str | None
    hidden: bool


class Range(Struct, frozen=True, kw_only=True):
    """Rows and columns from 1, both ends inside."""

    first_row: int
    last_row: int
    first_column: int
    last_column: int


class Formats(Struct, frozen=True, kw_only=True):
    """By the number of a cell's style: its number format, whether it is bold."""

    codes: list[str]
    bold: list[bool]


def sheets_of(package: Package, main: str, root: Element) -> list[Sheet]:
    relations = package.relations(main)
    listed = child(root, "sheets")
    found: list[Sheet] = []
    for element in children(listed, "sheet") if listed is not None else ():
        key = next((value for name, value in element.items() if name.endswith("}id")), "")
        relation = relations.get(key)
        found.append(
            Sheet(
                name=tidy(attribute(element, "name") or "").replace("\n", " ") or f"Sheet{len(found) + 1}",
                part=relation.target if relation is not None and relation.kind == "worksheet" else None,
                hidden=attribute(element, "state") in {"hidden", "veryHidden"},
            )
        )
    return found


def shared_texts(package: Package, part: str | None) -> list[str]:
    """Without the readings that stand above Japanese and Chinese words. Raises TooLarge for more than is kept."""
    if part is None or not package.has(part):
        return []
    found: list[str] = []
    characters = 0
    with package.open(part) as file:
        for element in stream_elements(file, "si"):
            text = rich_text(element)
            characters += len(text)
            if characters > _MOST_SHARED_CHARACTERS:
                raise TooLarge(f"The workbook holds more than {_MOST_SHARED_CHARACTERS:,} characters: split it.")
            found.append(text)
    return found


def rich_text(element: Element) -> str:
    """Of a shared text or an inline one: its own `t` and those of its runs."""
    pieces: list[str] = []
    for below in element:
        name = local(below)
        if name == "t":
            pieces.append(below.text or "")
        elif name == "r":
            pieces += (run.text or "" for run in children(below, "t"))
    return tidy("".join(pieces))


def formats_of(root: Element | None) -> Formats:
    if root is None:
        return Formats(codes=[], bold=[])
    own: dict[int, str] = {}
    formats, fonts, cells = child(root, "numFmts"), child(root, "fonts"), child(root, "cellXfs")
    for element in children(formats, "numFmt") if formats is not None else ():
        own[whole(attribute(element, "numFmtId"), -1)] = attribute(element, "formatCode") or ""
    bold_fonts = [is_on(child(font, "b")) for font in children(fonts, "font")] if fonts is not None else []
    codes: list[str] = []
    bold: list[bool] = []
    for element in children(cells, "xf") if cells is not None else ():
        number, font = whole(attribute(element, "numFmtId"), 0), whole(attribute(element, "fontId"), 0)
        codes.append(own.get(number, BUILT_IN.get(number, "")))
        bold.append(bold_fonts[font] if 0 <= font < len(bold_fonts) else False)
    return Formats(codes=codes, bold=bold)


def merged_ranges(package: Package, part: str) -> list[Range]:
    """They stand behind the cells they concern, so the part is run through once before it is read. Bounded."""
    found: list[Range] = []
    kept = b""
    with package.open(part) as file:
        while window := file.read(_WINDOW_BYTES):
            text = kept + window
            end = 0
            for match in _MERGE.finditer(text):
                end = match.end()
                merged = cell_range(match[1].decode())
                if merged is not None:
                    found.append(merged)
            if len(found) > _MOST_MERGES:
                break
            kept = text[max(end, len(text) - _OVERLAP_BYTES) :]
    return found


def cell_range(reference: str) -> Range | None:
    match = _RANGE.fullmatch(reference)
    if match is None:
        return None
    column, row = column_number(match[1]), int(match[2])
    return Range(
        first_row=row, last_row=int(match[4] or row), first_column=column,
        last_column=column_number(match[3]) if match[3] else column,
    )  # fmt: skip
