"""Every problem of `validate`, each with node and port."""

from __future__ import annotations

import math

import pytest

from antiphon.flows.definition import FlowDefinition, NodeDefinition, Retry
from antiphon.flows.descriptor import Catalogue, NodeDescriptor, Port
from antiphon.flows.validate import MAX_NODES, Problem, validate
from antiphon.testing.flows import edge, flow

SOURCE = NodeDescriptor(type="source", outputs=[Port(name="text", type="text"), Port(name="number", type="number")])
STEP = NodeDescriptor(
    type="step",
    inputs=[Port(name="text", type="text"), Port(name="more", type="text", required=False, many=True)],
    outputs=[Port(name="stream", type="stream[text]")],
    settings_schema={"type": "object", "properties": {"k": {"type": "integer", "minimum": 1}}},
)
LONE = NodeDescriptor(type="lone", outputs=[Port(name="text", type="text")], unique=True)
OUTPUT = NodeDescriptor(type="output", inputs=[Port(name="answer", type="stream[text]")], output=True)
CATALOGUE = Catalogue([SOURCE, STEP, LONE, OUTPUT])
GOOD = {"in": "source", "mid": "step", "out": "output"}
EDGES = [("in.text", "mid.text"), ("mid.stream", "out.answer")]
UNFED = [("in.text", "mid.more"), ("mid.stream", "out.answer")]


def problems(definition: FlowDefinition) -> list[tuple[str, str | None, str | None]]:
    return [(problem.code, problem.node, problem.port) for problem in validate(definition, CATALOGUE)]


def node(**fields: object) -> NodeDefinition:
    return NodeDefinition(**{"id": "mid", "type": "step", **fields})


def test_a_good_flow_has_none() -> None:
    assert problems(flow(GOOD, EDGES)) == []


@pytest.mark.parametrize(
    ("nodes", "edges", "expected"),
    [
        (GOOD, UNFED, ("missing_input", "mid", "text")),
        ({**GOOD, "mid": node(type="gone")}, EDGES, ("missing_node", "mid", None)),
        ({**GOOD, "mid": node(version=2)}, EDGES, ("missing_node", "mid", None)),
        ({**GOOD, "mid": node(settings={"k": 0})}, EDGES, ("bad_settings", "mid", None)),
        ({**GOOD, "mid": node(settings={"x": 0})}, EDGES, ("bad_settings", "mid", None)),
        ({**GOOD, "mid": node(timeout_s=0)}, EDGES, ("bad_limits", "mid", None)),
        ({**GOOD, "mid": node(timeout_s=math.nan)}, EDGES, ("bad_limits", "mid", None)),
        ({**GOOD, "mid": node(retry=Retry(attempts=0))}, EDGES, ("bad_limits", "mid", None)),
        ({**GOOD, "mid": node(retry=Retry(pause_s=math.inf))}, EDGES, ("bad_limits", "mid", None)),
        (GOOD, [*EDGES, ("in.text", "gone.text")], ("unknown_node", "gone", "text")),
        (GOOD, [*EDGES, ("in.gone", "mid.more")], ("unknown_port", "in", "gone")),
        (GOOD, [*EDGES, ("in.text", "mid.gone")], ("unknown_port", "mid", "gone")),
        (GOOD, [*EDGES, ("in.number", "mid.more")], ("type_mismatch", "mid", "more")),
        (GOOD, [*EDGES, EDGES[0]], ("duplicate_edge", "mid", "text")),
        ({**GOOD, "two": "lone"}, [*EDGES, ("two.text", "mid.text")], ("too_many_edges", "mid", "text")),
        (GOOD, [*EDGES, ("mid.stream", "mid.more")], ("cycle", "mid", None)),
        ({**GOOD, "b": "lone", "a": "lone"}, [*EDGES, ("a.text", "mid.more"), ("b.text", "mid.more")], ("not_unique", "a", None)),
        ({"in": "source", "mid": "step"}, EDGES[:1], ("no_output", None, None)),
        ({**GOOD, "out2": "output"}, [*EDGES, ("mid.stream", "out2.answer")], ("several_outputs", "out2", None)),
        ({**GOOD, "idle": "source"}, EDGES, ("goes_nowhere", "idle", None)),
        ({**GOOD, "": "source"}, [*EDGES, (".text", "mid.more")], ("bad_id", "", None)),
    ],
)
def test_each_problem_is_told_once_with_its_place(nodes: dict, edges: list, expected: tuple) -> None:
    assert problems(flow(nodes, edges)) == [expected]


def test_duplicate_ids() -> None:
    good = flow(GOOD, EDGES)
    twice = FlowDefinition(nodes=[*good.nodes, NodeDefinition(id="in", type="source")], edges=good.edges)
    assert problems(twice) == [("duplicate_node", "in", None)]


def test_messages_name_node_and_port() -> None:
    for problem in validate(flow({"in": "source", "mid": "step"}, [("in.number", "mid.text")]), CATALOGUE):
        if problem.node is not None:
            assert problem.node in problem.message
        if problem.port is not None:
            assert problem.port in problem.message
        assert problem.message.endswith(".")


def test_a_stream_and_a_text_feed_each_other() -> None:
    text_to_stream = flow({"in": "source", "out": "output"}, [("in.text", "out.answer")])
    assert problems(text_to_stream) == []
    assert problems(flow({**GOOD, "last": "step"}, [EDGES[0], ("mid.stream", "last.text"), ("last.stream", "out.answer")])) == []


def test_only_an_idle_node_is_a_mere_warning() -> None:
    assert [p.severity for p in validate(flow({**GOOD, "idle": "source"}, EDGES), CATALOGUE)] == ["warning"]
    assert [p.severity for p in validate(flow(GOOD, UNFED), CATALOGUE)] == ["error"]


def test_a_missing_node_does_not_hide_the_others() -> None:
    nodes = {**GOOD, "new": "from_the_future", "bad": "step"}
    assert problems(flow(nodes, [*EDGES, ("new.x", "mid.more"), ("new.x", "bad.text"), ("bad.stream", "mid.more")])) == [
        ("missing_node", "new", None)
    ]


def test_format_and_size() -> None:
    assert [p.code for p in validate(FlowDefinition(format=2), CATALOGUE)] == ["unknown_format"]
    many = FlowDefinition(nodes=[NodeDefinition(id=str(n), type="source") for n in range(MAX_NODES + 1)])
    assert [p.code for p in validate(many, CATALOGUE)] == ["too_large"]
    assert problems(FlowDefinition()) == [("no_output", None, None)]


def test_order_is_that_of_the_definition() -> None:
    definition = FlowDefinition(nodes=[NodeDefinition(id=i, type="gone") for i in "cab"], edges=[edge("c.x", "a.y")])
    assert [problem.node for problem in validate(definition, CATALOGUE)] == ["c", "a", "b"]
    assert validate(definition, CATALOGUE) == validate(definition, CATALOGUE)
    assert isinstance(validate(definition, CATALOGUE)[0], Problem)
