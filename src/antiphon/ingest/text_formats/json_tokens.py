"""JSON as tokens: linear, without recursion, so that nesting 50,000 deep costs nothing. For json_text.py and type detection.

Tests: tests/unit/ingest/text_formats/test_json_text.py.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final, Literal

TOKEN: Final = re.compile(
    r"""[ \t\r\n]*(?:(?P<sign>[{}\[\],:])|(?P<string>"[^"\\\x00-\x1f]*+(?:\\.[^"\\\x00-\x1f]*+)*+")"""
    r"""|(?P<scalar>-?\d{1,4000}(?:\.\d{1,4000})?(?:[eE][-+]?\d{1,10})?|true|false|null|NaN|-?Infinity)(?![\w.]))"""
)
_UNFINISHED: Final = re.compile(r'[ \t\r\n]*(?:"[^"\\\x00-\x1f]*+(?:\\.[^"\\\x00-\x1f]*+)*+\\?|[-\w.+]*)\Z')
_OPENING: Final = {"}": "{", "]": "["}


def tokens(text: str, position: int = 0) -> Iterator[re.Match[str]]:
    """The tokens from `position`; ends where nothing fits. The last match's end says how far it came."""
    return iter(TOKEN.scanner(text, position).match, None)  # type: ignore[attr-defined]


def looks_like_json(text: str, *, whole: bool) -> Literal["one", "lines"] | None:
    """Whether a file that begins with `text` is JSON, or JSON values one after another ("lines")."""
    open_signs: list[str] = []
    expects = "value"
    values = position = 0
    for token in tokens(text):
        position = token.end()
        sign = token["sign"]
        if not open_signs and expects == "separator":
            expects = "value"
        following = _next(expects, sign, token["string"] is not None, open_signs)
        if following is None:
            return None
        expects = following
        if not open_signs and expects == "separator":
            values += 1
    rest = text[position:]
    finished = not rest.strip() and not open_signs and expects == "separator"
    if whole and not finished:
        return None
    if rest.strip() and not _UNFINISHED.match(rest):
        return None
    return "lines" if values > 1 or (values == 1 and not whole and not finished and not open_signs) else "one"


def _next(expects: str, sign: str | None, string: bool, open_signs: list[str]) -> str | None:
    """What may follow; None where the token can't stand. Only as strict as telling JSON from prose needs."""
    if sign in {"{", "["} and expects in {"value", "value or end"}:
        open_signs.append(sign or "")
        return "key or end" if sign == "{" else "value or end"
    if sign in {"}", "]"}:
        if (
            not open_signs
            or open_signs.pop() != _OPENING[sign or ""]
            or expects not in {"separator", "key or end", "value or end"}
        ):
            return None
        return "separator"
    if sign == ",":
        if expects != "separator" or not open_signs:
            return None
        return "key" if open_signs[-1] == "{" else "value"
    if sign == ":":
        return "value" if expects == "colon" else None
    if expects in {"key", "key or end"}:
        return "colon" if string else None
    if expects in {"value", "value or end"} and open_signs:
        return "separator"
    return None
