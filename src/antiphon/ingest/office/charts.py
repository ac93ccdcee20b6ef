"""Charts and diagrams of DOCX and PPTX as lines: the title, then each category with its values. For docx.py and pptx.py.

Only what the file keeps for display is read; embedded workbooks are not opened. Tests: tests/unit/ingest/office/test_pptx.py.
"""

from __future__ import annotations

from typing import Final

from antiphon.ingest.office.docx_numbering import whole
from antiphon.ingest.office.markup import Element, attribute, child, children, texts
from antiphon.ingest.office.office_document import one_line
from antiphon.ingest.office.tables import row_line

_MOST_POINTS: Final = 2_000
_MOST_SERIES: Final = 100


def chart_lines(root: Element | None) -> list[str]:
    """Empty for a missing or unreadable chart."""
    if root is None:
        return []
    title = next((one_line(texts(found, "t")) for found in root.iter("{*}title") if found.getparent() is not None), "")
    columns: list[str] = [""]
    rows: dict[int, list[str]] = {}
    for series in list(root.iter("{*}ser"))[:_MOST_SERIES]:
        tx, cat, val = child(series, "tx"), child(series, "cat"), child(series, "val")
        cat = child(series, "xVal") if cat is None else cat
        val = child(series, "yVal") if val is None else val
        columns.append(" ".join(_points(tx).values()) if tx is not None else f"Series {len(columns)}")
        names, values = _points(cat), _points(val)
        for index in sorted(names.keys() | values.keys()):
            row = rows.setdefault(index, [""])
            row[0] = row[0] or names.get(index, "")
            row += [""] * (len(columns) - 1 - len(row))
            row.append(values.get(index, ""))
    lines = [f"Chart: {title}"] if title else []
    return lines + [line for _, row in sorted(rows.items()) if (line := row_line(row, columns))]


def _points(parent: Element | None) -> dict[int, str]:
    """Index -> value as kept for display."""
    found: dict[int, str] = {}
    for point in parent.iter("{*}pt") if parent is not None else ():
        value = child(point, "v")
        if value is not None and value.text and len(found) < _MOST_POINTS:
            found[whole(attribute(point, "idx"), len(found))] = _short(one_line(value.text))
    if not found and parent is not None:
        value = child(parent, "v")
        if value is not None and value.text:
            found[0] = one_line(value.text)
    return found


def _short(text: str) -> str:
    """0.30000000000000004 -> 0.3"""
    try:
        return f"{float(text):.10g}" if "." in text and len(text) > 8 else text
    except ValueError:
        return text


def diagram_lines(root: Element | None) -> list[str]:
    """The words of a SmartArt drawing, one line for each of its points."""
    if root is None:
        return []
    points = child(root, "ptLst")
    found = (one_line(texts(point, "t")) for point in children(points, "pt")) if points is not None else ()
    return [f"- {line}" for line in found if line]
