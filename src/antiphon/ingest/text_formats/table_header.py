"""Whether the first rows of a table name its columns. Pure. For CSV and for HTML tables without header cells.

Tests: tests/unit/ingest/text_formats/test_delimited.py.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

_NUMBER: Final = re.compile(r"[-+(]?[$€£¥]?\s?\d[\d.,:/\s-]{0,40}\s?[%)]?(?:[a-zA-Z]{1,3})?$")
_SAMPLE_ROWS: Final = 50
_LONGEST_NAME_CHARACTERS: Final = 80


def header_rows(rows: Sequence[Sequence[str]], *, certain: bool) -> int:
    """0 or 1. `certain`: a first row is one unless it looks like data (CSV); else only if it differs from what follows."""
    if len(rows) < 2:
        return 0
    first = [cell.strip() for cell in rows[0]]
    names = [cell for cell in first if cell]
    if not names or len(set(names)) < len(names) or any(len(name) > _LONGEST_NAME_CHARACTERS for name in names):
        return 0
    if len(names) < max(2, len(first) // 2) and not (certain and len(first) == 1):
        return 0
    following = rows[1 : 1 + _SAMPLE_ROWS]
    differs = False
    for column, name in enumerate(first):
        values = [row[column].strip() for row in following if column < len(row) and row[column].strip()]
        if not values:
            continue
        numbers = sum(is_number(value) for value in values) / len(values)
        if is_number(name) and numbers > 0.5:
            return 0
        differs = differs or (numbers > 0.5 and not is_number(name))
    return 1 if certain or differs else 0


def is_number(text: str) -> bool:
    """Also dates, times, percentages and amounts of money."""
    return len(text) <= 50 and _NUMBER.match(text) is not None
