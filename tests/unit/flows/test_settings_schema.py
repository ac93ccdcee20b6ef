"""The JSON Schema subset of node settings."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from antiphon.flows.settings_schema import fill_defaults, schema_faults, settings_faults

SCHEMA: dict[str, Any] = {
    "type": "object",
    "required": ["name"],
    "properties": {
        "name": {"type": "string", "minLength": 1, "maxLength": 5},
        "k": {"type": ["integer", "null"], "minimum": 1, "maximum": 9, "default": None},
        "share": {"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 1},
        "mode": {"enum": ["a", "b", 1], "default": "a"},
        "fixed": {"const": True},
        "list": {"type": "array", "items": {"type": "integer"}, "minItems": 1, "maxItems": 2},
        "deep": {"type": "object", "properties": {"x": {"type": "boolean", "default": True}}},
        "free": {"type": "object", "additionalProperties": True},
        "text": {"type": "string", "format": "template"},
    },
}


def test_the_sample_schema_is_understood() -> None:
    assert schema_faults(SCHEMA) == []
    assert schema_faults({}) == []


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({}, "settings.name: is missing"),
        ({"name": ""}, "at least 1 characters"),
        ({"name": "123456"}, "at most 5 characters, not 6"),
        ({"name": 3}, "must be string, not 3"),
        ({"name": "a", "k": 0}, "settings.k: must be at least 1, not 0"),
        ({"name": "a", "k": 10}, "at most 9"),
        ({"name": "a", "k": 1.5}, "must be integer or null"),
        ({"name": "a", "k": True}, "must be integer or null, not True"),
        ({"name": "a", "share": 1}, "less than 1"),
        ({"name": "a", "share": 0}, "more than 0"),
        ({"name": "a", "share": math.nan}, "must be number"),
        ({"name": "a", "share": math.inf}, "must be number"),
        ({"name": "a", "mode": "c"}, "must be one of 'a', 'b', 1, not 'c'"),
        ({"name": "a", "mode": True}, "must be one of"),
        ({"name": "a", "fixed": 1}, "must be True"),
        ({"name": "a", "list": []}, "at least 1 entries"),
        ({"name": "a", "list": [1, 2, 3]}, "at most 2 entries, not 3"),
        ({"name": "a", "list": [1, "b"]}, "settings.list[1]: must be integer"),
        ({"name": "a", "deep": {"x": 1}}, "settings.deep.x: must be boolean"),
        ({"name": "a", "deep": {"y": 1}}, "settings.deep.y: there is no such setting"),
        ({"name": "a", "other": 1}, "settings.other: there is no such setting"),
        ({"name": "a", "text": "{{#each a}}"}, "never closes"),
    ],
)
def test_each_fault_is_told_with_its_place(settings: dict[str, Any], words: str) -> None:
    faults = settings_faults(SCHEMA, settings)
    assert len(faults) == 1
    assert words in faults[0]


def test_good_settings() -> None:
    settings = {
        "name": "a",
        "k": 9,
        "share": 0.5,
        "mode": 1,
        "fixed": True,
        "list": [1, 2.0],
        "free": {"any": [1]},
        "text": "{{a}}",
    }
    assert settings_faults(SCHEMA, settings) == []
    assert settings_faults(SCHEMA, {"name": "a", "k": None}) == []


def test_no_schema_takes_no_settings() -> None:
    assert settings_faults({}, {}) == []
    assert settings_faults({}, {"a": 1}) == ["settings.a: there is no such setting."]


def test_defaults_are_filled_in_also_inside() -> None:
    given_settings = {"name": "a", "deep": {}}
    assert fill_defaults(SCHEMA, given_settings) == {"name": "a", "k": None, "mode": "a", "deep": {"x": True}}
    assert given_settings == {"name": "a", "deep": {}}, "what was given is not changed"


@pytest.mark.parametrize(
    ("schema", "words"),
    [
        ({"type": "object", "properties": {"a": {"$ref": "http://example.test/x"}}}, "'$ref' is not supported"),
        ({"type": "object", "properties": {"a": {"pattern": "(a+)+"}}}, "'pattern' is not supported"),
        ({"type": "string"}, "the type of all settings together is 'object'"),
        ({"type": "object", "properties": {"a": {"type": "text"}}}, "there is no type 'text'"),
        ({"type": "object", "properties": {"a": {"type": ["string", ["b"]]}}}, "there is no type ['b']"),
        ({"type": "object", "properties": {"a": {"format": "uri"}}}, "there is no format 'uri'"),
        ({"type": "object", "properties": {"a": 1}}, "a schema is an object"),
        ({"type": "object", "properties": []}, "'properties' is an object"),
        ({"type": "object", "required": "a"}, "'required' is a list"),
        ({"type": "object", "properties": {"a": {"minimum": "1"}}}, "'minimum' is a number"),
        ({"type": "object", "additionalProperties": {}}, "true or false"),
        ({"type": "object", "properties": {"a": {"type": "integer", "default": "x"}}}, "(default): must be integer"),
    ],
)
def test_a_schema_beyond_the_subset_is_refused(schema: dict[str, Any], words: str) -> None:
    faults = schema_faults(schema)
    assert any(words in fault for fault in faults), faults


def test_nesting_is_bounded() -> None:
    schema: dict[str, Any] = {"type": "integer"}
    for _ in range(100):
        schema = {"type": "array", "items": schema}
    assert any("deep" in fault for fault in schema_faults({"type": "object", "properties": {"a": schema}}))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=10,
)


@settings(deadline=None)  # the machine is shared
@given(st.dictionaries(st.sampled_from([*SCHEMA["properties"], "other"]), JSON))
def test_checking_never_raises(settings: dict[str, Any]) -> None:
    settings_faults(SCHEMA, settings)
