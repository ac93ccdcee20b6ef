"""Tells the language of a text: `zh` or `en`, from its script. Tests: tests/unit/runs/test_language.py."""

from __future__ import annotations

from typing import Literal

Language = Literal["zh", "en"]


def language_of(text: str) -> Language:
    """`zh` when at least a fifth of its letters are Han characters (a Chinese question often holds Latin names)."""
    letters = [c for c in text[:4000] if c.isalpha()]
    han = sum("㐀" <= c <= "鿿" or "豈" <= c <= "﫿" or "\U00020000" <= c <= "\U0003ffff" for c in letters)
    return "zh" if han and han * 5 >= len(letters) else "en"
