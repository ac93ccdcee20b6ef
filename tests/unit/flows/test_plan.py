"""Planning: order, sources in the order of the edges, complete settings, and the error of a flow that cannot run."""

from __future__ import annotations

import pytest

from antiphon.core.errors import BadRequest
from antiphon.flows.definition import NodeDefinition
from antiphon.flows.descriptor import Catalogue, NodeDescriptor, Port
from antiphon.flows.plan import plan
from antiphon.testing.flows import flow

SOURCE = NodeDescriptor(type="source", label="Source", outputs=[Port(name="text", type="text")])
JOIN = NodeDescriptor(
    type="join",
    inputs=[Port(name="texts", type="text", many=True), Port(name="maybe", type="json", required=False)],
    outputs=[Port(name="text", type="text")],
    settings_schema={"type": "object", "properties": {"by": {"type": "string", "default": ", "}, "k": {"type": "integer"}}},
)
OUTPUT = NodeDescriptor(type="output", inputs=[Port(name="answer", type="text")], output=True)
CATALOGUE = Catalogue([SOURCE, JOIN, OUTPUT])
FLOW = flow(
    {"out": "output", "join": NodeDefinition(id="join", type="join", settings={"k": 3}), "b": "source", "a": "source"},
    [("join.text", "out.answer"), ("b.text", "join.texts"), ("a.text", "join.texts")],
)


def test_order_sources_settings() -> None:
    planned = plan(FLOW, CATALOGUE)
    assert [node.id for node in planned.nodes] == ["b", "a", "join", "out"]
    assert planned.output == "out"
    join = planned.nodes[2]
    assert join.waits_for == {"a", "b"}
    assert join.settings == {"by": ", ", "k": 3}
    assert [(source.node, source.port, source.type) for source in join.inputs[0].sources] == [
        ("b", "text", "text"),
        ("a", "text", "text"),
    ]
    assert join.inputs[1].sources == ()


def test_labels_fall_back() -> None:
    labels = {node.id: node.label for node in plan(FLOW, CATALOGUE).nodes}
    assert labels == {"a": "Source", "b": "Source", "join": "join", "out": "out"}


def test_a_flow_that_cannot_run_names_node_and_port() -> None:
    with pytest.raises(BadRequest, match=r"join\.texts") as caught:
        plan(flow({"join": "join", "out": "output"}, [("join.text", "out.answer")]), CATALOGUE)
    assert caught.value.data["node"] == "join"
    assert caught.value.data["port"] == "texts"
    assert [problem["code"] for problem in caught.value.data["problems"]] == ["missing_input"]


def test_warnings_do_not_keep_it_from_running() -> None:
    planned = plan(flow({"a": "source", "idle": "source", "out": "output"}, [("a.text", "out.answer")]), CATALOGUE)
    assert {node.id for node in planned.nodes} == {"a", "idle", "out"}
