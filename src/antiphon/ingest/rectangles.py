"""Boxes of characters -> one rectangle per line of text. Pure. Tests: tests/unit/ingest/test_rectangles.py."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

Box = tuple[float, float, float, float]

_SAME_LINE: Final = 0.5
_COLUMN_GAP_EM: Final = 2.5
"""A wider gap begins a new rectangle, so that none covers what stands between two columns or cells."""


def merge_boxes(boxes: Sequence[tuple[Box, Box]], width_pt: float, height_pt: float) -> list[list[float]]:
    """`boxes`: (ink, advance and font height) of each character in reading order. Whether a character goes on with the line
    is told by the second, the rectangle is made of the first. Rounded outwards to 0.01 pt, inside the page."""
    merged: list[tuple[Box, Box, str]] = []
    for ink, cell in boxes:
        if merged:
            last_ink, last_cell, direction = merged[-1]
            found = _direction(last_cell, cell)
            if found and direction in {"", found}:
                # the cell compared next is the newest one: a line may run slightly askew
                merged[-1] = (_union(last_ink, ink), _advance(last_cell, cell, found), found)
                continue
        merged.append((ink, cell, ""))
    return [_inside(ink, width_pt, height_pt) for ink, _, _ in merged if ink[2] > 0 and ink[3] > 0]


def _direction(one: Box, other: Box) -> str:
    """`h` when `other` goes on to the right or left of `one`, `v` when it does above or below (turned or vertical text)."""
    em = max(min(one[2] - one[0], one[3] - one[1]), min(other[2] - other[0], other[3] - other[1]))
    em = max(em, min(one[3] - one[1], other[3] - other[1]))
    if _overlap(one[1], one[3], other[1], other[3]) >= _SAME_LINE:
        return "h" if _gap(one[0], one[2], other[0], other[2]) <= _COLUMN_GAP_EM * em else ""
    if _overlap(one[0], one[2], other[0], other[2]) >= _SAME_LINE:
        width = min(one[2] - one[0], other[2] - other[0])
        tall = max(one[3] - one[1], other[3] - other[1]) <= 1.2 * width
        return "v" if tall and _gap(one[1], one[3], other[1], other[3]) <= 0.6 * width else ""
    return ""


def _overlap(start: float, end: float, other_start: float, other_end: float) -> float:
    """Share of the shorter one."""
    shorter = max(min(end - start, other_end - other_start), 0.01)
    return (min(end, other_end) - max(start, other_start)) / shorter


def _gap(start: float, end: float, other_start: float, other_end: float) -> float:
    return max(other_start - end, start - other_end)


def _union(one: Box, other: Box) -> Box:
    return min(one[0], other[0]), min(one[1], other[1]), max(one[2], other[2]), max(one[3], other[3])


def _advance(line: Box, cell: Box, direction: str) -> Box:
    """The line's extent along its direction, the newest character's across it."""
    if direction == "h":
        return min(line[0], cell[0]), cell[1], max(line[2], cell[2]), cell[3]
    return cell[0], cell[1], cell[2], cell[3]


def _inside(box: Box, width_pt: float, height_pt: float) -> list[float]:
    x0, y0, x1, y1 = box
    return [
        max(0.0, math.floor(x0 * 100) / 100), max(0.0, math.floor(y0 * 100) / 100),
        min(width_pt, math.ceil(x1 * 100) / 100), min(height_pt, math.ceil(y1 * 100) / 100),
    ]  # fmt: skip
