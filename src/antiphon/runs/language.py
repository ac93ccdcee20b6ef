"""Tells the language of a text: `zh` or `en`, from its script. Tests: tests/unit/runs/test_language.py."""

from __future__ import annotations

import re
from typing import Final, Literal

Language = Literal["zh", "en"]

_HAN: Final = re.compile(r"[㐀-鿿豈-﫿\U00020000-\U0003ffff]")
_WORD: Final = re.compile(r"[^\W\d_㐀-鿿豈-﫿\U00020000-\U0003ffff]+")
_READ_CHARACTERS: Final = 4000


def language_of(text: str) -> Language:
    """`zh` when it has at least as many Han characters as words of other scripts: a Chinese question often holds Latin names,
    and a long name is one word."""
    beginning = text[:_READ_CHARACTERS]
    han = len(_HAN.findall(beginning))
    return "zh" if han and han >= len(_WORD.findall(beginning)) else "en"
