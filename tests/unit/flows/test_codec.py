"""Saved flows: round trip, determinism, refusals, and the JSON Schema of the file."""

from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from antiphon.core.errors import BadRequest, TooLarge
from antiphon.flows.codec import MAX_DEFINITION_BYTES, definition_from_data, definition_to_data, load_definition, save_definition
from antiphon.flows.definition import EdgeDefinition, FlowDefinition, NodeDefinition, PortRef, Retry
from antiphon.flows.schema import definition_schema
from antiphon.runs.assistant import default_assistant

TEXT = st.text(max_size=8)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False) | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=6,
)
SECONDS = st.floats(0, 1e6)
NODES = st.builds(
    NodeDefinition, id=TEXT, type=TEXT, version=st.integers(0, 9), label=TEXT, settings=st.dictionaries(TEXT, JSON, max_size=3),
    timeout_s=st.none() | SECONDS, retry=st.builds(Retry, attempts=st.integers(0, 9), pause_s=SECONDS),
    position=st.none() | st.tuples(SECONDS, SECONDS),
)  # fmt: skip
REFS = st.builds(PortRef, node=TEXT, port=TEXT)
EDGES = st.builds(EdgeDefinition, source=REFS, target=REFS)
FLOWS = st.builds(FlowDefinition, name=TEXT, nodes=st.lists(NODES, max_size=3), edges=st.lists(EDGES, max_size=3))


@settings(deadline=None)  # the machine is shared
@given(FLOWS)
def test_round_trip(definition: FlowDefinition) -> None:
    saved = save_definition(definition)
    assert load_definition(saved) == definition
    assert load_definition(saved.decode()) == definition
    assert save_definition(load_definition(saved)) == saved
    assert definition_from_data(definition_to_data(definition)) == definition


@settings(deadline=None)  # the machine is shared
@given(st.dictionaries(TEXT, JSON, max_size=5), st.randoms())
def test_equal_definitions_give_equal_bytes(settings: dict[str, Any], source: random.Random) -> None:
    shuffled = list(settings.items())
    source.shuffle(shuffled)
    one, other = (FlowDefinition(nodes=[NodeDefinition(id="a", type="b", settings=s)]) for s in (settings, dict(shuffled)))
    assert save_definition(one) == save_definition(other)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ("", "not a flow"),
        ("[]", "Expected `object`"),
        ('{"nodes": 1}', "$.nodes"),
        ('{"nodes": [{"id": "a"}]}', "`type`"),
        ('{"nodes": [{"id": "a", "type": "b", "code": "import os"}]}', "unknown field `code`"),
        ('{"surprise": 1}', "surprise"),
        (b"\xff\xfe", "not a flow"),
        ("[" * 100_000, "not a flow"),
        ('{"nodes":[{"id":"a","type":"b","settings":{"a":' + "[" * 50_000, "not a flow"),
    ],
)
def test_what_is_no_flow_is_refused(data: bytes | str, words: str) -> None:
    with pytest.raises(BadRequest) as caught:
        load_definition(data)
    assert words in caught.value.message


def test_a_huge_file_is_refused_unread() -> None:
    with pytest.raises(TooLarge):
        load_definition(" " * (MAX_DEFINITION_BYTES + 1))


def test_data_that_is_no_flow_is_refused() -> None:
    with pytest.raises(BadRequest, match="not a flow"):
        definition_from_data({"nodes": [1]})


def test_settings_that_are_no_json_cannot_be_saved() -> None:
    with pytest.raises(BadRequest, match="cannot be saved"):
        save_definition(FlowDefinition(nodes=[NodeDefinition(id="a", type="b", settings={"x": object()})]))
    with pytest.raises(BadRequest, match="cannot be saved"):
        save_definition(FlowDefinition(name="\ud800"))


def test_an_unknown_node_type_loads() -> None:
    definition = load_definition('{"nodes": [{"id": "a", "type": "from_the_future", "version": 99, "settings": {"x": [1]}}]}')
    assert definition.nodes[0].type == "from_the_future"


def test_the_schema_describes_what_is_saved() -> None:
    schema = definition_schema()
    assert set(schema["$defs"]["FlowDefinition"]["properties"]) == set(definition_to_data(default_assistant()))
    assert schema["$defs"]["NodeDefinition"]["additionalProperties"] is False
    assert schema["$defs"]["NodeDefinition"]["required"] == ["id", "type"]
