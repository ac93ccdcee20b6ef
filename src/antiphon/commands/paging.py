"""Pages of lists: an opaque cursor in, `items` and `next_cursor` out. Used by the handlers. Tests: tests/unit/commands/test_paging.py.

A cursor holds the place of the last row of the page before: what it is a list of, the value it is ordered by, and the id. It
is no secret and no right: whatever stands in it, the scope is applied to the query all the same.
"""

from __future__ import annotations

import binascii
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Sequence
from typing import Annotated, Any, Final, TypeVar

import msgspec
from msgspec import Meta

from antiphon.core.errors import BadRequest

R = TypeVar("R")
Place = tuple[float, str]
"""(value of the order column, id) of the last row of a page. All lists are ordered by a time."""
MAX_CURSOR_CHARACTERS: Final = 256
_Encoded = tuple[str, float, Annotated[str, Meta(min_length=1, max_length=128)]]


def place_of(cursor: str | None, kind: str) -> Place | None:
    """None: from the start. Raises BadRequest for a cursor that this list did not give."""
    if cursor is None:
        return None
    try:
        padded = cursor.encode("ascii") + b"=" * (-len(cursor) % 4)
        named, value, ident = msgspec.json.decode(urlsafe_b64decode(padded), type=_Encoded)
    except (binascii.Error, UnicodeError, msgspec.DecodeError):
        named, value, ident = "", 0.0, ""
    if named != kind or len(cursor) > MAX_CURSOR_CHARACTERS:
        raise BadRequest("The cursor is not one of this list: start again without it.")
    return value, ident


def cursor_at(kind: str, place: Place) -> str:
    return urlsafe_b64encode(msgspec.json.encode((kind, *place))).rstrip(b"=").decode()


def page_of(
    rows: Sequence[R],
    kind: str,
    *,
    limit: int,
    place: Callable[[R], Place],
    shape: Callable[[R], dict[str, Any]],
    key: str = "items",
) -> dict[str, Any]:
    """`rows`: up to `limit` + 1 of them, the one too many tells that there is a next page."""
    shown = rows[:limit]
    more = len(rows) > limit
    return {key: [shape(row) for row in shown], "next_cursor": cursor_at(kind, place(shown[-1])) if more else None}
