"""JSON and JSON lines: a line `a.b[3]: value` for each value. Linear, no recursion. Runs in worker processes.

What stops being JSON half-way is kept as text up to its end. Tests: tests/unit/ingest/text_formats/test_json_text.py.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

import msgspec
from msgspec import Struct

from antiphon.core.errors import BadRequest
from antiphon.ingest.composition import Composition
from antiphon.ingest.plain_text import TextDocument, read_text
from antiphon.ingest.text_formats.json_tokens import tokens

_SHOWN_FIRST: Final = 3
_SHOWN_LAST: Final = 5
_LONGEST_KEY_CHARACTERS: Final = 80
_DEEPEST: Final = 100_000
_PLAIN_KEY: Final = re.compile(r"[^\s.\[\]:\"]+")


class _Level(Struct, kw_only=True):
    """An open object or array. `key`: of the value being read; `index`: its place in an array."""

    array: bool
    key: str = ""
    index: int = 0


def open_json(path: Path, _password: str | None) -> TextDocument:
    text = read_text(path)
    composition = Composition()
    add_json(composition, text)
    return composition.document(heading_anchors=False)


def add_json(composition: Composition, text: str) -> None:
    """A value begins a block where it is an element of an array, so that records stay apart."""
    levels: list[_Level] = []
    key: str | None = None
    position = 0
    fresh = True
    for token in tokens(text):
        position = token.end()
        sign, string, scalar = token["sign"], token["string"], token["scalar"]
        if sign in {"{", "["}:
            _top_heading(composition, levels)
            levels.append(_Level(array=sign == "["))
            if len(levels) > _DEEPEST:
                raise BadRequest(f"The JSON is nested more than {_DEEPEST:,} levels deep.", data={"reason": "too_deep"})
            fresh = fresh or (len(levels) > 1 and levels[-2].array) or len(levels) <= 1
        elif sign in {"}", "]"}:
            if not levels or levels[-1].array != (sign == "]"):
                position = token.start()
                break
            levels.pop()
            fresh = fresh or not levels
        elif sign == ",":
            if levels:
                levels[-1].index += 1
                key = None
        elif sign == ":":
            if levels and key is not None:
                levels[-1].key = key
        elif string is not None and levels and not levels[-1].array and _is_key(text, position):
            key = _string(string)
        else:
            value = _string(string) if string is not None else scalar or ""
            fresh = _add_value(composition, levels, value, fresh=fresh)
    rest = text[position:].strip()
    if rest:
        composition.block(rest)


def _top_heading(composition: Composition, levels: list[_Level]) -> None:
    """The keys of the outermost object that hold more than one value are headings."""
    if len(levels) == 1 and not levels[0].array and levels[0].key:
        composition.heading(levels[0].key[:_LONGEST_KEY_CHARACTERS], 1)


def _is_key(text: str, position: int) -> bool:
    while position < len(text) and text[position] in " \t\r\n":
        position += 1
    return text[position : position + 1] == ":"


def _add_value(composition: Composition, levels: list[_Level], value: str, *, fresh: bool) -> bool:
    if not value.strip():
        return fresh
    path = _path(levels)
    line = f"{path}: {value}" if path else value
    if fresh:
        composition.block(line)
    else:
        composition.line(line)
    return False


def _path(levels: list[_Level]) -> str:
    """Bounded: of a deep path the first and the last steps."""
    shown = levels
    if len(levels) > _SHOWN_FIRST + _SHOWN_LAST:
        shown = [*levels[:_SHOWN_FIRST], *levels[-_SHOWN_LAST:]]
    parts: list[str] = []
    for number, level in enumerate(shown):
        if number == _SHOWN_FIRST and len(shown) < len(levels):
            parts.append("…")
        if level.array:
            parts.append(f"[{level.index}]")
        else:
            key = level.key[:_LONGEST_KEY_CHARACTERS]
            parts.append(("." if parts else "") + (key if _PLAIN_KEY.fullmatch(key) else f'"{key}"'))
    return "".join(parts)


def _string(token: str) -> str:
    """The text of a string token; as written when its escapes are wrong."""
    if "\\" not in token:
        return token[1:-1]
    try:
        return msgspec.json.decode(token, type=str)
    except msgspec.MsgspecError:
        return token[1:-1]
