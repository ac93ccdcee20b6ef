"""`plan(definition, catalogue)`: a valid flow in the order of running, settings complete, every input resolved to its
sources. Pure; the executor (runs/executor.py) runs it as often as wanted. Tests: tests/unit/flows/test_plan.py.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import Any

import msgspec

from antiphon.core.errors import BadRequest
from antiphon.flows.definition import FlowDefinition, NodeDefinition, PortRef
from antiphon.flows.descriptor import Catalogue, NodeDescriptor, Port, PortType
from antiphon.flows.graph import topological_order
from antiphon.flows.settings_schema import fill_defaults
from antiphon.flows.validate import validate


@dataclass(frozen=True, kw_only=True, slots=True)
class PlannedSource:
    """An output port that feeds an input."""

    node: str
    port: str
    type: PortType


@dataclass(frozen=True, kw_only=True, slots=True)
class PlannedInput:
    """`sources` in the order of the edges; empty only when the port is not required."""

    port: Port
    sources: tuple[PlannedSource, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class PlannedNode:
    """`settings` are complete and valid. `waits_for`: the nodes whose outputs feed this one."""

    definition: NodeDefinition
    descriptor: NodeDescriptor
    settings: dict[str, Any]
    inputs: tuple[PlannedInput, ...]
    waits_for: frozenset[str]

    @property
    def id(self) -> str:
        return self.definition.id

    @property
    def label(self) -> str:
        return self.definition.label or self.descriptor.label or self.definition.id


@dataclass(frozen=True, kw_only=True, slots=True)
class Plan:
    """`nodes` in topological order; `output` is the id of the output node. `flow_id`, `flow_version`: of the saved flow that
    `definition` is; None for one that is not saved."""

    nodes: tuple[PlannedNode, ...]
    output: str
    definition: FlowDefinition
    flow_id: str | None = None
    flow_version: int | None = None


def plan(definition: FlowDefinition, catalogue: Catalogue) -> Plan:
    """Plans a flow. Raises BadRequest for one that `validate` finds errors in: the message is that of the first, which
    names node and port; `data["problems"]` holds all."""
    errors = [problem for problem in validate(definition, catalogue) if problem.severity == "error"]
    if errors:
        first = errors[0]
        more = f" ({len(errors) - 1} more problems)" if len(errors) > 1 else ""
        data = {"node": first.node, "port": first.port, "problems": msgspec.to_builtins(errors)}
        raise BadRequest(f"The flow cannot run: {first.message}{more}", data=data)
    types: dict[str, NodeDescriptor] = {}
    for node in definition.nodes:
        descriptor = catalogue.find(node.type, node.version)
        assert descriptor is not None, "validate() has told a missing node type"
        types[node.id] = descriptor
    sources: defaultdict[tuple[str, str], list[PlannedSource]] = defaultdict(list)
    for edge in definition.edges:
        sources[edge.target.node, edge.target.port].append(_source(edge.source, types[edge.source.node]))
    order = topological_order([node.id for node in definition.nodes], [(e.source.node, e.target.node) for e in definition.edges])
    by_id = {node.id: node for node in definition.nodes}
    planned = tuple(_planned(by_id[node_id], types[node_id], sources) for node_id in order)
    return Plan(nodes=planned, output=next(node.id for node in planned if node.descriptor.output), definition=definition)


def _source(ref: PortRef, descriptor: NodeDescriptor) -> PlannedSource:
    port = next(port for port in descriptor.outputs if port.name == ref.port)
    return PlannedSource(node=ref.node, port=ref.port, type=port.type)


def _planned(
    node: NodeDefinition, descriptor: NodeDescriptor, sources: dict[tuple[str, str], list[PlannedSource]]
) -> PlannedNode:
    inputs = tuple(PlannedInput(port=port, sources=tuple(sources.get((node.id, port.name), ()))) for port in descriptor.inputs)
    return PlannedNode(
        definition=node,
        descriptor=descriptor,
        settings=fill_defaults(descriptor.settings_schema, node.settings),
        inputs=inputs,
        waits_for=frozenset(source.node for entry in inputs for source in entry.sources),
    )
