"""Anchors that are ranges of rows: `sheet:Name!A12:D40`, `rows:12-40`. Joined and moved; pure.

What anchors there are says ingest/anchors.py, which gives them; retrieve joins those of neighbouring chunks.
Tests: tests/unit/ingest/test_anchors.py, tests/unit/retrieve/test_neighbours.py.
"""

from __future__ import annotations

import re
from typing import Final

_CELLS: Final = re.compile(r"(sheet:.*!)([A-Z]{1,3})(\d{1,7}):([A-Z]{1,3})(\d{1,7})", re.DOTALL)
_ROWS: Final = re.compile(r"(rows:)()(\d{1,9})-()(\d{1,9})")
_ON_A_PAGE: Final = ("slide:", "sheet:")


def keeps_page(anchor: str | None) -> bool:
    """Whether the page number means something beside the anchor: slides and sheets are pages of their document."""
    return anchor is None or anchor.startswith(_ON_A_PAGE)


def column_name(number: int) -> str:
    """1 -> A, 27 -> AA."""
    name = ""
    while number > 0:
        number, rest = divmod(number - 1, 26)
        name = chr(65 + rest) + name
    return name


def column_number(name: str) -> int:
    """A -> 1, AA -> 27."""
    number = 0
    for letter in name:
        number = number * 26 + ord(letter) - 64
    return number


def _parts(anchor: str) -> tuple[str, str, int, str, int] | None:
    found = _CELLS.fullmatch(anchor) or _ROWS.fullmatch(anchor)
    return None if found is None else (found[1], found[2], int(found[3]), found[4], int(found[5]))


def _written(kind: str, left: str, first: int, right: str, last: int) -> str:
    return f"{kind}{left}{first}{':' if left else '-'}{right}{last}"


def moved(anchor: str, rows: int) -> str:
    """The anchor so many rows further down; as it is when it has no rows."""
    parts = _parts(anchor)
    if parts is None:
        return anchor
    kind, left, first, right, last = parts
    return _written(kind, left, first + rows, right, last + rows)


def joined(first: str, last: str | None) -> str:
    """The range from one to the other where both are rows of the same table; else the first."""
    one, other = _parts(first), None if last is None else _parts(last)
    if one is None or other is None or one[0] != other[0]:
        return first
    left = min(one[1], other[1], key=column_number)
    right = max(one[3], other[3], key=column_number)
    return _written(one[0], left, min(one[2], other[2]), right, max(one[4], other[4]))
