"""Finds citation marks in a growing answer: `[n]`, `【n】`, `[n,m]`, also when split over tokens.

Pure and incremental: text is never held back, only the place of an open bracket is remembered. Places are code points of
the answer. Source of the rule: docs/protocol.md section 4 (`citation`). Tests: tests/unit/runs/test_marks.py,
tests/properties/test_marks.py (any split gives the same marks).
"""

from __future__ import annotations

import re
from typing import NamedTuple

MAX_MARK_CHARACTERS = 24
"""A bracket that is still open after this many characters is not a mark (bounds the look-back)."""

_MARK = re.compile(r"[\[【]\s*\^?(\d{1,3}(?:\s*[,，、]\s*\^?\d{1,3})*)\s*[\]】]")
_NUMBER = re.compile(r"\d{1,3}")
_OPENERS = ("[", "【")


class Mark(NamedTuple):
    """`start`, `end`: code points of the answer, half open, of the whole bracket. `numbers` in the order written."""

    numbers: tuple[int, ...]
    start: int
    end: int


class MarkScanner:
    def __init__(self) -> None:
        self._length = 0
        self._tail = ""

    def feed(self, text: str) -> list[Mark]:
        """The marks that end inside `text`, which follows everything fed before."""
        self._length += len(text)
        if not self._tail and "[" not in text and "【" not in text:
            return []
        window = self._tail + text
        base = self._length - len(window)
        found = [
            Mark(tuple(int(n) for n in _NUMBER.findall(match.group(1))), base + match.start(), base + match.end())
            for match in _MARK.finditer(window)
            if match.end() - match.start() <= MAX_MARK_CHARACTERS + 1
        ]
        end_of_last = found[-1].end - base if found else 0
        opened = max(window.rfind(opener) for opener in _OPENERS)
        keep = opened >= end_of_last and len(window) - opened <= MAX_MARK_CHARACTERS
        self._tail = window[opened:] if keep else ""
        return found
