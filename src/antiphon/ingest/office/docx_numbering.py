"""The numbers and bullets that Word shows but does not store: "2.1", "(a)", "第三条". For docx.py.

Counted over the whole document as Word does: a level starts again when a higher one moves on.
Tests: tests/unit/ingest/office/test_docx_numbering.py.
"""

from __future__ import annotations

import re
from typing import Final

from msgspec import Struct

from antiphon.ingest.office.markup import Element, attribute, child, children, is_on, local

_LEVELS: Final = 9
_PLACE: Final = re.compile(r"%([1-9])")
_DIGITS: Final = "〇一二三四五六七八九"
_ROMAN: Final = (
    (1000, "m"), (900, "cm"), (500, "d"), (400, "cd"), (100, "c"), (90, "xc"), (50, "l"), (40, "xl"), (10, "x"), (9, "ix"),
    (5, "v"), (4, "iv"), (1, "i"),
)  # fmt: skip
_CHINESE: Final = frozenset(
    {"chineseCounting", "chineseCountingThousand", "taiwaneseCounting", "taiwaneseCountingThousand", "japaneseCounting",
     "ideographDigital", "chineseLegalSimplified", "ideographLegalTraditional"}
)  # fmt: skip
BULLET: Final = "- "


class _Level(Struct, frozen=True, kw_only=True):
    form: str
    text: str
    first: int
    all_decimal: bool


class Numbering:
    """`root`: of numbering.xml, or None. Ask in the order of the document."""

    def __init__(self, root: Element | None) -> None:
        self._abstract: dict[str, dict[int, _Level]] = {}
        self._lists: dict[str, tuple[str, dict[int, int], dict[int, _Level]]] = {}
        self._counts: dict[str, list[int | None]] = {}
        self._restarted: set[tuple[str, int]] = set()
        for element in root if root is not None else ():
            if local(element) == "abstractNum":
                levels = dict(_level(below) for below in children(element, "lvl"))
                self._abstract[attribute(element, "abstractNumId") or ""] = levels
            elif local(element) == "num":
                self._add_list(element)

    def _add_list(self, element: Element) -> None:
        starts: dict[int, int] = {}
        levels: dict[int, _Level] = {}
        for override in children(element, "lvlOverride"):
            number = whole(attribute(override, "ilvl"), 0)
            start, level = child(override, "startOverride"), child(override, "lvl")
            if start is not None:
                starts[number] = whole(attribute(start, "val"), 1)
            if level is not None:
                levels[number] = _level(level)[1]
        abstract = attribute(child(element, "abstractNumId"), "val") or ""
        self._lists[attribute(element, "numId") or ""] = (abstract, starts, levels)

    def label(self, list_id: str, level: int) -> str:
        """What stands before the paragraph, with a space behind it; empty for one without a number. Counts it."""
        if list_id not in self._lists or not 0 <= level < _LEVELS:
            return ""
        abstract, starts, overrides = self._lists[list_id]
        levels = {**self._abstract.get(abstract, {}), **overrides}
        own = levels.get(level)
        if own is None or own.form == "none":
            return ""
        if own.form == "bullet":
            return BULLET
        counts = self._counts.setdefault(abstract, [None] * _LEVELS)
        if level in starts and (list_id, level) not in self._restarted:
            self._restarted.add((list_id, level))
            counts[level] = starts[level]
        else:
            before = counts[level]
            counts[level] = own.first if before is None else before + 1
        counts[level + 1 :] = [None] * (_LEVELS - level - 1)
        for above in range(level):  # a level that was left out counts as begun
            if counts[above] is None:
                counts[above] = levels[above].first if above in levels else 1

        def shown(match: re.Match[str]) -> str:
            place = int(match[1]) - 1
            count = counts[place]
            of = levels.get(place, own)
            return written(of.first if count is None else count, "decimal" if own.all_decimal else of.form)

        text = _PLACE.sub(shown, own.text).strip()
        return f"{text} " if text else ""


def _level(element: Element) -> tuple[int, _Level]:
    return whole(attribute(element, "ilvl"), 0), _Level(
        form=attribute(child(element, "numFmt"), "val") or "decimal", text=attribute(child(element, "lvlText"), "val") or "",
        first=whole(attribute(child(element, "start"), "val"), 1), all_decimal=is_on(child(element, "isLgl")),
    )  # fmt: skip


def written(number: int, form: str) -> str:
    """The number in a form of OOXML; in digits where the form is not known."""
    if form in {"lowerLetter", "upperLetter"} and number > 0:
        letters = chr(97 + (number - 1) % 26) * min(20, (number - 1) // 26 + 1)
        return letters.upper() if form == "upperLetter" else letters
    if form in {"lowerRoman", "upperRoman"} and 0 < number < 4000:
        roman = ""
        for value, letters in _ROMAN:
            roman += letters * (number // value)
            number %= value
        return roman.upper() if form == "upperRoman" else roman
    if form in _CHINESE and 0 <= number < 1000:
        return _chinese(number)
    if form == "decimalZero":
        return f"{number:02}"
    if form in {"decimalEnclosedCircle", "decimalEnclosedCircleChinese"} and 1 <= number <= 20:
        return chr(0x2460 + number - 1)
    return str(number)


def _chinese(number: int) -> str:
    if number < 10:
        return _DIGITS[number]
    hundreds, tens, ones = number // 100, number // 10 % 10, number % 10
    text = f"{_DIGITS[hundreds]}百" if hundreds else ""
    if tens:
        text += ("" if tens == 1 and not hundreds else _DIGITS[tens]) + "十"
    elif hundreds and ones:
        text += "〇"
    return text + (_DIGITS[ones] if ones else "")


def whole(text: str | None, fallback: int) -> int:
    """An attribute that should be a number."""
    try:
        return int(text) if text is not None and len(text) < 12 else fallback
    except ValueError:
        return fallback
