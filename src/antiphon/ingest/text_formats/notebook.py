"""Jupyter notebooks: Markdown cells, code, and the text of outputs, in order. Runs in worker processes.

Tests: tests/unit/ingest/text_formats/test_notebook.py.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import msgspec
from msgspec import Struct

from antiphon.ingest.composition import Composition
from antiphon.ingest.markdown import markdown_outline
from antiphon.ingest.plain_text import TextDocument, read_text
from antiphon.ingest.text_formats.html import add_html
from antiphon.ingest.text_formats.json_text import add_json
from antiphon.ingest.text_formats.mending import mended

_LONGEST_OUTPUT_CHARACTERS: Final = 20_000
_TEXT_OUTPUTS: Final = ("text/markdown", "text/plain", "text/html")

Lines = str | list[str]


class Output(Struct, kw_only=True):
    output_type: str = ""
    text: Lines = ""
    data: dict[str, Any] = {}
    ename: str = ""
    evalue: str = ""


class Cell(Struct, kw_only=True):
    """`input` and `worksheets` are version 3's names."""

    cell_type: str = ""
    source: Lines = ""
    input: Lines = ""
    level: int = 0
    outputs: list[Output] = []


class Worksheet(Struct, kw_only=True):
    cells: list[Cell] = []


class Notebook(Struct, kw_only=True):
    cells: list[Cell] = []
    worksheets: list[Worksheet] = []


def open_notebook(path: Path, _password: str | None) -> TextDocument:
    """What is JSON but no notebook is read as JSON."""
    text = read_text(path)
    composition = Composition()
    try:
        notebook = msgspec.json.decode(text.encode(), type=Notebook)
    except (msgspec.MsgspecError, RecursionError):
        add_json(composition, text)
        return composition.document()
    for cell in [*notebook.cells, *(cell for sheet in notebook.worksheets for cell in sheet.cells)]:
        _add_cell(composition, cell)
    title = composition.outline[0].title if composition.outline and composition.outline[0].level == 1 else ""
    return composition.document(title, heading_anchors=True)


def _add_cell(composition: Composition, cell: Cell) -> None:
    source = _joined(cell.source) or _joined(cell.input)
    if cell.cell_type == "markdown":
        _add_markdown(composition, source)
    elif cell.cell_type == "heading":
        composition.heading(source, cell.level or 1)
    else:
        composition.block(source)
    for output in cell.outputs:
        composition.block(_output_text(output)[:_LONGEST_OUTPUT_CHARACTERS])


def _add_markdown(composition: Composition, source: str) -> None:
    source = mended(source)
    position = 0
    for heading in markdown_outline(source):
        composition.block(source[position : heading.start])
        composition.heading(heading.title, heading.level)
        end = source.find("\n", heading.start)
        position = len(source) if end < 0 else end + 1
        following = source[position : position + 400].partition("\n")
        if following[0].strip() and not following[0].strip().strip("=-") and not source.startswith("#", heading.start):
            position += len(following[0]) + 1  # the line under an underlined heading
    composition.block(source[position:])


def _output_text(output: Output) -> str:
    if output.output_type in {"error", "pyerr"}:
        return f"{output.ename}: {output.evalue}"
    if output.text:
        return _joined(output.text)
    for kind in _TEXT_OUTPUTS:
        text = _joined(output.data.get(kind, ""))
        if text and kind == "text/html":
            part = Composition()
            add_html(part, text)
            return part.text()
        if text:
            return text
    return ""


def _joined(lines: object) -> str:
    if isinstance(lines, str):
        return lines
    if isinstance(lines, list):
        return "".join(line for line in lines if isinstance(line, str))  # pyright: ignore[reportUnknownVariableType]
    return ""
