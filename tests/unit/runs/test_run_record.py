"""runs/run_record.py: digests that tell outputs apart, and a flow that comes out of its record as it went in."""

from __future__ import annotations

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from antiphon.flows.plan import plan
from antiphon.plugins.manager import load_plugins
from antiphon.runs.assistant import default_assistant
from antiphon.runs.nodes import builtin
from antiphon.runs.run_record import digest_of, flow_record, nodes_record, recorded_definition
from antiphon.testing.flows import sample_passage

CATALOGUE = load_plugins([], builtin=[builtin], entry_points=False).catalogue()
values = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=2), inner, max_size=3),
    max_leaves=6,
)


def test_the_default_assistant_comes_back_whole() -> None:
    planned = plan(default_assistant(), CATALOGUE)
    record = {
        "flow": flow_record(planned),
        "nodes": nodes_record(planned, {"answer": {"state": "finished"}}, {("answer", "answer"): "x"}),
    }
    record = msgspec.json.decode(msgspec.json.encode(record))
    again = plan(recorded_definition(record), CATALOGUE)
    assert [(n.id, n.settings, n.inputs, n.label) for n in again.nodes] == [
        (n.id, n.settings, n.inputs, n.label) for n in planned.nodes
    ]
    assert again.output == planned.output
    answer = next(node for node in record["nodes"] if node["id"] == "answer")
    assert answer["outputs"]["answer"]["length"] == 1
    assert "state" not in next(node for node in record["nodes"] if node["id"] == "output"), "it never began"
    assert record["flow"]["version"] is None


@given(one=values, other=values)
def test_digests_are_equal_for_equal_values_only(one: object, other: object) -> None:
    same = msgspec.json.encode(one, order="sorted") == msgspec.json.encode(other, order="sorted") and isinstance(
        one, str
    ) == isinstance(other, str)
    assert (digest_of(one) == digest_of(other)) is same


def test_anything_has_a_digest() -> None:
    assert digest_of([sample_passage(1)]) != digest_of([sample_passage(2)])
    assert digest_of([sample_passage(1)])["length"] == 1
    assert len(digest_of({"odd": object})["sha256"]) == 64
    assert digest_of("休🙂")["length"] == 2
