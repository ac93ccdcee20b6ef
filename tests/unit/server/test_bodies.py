from __future__ import annotations

from typing import Annotated, Literal

import pytest
from msgspec import UNSET, Meta, UnsetType

from antiphon.core.errors import BadRequest
from antiphon.protocol.commands import Payload
from antiphon.server.bodies import text_fields


class Query(Payload):
    q: str | None = None
    limit: Annotated[int, Meta(ge=1, le=200)] = 50
    share: float | None = None
    mine: bool = False
    state: Literal["ready", "failed"] | None = None
    ids: Annotated[list[str], Meta(max_length=3)] | None = None
    name: str | UnsetType = UNSET


def test_text_becomes_what_the_payload_says():
    items = [("q", "5"), ("limit", "7"), ("share", "0.5"), ("mine", "true"), ("state", "ready"), ("ids", "a,b"), ("ids", "c")]
    assert text_fields([*items, ("name", "null")], Query) == {
        "q": "5", "limit": 7, "share": 0.5, "mine": True, "state": "ready", "ids": ["a", "b", "c"], "name": "null",
    }  # fmt: skip


@pytest.mark.parametrize(
    "item", [("limit", "0"), ("limit", "x"), ("limit", ""), ("mine", "5"), ("state", "other"), ("nope", "1")]
)
def test_what_does_not_fit_is_refused_by_name(item):
    with pytest.raises(BadRequest) as caught:
        text_fields([item], Query)
    assert repr(item[0]) in caught.value.message


def test_a_single_value_given_twice_is_refused():
    with pytest.raises(BadRequest):
        text_fields([("q", "a"), ("q", "b")], Query)
