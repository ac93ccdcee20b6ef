"""`split_sentences`: sentences of Chinese and English text as ranges, in linear time. Called by extractive.py.

Tests: tests/unit/models/test_sentences.py, tests/properties/test_sentence_ranges.py.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

LONGEST_SENTENCE_CHARACTERS: Final = 600

_CLOSERS: Final = r"[\"'”’」』）)\]》〉】]*"
# What may end a sentence: CJK ends always do; Latin ends are looked at again; an empty line does, and so does a line that
# begins like a heading, a list item or a table row.
_ENDS: Final = re.compile(
    rf"(?P<cjk>[。！？]+[.!?…]*{_CLOSERS})"
    rf"|(?P<latin>[.!?]+{_CLOSERS})"
    r"|(?P<blank>\n[ \t\r\f\v]*\n)"
    r"|(?P<line>\n(?=[ \t]{0,8}(?:[-*+•·▪●|]|\#{1,6}[ ]|\d{1,3}[.)、][ \t]|[一二三四五六七八九十]{1,3}、|（[一二三四五六七八九十]{1,3}）)))"
)
_ABBREVIATIONS: Final = frozenset(
    re.findall(
        r"\S+",
        "mr mrs ms dr prof st jr sr vs cf al fig figs eq eqs sec art vol approx ca resp incl excl e.g i.e e.g. i.e. u.s "
        "u.k jan feb mar apr jun jul aug sep sept oct nov dec dept inc ltd corp co est ed eds",
    )
)
# Abbreviations only in front of a number: "No. 5", "p. 12", but "The answer is no. Then".
_BEFORE_NUMBERS: Final = frozenset({"no", "nos", "p", "pp", "art", "sec", "fig", "vol", "ch", "para", "item", "ver"})
_LOOK_BACK_CHARACTERS: Final = 12
_SOFT_ENDS: Final = ("；", ";", "，", ",", "\n", " ")


def split_sentences(text: str, *, longest_characters: int = LONGEST_SENTENCE_CHARACTERS) -> list[tuple[int, int]]:
    """Half-open ranges of `text` in reading order, without white space at their ends, never empty, never longer than asked.

    What lies between two ranges is white space only. A sentence that is too long is cut at a comma or a space where possible."""
    ranges: list[tuple[int, int]] = []
    start = 0
    for end in _sentence_ends(text):
        ranges += _bounded(text, start, end, longest_characters)
        start = end
    ranges += _bounded(text, start, len(text), longest_characters)
    return ranges


def _sentence_ends(text: str) -> Iterator[int]:
    for match in _ENDS.finditer(text):
        if match.lastgroup != "latin" or _is_latin_end(text, match):
            yield match.end()


def _is_latin_end(text: str, match: re.Match[str]) -> bool:
    """Not an end: decimals, versions and addresses (no space follows), abbreviations, initials, list numbers."""
    start, end = match.span()
    following = text[end : end + 1]
    if following and not following.isspace():
        return _is_cjk(following) and not text[start - 1 : start].isascii()
    if match.group()[0] != ".":
        return True
    return not _is_abbreviation(_word_before(text, start), _next_character(text, end), _opens_line(text, start))


def _is_abbreviation(word: str, following: str, opens_line: bool) -> bool:
    lower = word.lower()
    if following.islower():
        return True  # nobody begins a sentence with a small letter; abbreviations are followed by them
    if following.isdigit() and lower in _BEFORE_NUMBERS:
        return True
    if len(word) == 1 and word.isalpha() and word.isupper() and word.isascii():
        return True  # an initial
    if opens_line and word.isdigit():
        return True  # "1. First" is one item
    return lower in _ABBREVIATIONS


def _word_before(text: str, end: int) -> str:
    """The letters, digits and inner dots right before `end`; at most a dozen characters are looked at."""
    start = end
    while start > 0 and end - start < _LOOK_BACK_CHARACTERS and (text[start - 1].isalnum() or text[start - 1] == "."):
        start -= 1
    return text[start:end]


def _opens_line(text: str, end: int) -> bool:
    """Whether only digits (and indentation) stand between the line's beginning and `end`."""
    start = end
    while start > 0 and end - start < _LOOK_BACK_CHARACTERS and text[start - 1].isdigit():
        start -= 1
    before = text[max(0, start - _LOOK_BACK_CHARACTERS) : start].rpartition("\n")[2]
    return start < end and not before.strip()


def _next_character(text: str, start: int) -> str:
    """The next one that is not white space, within a few; empty at the end."""
    return text[start : start + 4].strip()[:1]


def _bounded(text: str, start: int, end: int, longest: int) -> Iterator[tuple[int, int]]:
    while True:
        while start < end and text[start].isspace():
            start += 1
        while start < end and text[end - 1].isspace():
            end -= 1
        if end - start <= longest:
            break
        cut = start + longest
        for soft in _SOFT_ENDS:
            place = text.rfind(soft, start + longest // 2, cut)
            if place >= 0:
                cut = place + len(soft)
                break
        trimmed = cut
        while text[trimmed - 1].isspace():
            trimmed -= 1
        yield start, trimmed
        start = cut
    if start < end:
        yield start, end


def _is_cjk(character: str) -> bool:
    return "\u3040" <= character <= "\u9fff" or "\uf900" <= character <= "\ufaff"
