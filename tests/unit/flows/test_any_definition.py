"""`validate` never raises, and `plan` takes exactly what it finds no error in."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from antiphon.core.errors import BadRequest
from antiphon.flows.definition import EdgeDefinition, FlowDefinition, NodeDefinition, PortRef, Retry
from antiphon.flows.plan import plan
from antiphon.flows.validate import validate
from antiphon.runs.nodes.builtin import antiphon_nodes
from antiphon.testing.flows import catalogue_of

TYPES = antiphon_nodes()
CATALOGUE = catalogue_of(TYPES)
IDS = st.sampled_from(["a", "b", "c", "", "\x00", "x" * 200])
PORTS = st.sampled_from(["gone", *{port.name for t in TYPES for port in (*t.descriptor.inputs, *t.descriptor.outputs)}])
SETTINGS = st.dictionaries(
    st.sampled_from(["k", "template", "turns", "model", "gone"]),
    st.none() | st.integers() | st.floats() | st.text(max_size=5) | st.just("{{#if"),
    max_size=2,
)
NODES = st.builds(
    NodeDefinition, id=IDS, type=st.sampled_from(["gone", *(t.descriptor.type for t in TYPES)]), version=st.integers(0, 2),
    settings=SETTINGS, timeout_s=st.none() | st.floats(), retry=st.builds(Retry, attempts=st.integers(), pause_s=st.floats()),
)  # fmt: skip
REFS = st.builds(PortRef, node=IDS, port=PORTS)
EDGES = st.builds(EdgeDefinition, source=REFS, target=REFS)
FLOWS = st.builds(
    FlowDefinition, format=st.sampled_from([1, 1, 1, 2]), nodes=st.lists(NODES, max_size=5), edges=st.lists(EDGES, max_size=8)
)


@settings(deadline=None)  # the machine is shared
@given(FLOWS)
def test_any_definition(definition: FlowDefinition) -> None:
    errors = [problem for problem in validate(definition, CATALOGUE) if problem.severity == "error"]
    if errors:
        with pytest.raises(BadRequest) as caught:
            plan(definition, CATALOGUE)
        assert errors[0].message in caught.value.message
    else:
        planned = plan(definition, CATALOGUE)
        assert {node.id for node in planned.nodes} == {node.id for node in definition.nodes}
