"""Where sentences end, in Chinese and English: for chunks (ingest) and for literal answers (above). Pure, linear time.

Offsets are code points into the given text; nothing is copied or changed. A line break ends a sentence where the next
line starts an item, or where the line before is too short to have been wrapped. Tests: tests/unit/storage/test_sentences.py.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

LONGEST_SENTENCE_CHARACTERS: Final = 1200
"""A longer one is cut at a comma or a space: tables without stops, minified code, attacks."""

# Every branch either consumes what it looked at or looks at a bounded number of characters: no quadratic input.
_END: Final = re.compile(
    r"[。！？!?…]+[”’\"'」』）)\]】》]*"
    r"|(?<!\.)\.+[\"'”’)\]]*(?=\s|\Z)"
    r"|\n[ \t]*\n\s*"
    r"|\n"
)
_ABBREVIATION: Final = re.compile(
    r"(?:\b(?:Mr|Mrs|Ms|Dr|Prof|Sr|Jr|St|No|Nos|vs|etc|Fig|Figs|Eq|Sec|Ch|Vol|pp|p|cf|al|Inc|Ltd|Co|Corp|approx|e\.g|i\.e|U\.S)"
    r"|\b[A-Z])\.$"
)
_ITEM: Final = re.compile(
    r"[ \t]*(?:[-*+•·‣▪–—#>|]|\d{1,3}[.)、．]|[（(]?[一二三四五六七八九十百]{1,3}[)）、]|第[一二三四五六七八九十百\d]{1,4}[章节条])"
)
_SOFT_CUT: Final = re.compile(r"[，,；;、：:\s]")
_WRAPPED_LINE_CHARACTERS: Final = 45


def sentences(text: str, start: int = 0, end: int | None = None) -> Iterator[tuple[int, int]]:
    """(start, end) of each sentence in text[start:end], without the white space around it, in order, never overlapping."""
    stop = len(text) if end is None else end
    begin = start
    for match in _END.finditer(text, start, stop):
        if match.end() <= begin or not _ends_here(text, begin, match, stop):
            continue
        yield from _pieces(text, begin, match.end())
        begin = match.end()
    yield from _pieces(text, begin, stop)


def _ends_here(text: str, begin: int, match: re.Match[str], stop: int) -> bool:
    sign = text[match.start()]
    if sign == "\n":
        if match.end() - match.start() > 1:
            return True
        line = text.rfind("\n", max(begin - 1, match.start() - 200, 0), match.start()) + 1
        length = match.start() - max(line, begin, match.start() - 200)
        width = sum(2 if character > "\u2e80" else 1 for character in text[match.start() - length : match.start()])
        return width < _WRAPPED_LINE_CHARACTERS or bool(_ITEM.match(text, match.end(), stop))
    if sign == ".":
        if _ABBREVIATION.search(text, max(begin, match.start() - 12), match.start() + 1):
            return False
        following = text[match.end() : min(match.end() + 8, stop)].lstrip()
        return not (following[:1].islower() and following[:1].isascii())
    return True


def _pieces(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    """The range without outer white space, cut where it is too long. Nothing for a blank one."""
    while start < end and text[start].isspace():
        start += 1
    while end > start and text[end - 1].isspace():
        end -= 1
    while end - start > LONGEST_SENTENCE_CHARACTERS:
        cut = start + LONGEST_SENTENCE_CHARACTERS
        for match in _SOFT_CUT.finditer(text, start + LONGEST_SENTENCE_CHARACTERS // 2, cut):
            cut = match.end()
        tail = cut
        while tail > start and text[tail - 1].isspace():
            tail -= 1
        if tail > start:
            yield start, tail
        start = cut
        while start < end and text[start].isspace():
            start += 1
    if start < end:
        yield start, end
