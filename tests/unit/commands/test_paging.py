from __future__ import annotations

from base64 import urlsafe_b64encode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from antiphon.commands.paging import cursor_at, page_of, place_of
from antiphon.core.errors import BadRequest


@given(st.floats(allow_nan=False, allow_infinity=False), st.text("abcXYZ019_:", min_size=1, max_size=60))
def test_a_cursor_leads_back_to_its_place(value: float, ident: str):
    assert place_of(cursor_at("documents", (value, ident)), "documents") == (value, ident)


def encoded(text: str) -> str:
    return urlsafe_b64encode(text.encode()).decode().rstrip("=")


@pytest.mark.parametrize(
    "cursor",
    [
        "", "x", "!!!", "Ümlaut", "a" * 300, encoded("[]"), encoded('["documents"]'), encoded('["documents","x","id"]'),
        encoded('["documents",1,""]'), encoded('["documents",1,2]'), encoded('["documents",1,"x","y"]'), encoded('{"a":1}'),
        encoded('["documents",null,"x"]'), encoded('["documents",true,"x"]'), encoded("[" * 5000), encoded('["sessions",1,"x"]'),
        encoded('["documents",1,"' + "x" * 150 + '"]'),
    ],
)  # fmt: skip
def test_anything_else_is_refused(cursor: str):
    with pytest.raises(BadRequest, match="cursor"):
        place_of(cursor, "documents")


def test_the_last_page_has_no_cursor():
    def page(count: int) -> dict[str, object]:
        return page_of(list(range(count)), "n", limit=3, place=lambda n: (float(n), f"id_{n}"), shape=lambda n: {"n": n})

    assert page(0) == {"items": [], "next_cursor": None}
    assert page(3) == {"items": [{"n": 0}, {"n": 1}, {"n": 2}], "next_cursor": None}
    assert page(4) == {"items": [{"n": 0}, {"n": 1}, {"n": 2}], "next_cursor": cursor_at("n", (2.0, "id_2"))}
    assert place_of(None, "n") is None
