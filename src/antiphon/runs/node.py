"""What a node implementation sees while it runs: its context, its streams, and what it gives back.

Used by the built-in nodes (runs/nodes/) and by plug-ins alike; the executor (runs/executor.py) provides it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from antiphon.access.scope import Scope
from antiphon.core.runtime import Runtime
from antiphon.flows.descriptor import NodeDescriptor
from antiphon.models.chat import ChatMessage, ChatModels
from antiphon.retrieve.passage import Passage, Retriever
from antiphon.retrieve.whole_document import DocumentReader
from antiphon.runs.steering import Steering
from antiphon.storage.lexical.contract import SearchFilter
from antiphon.storage.records.rows import WorkspaceRow


class TextStream(Protocol):
    """A `stream[text]` value. One writer, any number of readers, each of which gets everything from the start."""

    def write(self, text: str) -> None:
        """Passes the piece on to every listener at once, in this very call."""
        ...

    def listen(self, on_text: Callable[[str], None]) -> None:
        """`on_text` gets what is already there now, and every later piece in the writer's call (no task switch)."""
        ...

    @property
    def text(self) -> str:
        """What was written so far."""
        ...

    def __aiter__(self) -> AsyncIterator[str]: ...

    async def whole(self) -> str:
        """The whole text, when the stream has ended. Raises what its writer raised."""
        ...


class RunSink(Protocol):
    """What the run engine does with what nodes tell: it becomes events. None of these waits."""

    def status(self, phase: str, content: str, *, counts: Mapping[str, int] | None = None, progress: float | None = None) -> None:
        """`progress`: 0 to 1, of what `counts` count."""
        ...

    def sources(self, passages: list[Passage]) -> None:
        """Exactly once per retrieving run; the order gives the numbers [1], [2], ..."""
        ...

    def refuse(self, refusal: Mapping[str, Any]) -> None:
        """The answer is a refusal (runs/refusal.py); its words come by `answer`."""
        ...

    def answer(self, text: str) -> None:
        """A piece of the answer; marks in it become citations, but for those in a `QuotedText`."""
        ...

    def reasoning(self, text: str) -> None: ...

    def usage(self, **counts: int | None) -> None:
        """prompt_tokens, completion_tokens, retrieval_ms, finish_reason is told by `finish`."""
        ...

    def finish(self, reason: str) -> None:
        """The model's finish reason."""
        ...

    def record(self, **facts: Any) -> None:
        """Facts for the run's record (prompt, chunk ids, ...): JSON-able."""
        ...


@dataclass(frozen=True, kw_only=True, slots=True)
class RunContext:
    """Everything of one run that nodes may use. `history` is oldest first, without the question itself, already limited.

    `language` is `zh` or `en`, told from the question. `documents` None: no document can be read as a whole. `seed`: asked for
    by the command or the server's setting; None: not fixed, and `drawn_seed` is what the run drew for itself. Both are
    recorded. `steering`: what the user says while the answer is written.
    """

    run_id: str
    scope: Scope
    workspace: WorkspaceRow
    question: str
    language: str
    model: str | None
    history: list[ChatMessage]
    filter: SearchFilter | None
    workspace_ids: list[str]
    seed: int | None
    inputs: Mapping[str, Any]
    retriever: Retriever
    documents: DocumentReader | None = None
    models: ChatModels
    runtime: Runtime
    sink: RunSink
    drawn_seed: int | None = None
    steering: Steering = field(default_factory=Steering)

    def seed_for(self, of_node: int | None) -> int | None:
        """The seed for a node whose own setting is `of_node`: one that is asked for goes first, a drawn one last."""
        return next((seed for seed in (self.seed, of_node, self.drawn_seed) if seed is not None), None)


@dataclass(frozen=True, kw_only=True, slots=True)
class NodeContext:
    """`settings` passed the descriptor's schema, defaults filled in. `stream(port)` opens a `stream[text]` output port; the
    executor ends it when the node returns or fails. Setting a plain output early: `emit(port, value)`, so that nodes behind
    it may start; what `run` returns is emitted for the ports not yet set."""

    node_id: str
    label: str
    settings: Mapping[str, Any]
    run: RunContext
    stream: Callable[[str], TextStream]
    emit: Callable[[str, Any], None]


class NodeImplementation(Protocol):
    async def run(self, context: NodeContext, inputs: Mapping[str, Any]) -> Mapping[str, Any] | None:
        """Output port -> value. Raises an AntiphonError a user can read, anything else becomes `tool_failed`."""
        ...


@dataclass(frozen=True, kw_only=True, slots=True)
class NodeType:
    """What a plug-in registers: a descriptor with its implementation. One instance serves all runs at the same time, so it
    keeps nothing of a run; everything of a run is in the context."""

    descriptor: NodeDescriptor
    implementation: NodeImplementation


class NodeObserver(Protocol):
    """What the executor tells about nodes; the run engine makes run-topic events of it. None of these waits."""

    def node_started(self, node_id: str, label: str) -> None: ...

    def node_chunk(self, node_id: str, port: str, text: str) -> None: ...

    def node_output(self, node_id: str, port: str, value: Any) -> None: ...

    def node_finished(self, node_id: str, duration_ms: int, *, cached: bool = False) -> None: ...

    def node_failed(self, node_id: str, code: str, message: str, duration_ms: int) -> None: ...
