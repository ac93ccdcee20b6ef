"""The text of a PDF page, built per pdfium character index, so that every stored character has its box.

`get_text_range` must not be used: it leaves characters out, and its offsets then point at other boxes (40 of 288 pages).
What is mended, each with the exact map stored offset -> character index: line-end hyphens, ligatures, spaces inside
Chinese text, lines wrapped inside a paragraph, surrogates. The map is not stored; it is made again when rectangles are
asked for, so the same input must give the same text: `pdf_text_version.MENDING_VERSION` changes with the algorithm. Runs in worker processes. Tests: tests/unit/ingest/test_pdf_text.py.
"""

from __future__ import annotations

import ctypes
import unicodedata
from array import array
from typing import Any, Final

import pypdfium2.raw as pdfium
from msgspec import Struct

NO_BOX: Final = -1
"""In `PageText.places`: a character of ours (a joined line's space, a paragraph's end)."""

_HYPHEN: Final = 0x02  # what pdfium gives for a hyphen at a line's end; it swallows the line break behind it
_SOFT_HYPHEN: Final = 0xAD
_LIGATURES: Final = {0xFB00: "ff", 0xFB01: "fi", 0xFB02: "fl", 0xFB03: "ffi", 0xFB04: "ffl", 0xFB05: "st", 0xFB06: "st"}
_SPACES: Final = frozenset((0x09, 0x20, 0xA0, 0x3000, *range(0x2000, 0x200B), 0x202F))
_SAME_SIZE: Final = 0.08
_WRAP_SLACK_EM: Final = 7.0
_WRAP_SLACK_CJK_EM: Final = 2.0
_BLOCK_LINES: Final = 12

Box = tuple[float, float, float, float]
"""x0, y0, x1, y1 from the top left of the page as displayed, in points."""


class Line(Struct, kw_only=True):
    """A line as pdfium breaks them. `places`, `characters`: what it holds; the boxes are of its first and last."""

    characters: list[str]
    places: list[int]
    first: Box | None
    last: Box | None

    @property
    def size_pt(self) -> float:
        return 0.0 if self.first is None else self.first[3] - self.first[1]


class LineStart(Struct, frozen=True, kw_only=True):
    """For finding headings: where a line of the stored text begins, and how high its letters are."""

    start: int
    end: int
    size_pt: float


class PageText(Struct, frozen=True, kw_only=True):
    """`places[i]`: the pdfium character index of `text[i]`, or NO_BOX."""

    text: str
    places: array[int]
    lines: list[LineStart]


class PageGeometry:
    """Boxes of a page in display coordinates: rotation and crop box applied."""

    def __init__(self, page: Any, text_page: Any) -> None:
        self.width_pt, self.height_pt = page.get_size()
        self._text_page = text_page
        self._left, self._bottom, self._right, self._top = page.get_bbox()
        self.rotation = page.get_rotation()
        self._numbers = tuple(ctypes.c_double() for _ in range(4))
        self._references = tuple(ctypes.byref(number) for number in self._numbers)
        self._rectangle = pdfium.FS_RECTF()

    def display(self, left: float, bottom: float, right: float, top: float) -> Box:
        """From PDF user space to the page as displayed."""
        if self.rotation == 90:
            box = (bottom - self._bottom, left - self._left, top - self._bottom, right - self._left)
        elif self.rotation == 180:
            box = (self._right - right, bottom - self._bottom, self._right - left, top - self._bottom)
        elif self.rotation == 270:
            box = (self._top - top, self._right - right, self._top - bottom, self._right - left)
        else:
            box = (left - self._left, self._top - top, right - self._left, self._top - bottom)
        return box

    def tight_box(self, index: int) -> Box | None:
        """The box of the glyph's ink; None when the character has no extent."""
        left, right, bottom, top = self._numbers
        if not pdfium.FPDFText_GetCharBox(self._text_page, index, *self._references):
            return None
        if right.value <= left.value or top.value <= bottom.value:
            return None
        return self.display(left.value, bottom.value, right.value, top.value)

    def loose_box(self, index: int) -> Box | None:
        """The box of the glyph's advance and its font's height."""
        rectangle = self._rectangle
        if not pdfium.FPDFText_GetLooseCharBox(self._text_page, index, ctypes.byref(rectangle)):
            return None
        if rectangle.right <= rectangle.left or rectangle.top <= rectangle.bottom:
            return None
        return self.display(rectangle.left, rectangle.bottom, rectangle.right, rectangle.top)


def is_cjk(character: str) -> bool:
    """Ideographs, kana, and the punctuation and full-width forms set among them."""
    return (
        "\u3001" <= character <= "\u30ff"
        or "\u3400" <= character <= "\u9fff"
        or "\uf900" <= character <= "\ufaff"
        or "\uff01" <= character <= "\uff60"
        or character >= "\U00020000"
    )


def read_page_text(text_page: Any, geometry: PageGeometry) -> PageText:
    """Deterministic: the same page gives the same text and places with one MENDING_VERSION."""
    count = max(0, pdfium.FPDFText_CountChars(text_page))
    get = pdfium.FPDFText_GetUnicode
    codes = [get(text_page, index) for index in range(count)]
    lines = _lines(codes, geometry)
    return _join(lines)


def _lines(codes: list[int], geometry: PageGeometry) -> list[Line]:
    lines: list[Line] = []
    begin = 0
    for index, code in enumerate([*codes, 0x0A]):
        if code in {0x0A, 0x0D}:
            if index > begin:
                line = _line(codes, begin, index, geometry)
                if line is not None:
                    lines.append(line)
            begin = index + 1
    return lines


def _line(codes: list[int], begin: int, end: int, geometry: PageGeometry) -> Line | None:
    """One line without outer spaces; None when nothing stays."""
    characters: list[str] = []
    places: list[int] = []
    for index in range(begin, end):
        text = _character(codes, index, end)
        for character in text:
            characters.append(character)
            places.append(index)
    while characters and characters[-1] == " ":
        characters.pop()
        places.pop()
    lead = next((n for n, character in enumerate(characters) if character != " "), 0)
    if lead:
        del characters[:lead], places[:lead]
    if not characters:
        return None
    _drop_inner_spaces(characters, places, geometry)
    return Line(
        characters=characters, places=places, first=geometry.loose_box(places[0]), last=geometry.loose_box(places[-1])
    )  # fmt: skip


def _character(codes: list[int], index: int, end: int) -> str:
    """What is stored for one pdfium character: one, several (a ligature) or none."""
    code = codes[index]
    if 0x20 < code < 0x7F:
        return chr(code)
    if code in _SPACES:
        return " "
    if code in {_HYPHEN, _SOFT_HYPHEN}:
        # "exam-\nple" is one word; "COVID-\n19" and a hyphen with nothing behind it keep theirs
        following = chr(codes[index + 1]) if index + 1 < end else ""
        return "" if following.islower() else ("" if code == _SOFT_HYPHEN else "-")
    if code in _LIGATURES:
        return _LIGATURES[code]
    if 0xD800 <= code < 0xDC00 and index + 1 < end and 0xDC00 <= codes[index + 1] < 0xE000:
        return chr(0x10000 + ((code - 0xD800) << 10) + (codes[index + 1] - 0xDC00))
    if code < 0x20 or 0x7F <= code < 0xA0 or 0xD800 <= code < 0xE000 or code > 0x10FFFF or code in {0xFEFF, 0xFFFE, 0xFFFF}:
        return ""
    return chr(code)


def _drop_inner_spaces(characters: list[str], places: list[int], geometry: PageGeometry) -> None:
    """Runs of spaces become one; between two CJK characters none, unless the gap is as wide as a table's."""
    kept = 0
    size = len(characters)
    position = 0
    while position < size:
        character, place = characters[position], places[position]
        if character == " ":
            after = position
            while after < size and characters[after] == " ":
                after += 1
            position = after
            if (
                is_cjk(characters[kept - 1])
                and is_cjk(characters[after])
                and not _wide_gap(places[kept - 1], places[after], geometry)
            ):
                continue
        else:
            position += 1
        characters[kept], places[kept] = character, place
        kept += 1
    del characters[kept:], places[kept:]


def _wide_gap(left_index: int, right_index: int, geometry: PageGeometry) -> bool:
    left, right = geometry.loose_box(left_index), geometry.loose_box(right_index)
    if left is None or right is None:
        return False
    em = max(left[2] - left[0], left[3] - left[1])
    return max(right[0] - left[2], right[1] - left[3]) > em


def _join(lines: list[Line]) -> PageText:
    characters: list[str] = []
    places = array("i")
    starts: list[LineStart] = []
    for number, line in enumerate(lines):
        if number:
            between = _between(lines, number)
            characters.extend(between)
            places.extend([NO_BOX] * len(between))
        start = len(characters)
        characters.extend(line.characters)
        places.extend(line.places)
        starts.append(LineStart(start=start, end=len(characters), size_pt=round(line.size_pt, 1)))
    return PageText(text="".join(characters), places=places, lines=starts)


def _between(lines: list[Line], number: int) -> str:
    """What stands between a line and the one before: nothing or a space inside a paragraph, else one or two line ends."""
    before, after = lines[number - 1], lines[number]
    if before.first is None or after.first is None or before.last is None:
        return "\n"
    size = before.size_pt
    if abs(after.size_pt - size) > _SAME_SIZE * size:
        return "\n\n"
    step = after.first[1] - before.last[1]
    if step > 1.9 * size:
        return "\n\n"
    indent = after.first[0] - before.first[0]
    if step < 0.5 * size or indent > 0.6 * size or _starts_item(after.characters):
        return "\n"
    cjk = is_cjk(before.characters[-1]) and is_cjk(after.characters[0])
    slack_pt = (_WRAP_SLACK_CJK_EM if cjk else _WRAP_SLACK_EM) * size
    right = _block_right(lines, number - 1)
    if right - before.first[0] < 12 * size or before.last[2] < right - slack_pt:
        return "\n"
    return "" if cjk else " "


def _block_right(lines: list[Line], number: int) -> float:
    """The right edge of the text block that a line stands in."""
    line = lines[number]
    assert line.first is not None
    right = 0.0
    for other in lines[max(0, number - _BLOCK_LINES) : number + _BLOCK_LINES]:
        near = other.first is not None and abs(other.first[0] - line.first[0]) < 3 * line.size_pt
        if near and other.last is not None and abs(other.size_pt - line.size_pt) <= _SAME_SIZE * line.size_pt:
            right = max(right, other.last[2])
    return right


def _starts_item(characters: list[str]) -> bool:
    """Whether a line begins a list item: a bullet, or a short number with a sign behind it."""
    if characters[0] in "•‣▪◦●○■–—*·-":
        return True
    digits = 0
    while digits < min(len(characters), 3) and unicodedata.category(characters[digits]) == "Nd":
        digits += 1
    return 0 < digits < len(characters) and characters[digits] in ".)、．)" and "".join(characters[digits + 1 : digits + 2]) != ""
