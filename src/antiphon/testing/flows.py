"""Public fakes for nodes and flows: a run context, a recording sink and observer, a fixed retriever, nodes from functions.

For tests of nodes, of flows and of plug-ins; nothing here touches network, disk or the real clock.
Tests: tests/unit/runs, tests/conformance/test_nodes.py (they use every part of it).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from antiphon.access.scope import Scope, system_scope
from antiphon.core.runtime import Runtime
from antiphon.flows.definition import EdgeDefinition, FlowDefinition, NodeDefinition, PortRef
from antiphon.flows.descriptor import Catalogue, NodeDescriptor, Port, PortType
from antiphon.flows.plan import plan
from antiphon.models.chat import ChatMessage
from antiphon.retrieve.passage import Passage, Retrieved
from antiphon.runs.executor import DEFAULT_MAX_PARALLEL, Execution, Executor
from antiphon.runs.node import NodeContext, NodeImplementation, NodeObserver, NodeType, RunContext
from antiphon.storage.lexical.contract import SearchFilter
from antiphon.storage.records.rows import WorkspaceRow
from antiphon.testing.models import ScriptedChat, ScriptedModels
from antiphon.testing.simulated import simulated_runtime

Event = tuple[str, Any]


@dataclass(slots=True)
class RecordingSink:
    """A `RunSink` that keeps everything, in order."""

    events: list[Event] = field(default_factory=list[Event])

    def status(
        self, phase: str, content: str, *, counts: Mapping[str, int] | None = None, progress: float | None = None
    ) -> None:  # fmt: skip
        if progress is not None:
            self.events.append(("progress", progress))
        self.events.append(("status", (phase, content, dict(counts or {}))))

    def sources(self, passages: list[Passage]) -> None:
        self.events.append(("sources", list(passages)))

    def refuse(self, refusal: Mapping[str, Any]) -> None:
        self.events.append(("refusal", dict(refusal)))

    def answer(self, text: str) -> None:
        self.events.append(("answer", text))

    def reasoning(self, text: str) -> None:
        self.events.append(("reasoning", text))

    def usage(self, **counts: int | None) -> None:
        self.events.append(("usage", counts))

    def finish(self, reason: str) -> None:
        self.events.append(("finish", reason))

    def record(self, **facts: Any) -> None:
        self.events.append(("record", facts))

    def of(self, kind: str) -> list[Any]:
        """The payloads of one kind, in order."""
        return [payload for name, payload in self.events if name == kind]

    @property
    def text(self) -> str:
        return "".join(self.of("answer"))


@dataclass(slots=True)
class RecordingObserver:
    """A `NodeObserver` that keeps everything, in order: (what, node id) or (what, (node id, ...))."""

    events: list[Event] = field(default_factory=list[Event])

    def node_started(self, node_id: str, label: str) -> None:  # noqa: ARG002 - the contract's
        self.events.append(("started", node_id))

    def node_chunk(self, node_id: str, port: str, text: str) -> None:
        self.events.append(("chunk", (node_id, port, text)))

    def node_output(self, node_id: str, port: str, value: Any) -> None:
        self.events.append(("output", (node_id, port, value)))

    def node_finished(self, node_id: str, duration_ms: int, *, cached: bool = False) -> None:  # noqa: ARG002 - the contract's
        self.events.append(("cached" if cached else "finished", node_id))

    def node_failed(self, node_id: str, code: str, message: str, duration_ms: int) -> None:  # noqa: ARG002 - the contract's
        self.events.append(("failed", (node_id, code, message)))

    def of(self, kind: str) -> list[Any]:
        return [payload for name, payload in self.events if name == kind]


@dataclass(slots=True)
class FixedRetriever:
    """Gives the same result to every query and keeps the queries."""

    result: Retrieved = field(default_factory=lambda: Retrieved(passages=[], coverage=0.0))
    calls: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])

    async def retrieve(
        self,
        scope: Scope,
        workspace_ids: list[str],
        query: str,
        *,
        k: int,
        filter: SearchFilter | None = None,  # noqa: A002 - the contract's
        earlier: Sequence[str] = (),
    ) -> Retrieved:
        call = {"scope": scope, "workspace_ids": workspace_ids, "query": query, "k": k, "filter": filter}
        self.calls.append({**call, "earlier": list(earlier)} if earlier else call)
        return self.result


def sample_passage(n: int, *, document: str = "doc_a", text: str = "") -> Passage:
    """The n-th passage of a document, 100 characters after the one before."""
    text = text or f"Passage number {n}."
    return Passage(
        chunk_id=n, workspace_id="ws_1", document_id=document, version=1, title=f"Title of {document}", media_type="text/plain",
        page=1, anchor=None, start=n * 100, end=n * 100 + len(text), score=1 / n, text=text,
    )  # fmt: skip


def run_context(**changes: Any) -> RunContext:
    """A run over one workspace, on a simulated runtime; any field of RunContext may be given."""
    runtime: Runtime = changes.get("runtime") or simulated_runtime()
    given: dict[str, Any] = {
        "run_id": "run_1",
        "scope": system_scope("test"),
        "workspace": WorkspaceRow(id="ws_1", slug="docs", name="Docs", created_at=0.0),
        "question": "What is it?",
        "language": "en",
        "model": None,
        "history": list[ChatMessage](),
        "filter": None,
        "workspace_ids": ["ws_1"],
        "seed": None,
        "inputs": {},
        "retriever": FixedRetriever(),
        "models": ScriptedModels({"fake": ScriptedChat(runtime)}),
        "runtime": runtime,
        "sink": RecordingSink(),
    }
    return RunContext(**{**given, **changes})


NodeFunction = Callable[[NodeContext, Mapping[str, Any]], Awaitable[Mapping[str, Any] | None]]


class FunctionNode:
    def __init__(self, function: NodeFunction) -> None:
        self._function = function

    async def run(self, context: NodeContext, inputs: Mapping[str, Any]) -> Mapping[str, Any] | None:
        return await self._function(context, inputs)


def function_node(
    function: NodeFunction,
    type_: str,
    *,
    inputs: Mapping[str, PortType] | Sequence[Port] = (),
    outputs: Mapping[str, PortType] | Sequence[Port] = (),
    **more: Any,
) -> NodeType:
    """A node type from a function; ports as {name: type} or as Port objects, other descriptor fields by name."""
    descriptor = NodeDescriptor(type=type_, inputs=_ports(inputs), outputs=_ports(outputs), **more)
    return NodeType(descriptor=descriptor, implementation=FunctionNode(function))


def _ports(ports: Mapping[str, PortType] | Sequence[Port]) -> list[Port]:
    if isinstance(ports, Mapping):
        return [Port(name=name, type=type_) for name, type_ in ports.items()]
    return list(ports)


def edge(source: str, target: str) -> EdgeDefinition:
    """An edge from `node.port` to `node.port`."""
    ends = [PortRef(node=node, port=port) for node, _, port in (source.rpartition("."), target.rpartition("."))]
    return EdgeDefinition(source=ends[0], target=ends[1])


def flow(nodes: Mapping[str, str | NodeDefinition], edges: Mapping[str, str] | Sequence[tuple[str, str]]) -> FlowDefinition:
    """A definition from {id: type} and (`node.port`, `node.port`) pairs."""
    pairs = list(edges.items()) if isinstance(edges, Mapping) else edges
    definitions = [NodeDefinition(id=i, type=entry) if isinstance(entry, str) else entry for i, entry in nodes.items()]
    return FlowDefinition(nodes=definitions, edges=[edge(source, target) for source, target in pairs])


def catalogue_of(types: Sequence[NodeType]) -> Catalogue:
    return Catalogue([node.descriptor for node in types])


async def run_flow(
    definition: FlowDefinition,
    types: Sequence[NodeType],
    *,
    context: RunContext | None = None,
    observer: NodeObserver | None = None,
    max_parallel: int = DEFAULT_MAX_PARALLEL,
) -> Execution:
    """Plans and executes a flow over these node types."""
    context = context or run_context()
    implementations: dict[tuple[str, int], NodeImplementation] = {
        (node.descriptor.type, node.descriptor.version): node.implementation for node in types
    }
    executor = Executor(implementations, context.runtime, max_parallel=max_parallel)
    return await executor.execute(plan(definition, catalogue_of(types)), context, observer or RecordingObserver())
