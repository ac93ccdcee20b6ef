"""`validate(definition, catalogue)`: everything that is wrong with a flow, as data. Pure; executes nothing, never raises.

Called by plan.py, by `POST /flows/validate` and by editors. Subsystem: docs/subsystems/flows.md.
Tests: tests/unit/flows/test_validate.py, tests/unit/flows/test_any_definition.py.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from typing import Final, Literal

from msgspec import Struct

from antiphon.flows.definition import EdgeDefinition, FlowDefinition, NodeDefinition
from antiphon.flows.descriptor import Catalogue, NodeDescriptor, Port
from antiphon.flows.graph import cyclic_nodes, reaching
from antiphon.flows.port_types import may_feed
from antiphon.flows.settings_schema import settings_faults

MAX_NODES: Final = 500
MAX_EDGES: Final = 5_000
MAX_ATTEMPTS: Final = 10
MAX_PAUSE_S: Final = 60.0
MAX_TIMEOUT_S: Final = 86_400.0
MAX_ID_CHARACTERS: Final = 100

ProblemCode = Literal[
    "unknown_format", "too_large", "bad_id", "duplicate_node", "missing_node", "bad_limits", "bad_settings", "not_unique",
    "unknown_node", "unknown_port", "type_mismatch", "duplicate_edge", "too_many_edges", "missing_input", "cycle",
    "no_output", "several_outputs", "goes_nowhere",
]  # fmt: skip


class Problem(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """`node`, `port`: where, None when it is of the whole flow. A `warning` does not keep the flow from running."""

    code: ProblemCode
    message: str
    node: str | None = None
    port: str | None = None
    severity: Literal["error", "warning"] = "error"


def validate(definition: FlowDefinition, catalogue: Catalogue) -> list[Problem]:
    """All problems, those of the nodes first, in the order of the definition; [] for a flow that can run."""
    if definition.format != 1:
        message = f"This flow has the file format {definition.format}; this server reads format 1."
        return [Problem(code="unknown_format", message=message)]
    if len(definition.nodes) > MAX_NODES or len(definition.edges) > MAX_EDGES:
        return [Problem(code="too_large", message=f"A flow has at most {MAX_NODES} nodes and {MAX_EDGES} edges.")]
    return list(_Check(definition, catalogue).problems())


class _Check:
    def __init__(self, definition: FlowDefinition, catalogue: Catalogue) -> None:
        self._definition = definition
        self._catalogue = catalogue
        self._nodes: dict[str, NodeDefinition] = {}
        self._types: dict[str, NodeDescriptor | None] = {}
        for node in definition.nodes:
            self._nodes.setdefault(node.id, node)
            self._types.setdefault(node.id, catalogue.find(node.type, node.version))

    def problems(self) -> Iterator[Problem]:
        counts = Counter(node.id for node in self._definition.nodes)
        for node_id, count in counts.items():
            if count > 1:
                yield Problem(code="duplicate_node", node=node_id, message=f"{count} nodes have the id {node_id!r}.")
        for node in self._nodes.values():
            yield from self._node(node)
        yield from self._edges()
        yield from self._inputs()
        yield from self._shape()

    def _node(self, node: NodeDefinition) -> Iterator[Problem]:
        if not 0 < len(node.id) <= MAX_ID_CHARACTERS or not node.id.isprintable():
            message = f"The node id {node.id[:MAX_ID_CHARACTERS]!r} is not 1 to {MAX_ID_CHARACTERS} printable characters."
            yield Problem(code="bad_id", node=node.id, message=message)
        retry = node.retry
        if not (1 <= retry.attempts <= MAX_ATTEMPTS and 0 <= retry.pause_s <= MAX_PAUSE_S):
            message = f"The node {node.id!r}: a retry has 1 to {MAX_ATTEMPTS} attempts and pauses of 0 to {MAX_PAUSE_S} s."
            yield Problem(code="bad_limits", node=node.id, message=message)
        if node.timeout_s is not None and not 0 < node.timeout_s <= MAX_TIMEOUT_S:
            message = f"The node {node.id!r}: a time limit is more than 0 and at most {MAX_TIMEOUT_S} s."
            yield Problem(code="bad_limits", node=node.id, message=message)
        descriptor = self._types[node.id]
        if descriptor is None:
            message = (
                f"The node {node.id!r} is of the type {node.type!r} version {node.version}, which this server does not have: "
                "a plug-in is missing, or the flow comes from a newer version."
            )
            yield Problem(code="missing_node", node=node.id, message=message)
            return
        for fault in settings_faults(descriptor.settings_schema, node.settings):
            yield Problem(code="bad_settings", node=node.id, message=f"The node {node.id!r}: {fault}")

    def _edges(self) -> Iterator[Problem]:
        seen: set[tuple[str, str, str, str]] = set()
        for edge in self._definition.edges:
            key = (edge.source.node, edge.source.port, edge.target.node, edge.target.port)
            if key in seen:
                message = f"There are two edges from {_name(*key[:2])} to {_name(*key[2:])}."
                yield Problem(code="duplicate_edge", node=edge.target.node, port=edge.target.port, message=message)
                continue
            seen.add(key)
            yield from self._edge(edge)

    def _edge(self, edge: EdgeDefinition) -> Iterator[Problem]:
        ports: list[Port | None] = []
        for ref, word in ((edge.source, "output"), (edge.target, "input")):
            if ref.node not in self._nodes:
                yield Problem(code="unknown_node", node=ref.node, port=ref.port, message=f"An edge names the node {ref.node!r}, which is not there.")  # fmt: skip
            descriptor = self._types.get(ref.node)
            if descriptor is None:  # told already: the node is not there, or its type is not
                ports.append(None)
                continue
            port = _port(descriptor.outputs if word == "output" else descriptor.inputs, ref.port)
            ports.append(port)
            if port is None:
                message = f"The node {ref.node!r} (type {descriptor.type!r}) has no {word} {ref.port!r}."
                yield Problem(code="unknown_port", node=ref.node, port=ref.port, message=message)
        source, target = ports
        if source is not None and target is not None and not may_feed(source.type, target.type):
            message = (
                f"The output {_name(edge.source.node, edge.source.port)} is {source.type}, but the input "
                f"{_name(edge.target.node, edge.target.port)} takes {target.type}."
            )
            yield Problem(code="type_mismatch", node=edge.target.node, port=edge.target.port, message=message)

    def _inputs(self) -> Iterator[Problem]:
        sources: defaultdict[tuple[str, str], set[tuple[str, str]]] = defaultdict(set)
        for edge in self._definition.edges:
            sources[edge.target.node, edge.target.port].add((edge.source.node, edge.source.port))
        for node_id, descriptor in self._types.items():
            for port in descriptor.inputs if descriptor is not None else []:
                count = len(sources[node_id, port.name])
                if count > 1 and not port.many:
                    message = f"The input {_name(node_id, port.name)} takes one edge, not {count}."
                    yield Problem(code="too_many_edges", node=node_id, port=port.name, message=message)
                if count == 0 and port.required:
                    message = f"Nothing is connected to the input {_name(node_id, port.name)}, which the node needs."
                    yield Problem(code="missing_input", node=node_id, port=port.name, message=message)

    def _shape(self) -> Iterator[Problem]:
        edges = [(e.source.node, e.target.node) for e in self._definition.edges if {e.source.node, e.target.node} <= self._nodes.keys()]  # fmt: skip
        cyclic = cyclic_nodes(list(self._nodes), edges)
        if cyclic:
            message = f"These nodes wait for each other in a circle: {', '.join(map(repr, cyclic))}."
            yield Problem(code="cycle", node=cyclic[0], message=message)
        outputs: list[str] = []
        by_type: defaultdict[tuple[str, int], list[str]] = defaultdict(list)
        for node_id, descriptor in self._types.items():
            if descriptor is not None and descriptor.output:
                outputs.append(node_id)
            elif descriptor is not None and descriptor.unique:
                by_type[descriptor.type, descriptor.version].append(node_id)
        for (type_, _), ids in by_type.items():
            for node_id in ids[1:]:
                message = f"A flow holds at most one node of the type {type_!r}; {ids[0]!r} and {node_id!r} are two."
                yield Problem(code="not_unique", node=node_id, message=message)
        for node_id in outputs[1:]:
            message = f"A flow has one output node; {outputs[0]!r} and {node_id!r} are two."
            yield Problem(code="several_outputs", node=node_id, message=message)
        if not outputs and not any(descriptor is None for descriptor in self._types.values()):
            yield Problem(code="no_output", message="The flow has no output node, so its answer would go nowhere.")
        if outputs:
            used = reaching(outputs, edges)
            for node_id in self._nodes:
                if node_id not in used:
                    message = f"Nothing of the node {node_id!r} reaches the output; it runs all the same."
                    yield Problem(code="goes_nowhere", node=node_id, message=message, severity="warning")


def _port(ports: list[Port], name: str) -> Port | None:
    return next((port for port in ports if port.name == name), None)


def _name(node_id: str, port: str) -> str:
    return f"{node_id}.{port}"
