"""Which output may feed which input, and which values fit."""

from __future__ import annotations

from typing import get_args

import pytest

from antiphon.flows.descriptor import PortType
from antiphon.flows.port_types import fits, may_feed

TYPES = get_args(PortType)


def test_the_whole_table_of_edges() -> None:
    allowed = {(source, target) for source in TYPES for target in TYPES if may_feed(source, target)}
    same = {(name, name) for name in TYPES}
    into_any = {(name, "any") for name in TYPES}
    assert allowed == same | into_any | {("stream[text]", "text"), ("text", "stream[text]")}


@pytest.mark.parametrize(
    ("port_type", "good", "bad"),
    [
        ("text", "a", 1),
        ("stream[text]", "a", ["a"]),
        ("number", 1.5, "1"),
        ("number", 2, True),
        ("boolean", False, 0),
        ("messages", [], {}),
        ("passages", [], None),
    ],
)
def test_values(port_type: PortType, good: object, bad: object) -> None:
    assert fits(port_type, good)
    assert not fits(port_type, bad)


@pytest.mark.parametrize("value", [None, 1, "a", [], {}])
@pytest.mark.parametrize("port_type", ["json", "any"])
def test_json_and_any_take_everything(port_type: PortType, value: object) -> None:
    assert fits(port_type, value)
