"""Names that people give, made fit to be stored and shown: bounded, one line, nothing that hides or turns text around.

Files lie on disk under our ids, so a name is only ever shown; escaping is the viewer's. Used by library and
conversations. Tests: tests/unit/core/test_display_names.py.
"""

from __future__ import annotations

import unicodedata
from typing import Final

from antiphon.core.errors import BadRequest

MAX_NAME_CHARACTERS: Final = 200
TITLE_WIDTH: Final = 60
"""Of a title made from a question, in columns: a CJK character takes two."""
_JOINERS = frozenset("\u200c\u200d")  # zero-width (non-)joiner: part of Persian, Hindi and emoji spelling
_HIDDEN_CATEGORIES = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})


def clean_name(name: str, *, max_characters: int = MAX_NAME_CHARACTERS) -> str:
    """`name` as NFC on one line, without control, direction and other invisible characters, cut to `max_characters`.

    May be empty. A name with an extension keeps it when cut."""
    if len(name) > 20 * max_characters:  # bounds the work; both ends are kept, for the extension
        name = name[: 10 * max_characters] + name[-10 * max_characters :]
    kept = "".join(
        " " if character.isspace() else character
        for character in unicodedata.normalize("NFC", name)
        if character.isspace() or character in _JOINERS or unicodedata.category(character) not in _HIDDEN_CATEGORIES
    )
    line = " ".join(kept.split())
    if len(line) <= max_characters:
        return line
    stem, dot, extension = line.rpartition(".")
    if dot and stem and 0 < len(extension) <= 12:
        return f"{stem[: max_characters - len(extension) - 2]}….{extension}"
    return line[: max_characters - 1] + "…"


def clean_file_name(name: str) -> str:
    """The last part of whatever path came with an upload; `document` when nothing showable is left."""
    last = name.replace("\\", "/").rstrip("/").rpartition("/")[2]
    cleaned = clean_name(last)
    return cleaned if cleaned.strip(". ") else "document"


def demand_name(name: str, what: str, *, max_characters: int = MAX_NAME_CHARACTERS) -> str:
    """The cleaned name. Raises BadRequest when nothing showable is left; `what` names the thing in the sentence."""
    cleaned = clean_name(name, max_characters=max_characters)
    if not cleaned:
        raise BadRequest(f"The name of a {what} needs at least one visible character.")
    return cleaned


def title_of(question: str) -> str:
    """The first words, cut between words (CJK: between characters) at `TITLE_WIDTH` columns; "" for no visible text."""
    line = clean_name(question, max_characters=4 * TITLE_WIDTH)
    width = 0
    for index, character in enumerate(line):
        width += 2 if _is_wide(character) else 1
        if width > TITLE_WIDTH:
            return _cut(line, index) + "…"
    return line


def _cut(line: str, index: int) -> str:
    head = line[:index]
    if _is_wide(line[index]) or _is_wide(head[-1]) or line[index] == " ":
        return head.rstrip(" ,.;:，。；：、")
    last_space = head.rfind(" ")
    # A single very long word is cut inside.
    return (head[:last_space] if last_space > TITLE_WIDTH // 3 else head).rstrip(" ,.;:，。；：、")


def _is_wide(character: str) -> bool:
    return "\u2e80" <= character <= "\ud7a3" or "\uf900" <= character <= "\ufaff" or "\uff01" <= character <= "\uff60"
