"""runs/output_cache.py through the executor: equal inputs are answered from memory, everything else is run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec
import pytest

from antiphon.flows.plan import plan
from antiphon.retrieve.passage import Retrieved
from antiphon.runs.executor import Executor
from antiphon.runs.node import NodeContext, RunContext
from antiphon.runs.nodes.retrieve import RETRIEVE, RetrieveNode
from antiphon.runs.output_cache import OutputCache
from antiphon.runs.recorded_retrieval import RecordingRetriever, Retrieval
from antiphon.testing.flows import (
    FixedRetriever,
    NodeType,
    RecordingObserver,
    RecordingSink,
    catalogue_of,
    flow,
    function_node,
    run_context,
    sample_passage,
)


@dataclass
class Scene:
    """A question, a node under test, and an end that gathers; `ran` counts the runs of the node."""

    max_entries: int = 10
    max_bytes: int = 100_000
    version: int = 0
    ran: list[str] = field(default_factory=list[str])
    flags: dict[str, Any] = field(default_factory=lambda: {"pure": True})

    def __post_init__(self) -> None:
        self.cache = OutputCache(max_entries=self.max_entries, max_bytes=self.max_bytes, index_version=lambda: self.version)

        async def ask(context: NodeContext, _: Mapping[str, Any]) -> dict[str, Any]:
            return {"text": context.run.question}

        async def work(context: NodeContext, inputs: Mapping[str, Any]) -> dict[str, Any]:
            self.ran.append(inputs["text"])
            context.run.sink.status("tool", "Working")
            return {"found": [inputs["text"].upper()]}

        async def end(_: NodeContext, inputs: Mapping[str, Any]) -> dict[str, Any]:
            inputs["found"].append("changed by the reader")
            return {"result": inputs["found"]}

        self.types: list[NodeType] = [
            function_node(ask, "ask", outputs={"text": "text"}),
            function_node(work, "work", inputs={"text": "text"}, outputs={"found": "json"}, **self.flags),
            function_node(end, "end", inputs={"found": "json"}, outputs={"result": "json"}, output=True),
        ]
        self.plan = plan(
            flow({"a": "ask", "w": "work", "e": "end"}, {"a.text": "w.text", "w.found": "e.found"}), catalogue_of(self.types)
        )

    async def run(self, question: str = "one", *, cached: bool = True, **changes: Any) -> tuple[RecordingSink, RecordingObserver]:
        implementations = {(node.descriptor.type, 1): node.implementation for node in self.types}
        context = run_context(question=question, sink=RecordingSink(), **changes)
        observer = RecordingObserver()
        executor = Executor(implementations, context.runtime, cache=self.cache)
        execution = await executor.execute(self.plan, context, observer, cached=cached)
        assert execution.result == {"result": [question.upper(), "changed by the reader"]}
        assert isinstance(context.sink, RecordingSink)
        return context.sink, observer


async def test_equal_inputs_are_answered_without_running() -> None:
    scene = Scene()
    for turn in range(3):
        sink, observer = await scene.run()
        assert observer.of("cached") == (["w"] if turn else [])
        assert sink.of("status") == [("tool", "Working", {})], "what the node told is told again"
        assert [output for output in observer.of("output") if output[0] == "w"]
    assert scene.ran == ["one"]
    await scene.run("two")
    assert scene.ran == ["one", "two"]


@pytest.mark.parametrize("flags", [{}, {"pure": True, "side_effects": True}])
async def test_only_nodes_that_say_so_are_kept(flags: dict[str, bool]) -> None:
    scene = Scene(flags=flags)
    await scene.run()
    await scene.run()
    assert scene.ran == ["one", "one"]


async def test_a_replay_runs_everything() -> None:
    scene = Scene()
    await scene.run()
    _, observer = await scene.run(cached=False)
    assert scene.ran == ["one", "one"]
    assert observer.of("cached") == []


async def test_workspaces_do_not_share() -> None:
    scene = Scene()
    await scene.run()
    other = msgspec.structs.replace(run_context().workspace, id="ws_2")
    await scene.run(workspace=other)
    await scene.run(workspace=other)
    assert scene.ran == ["one", "one"]


async def test_a_change_of_the_index_ends_what_reads_it_and_nothing_else() -> None:
    reading, pure = Scene(flags={"reads_index": True}), Scene()
    for scene in (reading, pure):
        await scene.run()
        scene.version += 1
        await scene.run()
        await scene.run()
    assert reading.ran == ["one", "one"]
    assert pure.ran == ["one"]


async def test_bounds_of_count_and_bytes() -> None:
    scene = Scene(max_entries=2)
    for question in ("one", "two", "three", "one", "three"):
        await scene.run(question)
    assert scene.ran == ["one", "two", "three", "one"]
    small = Scene(max_bytes=2000)
    await small.run("x" * 600)
    await small.run("x" * 600)
    assert len(small.ran) == 2, "too large for its share"


async def test_what_has_no_key_is_run() -> None:
    scene = Scene()
    scene.plan.nodes[1].settings["odd"] = object()
    await scene.run()
    await scene.run()
    assert scene.ran == ["one", "one"]


# --- the built-in node that searches -----------------------------------------------------------------------------------------


async def retrieve_twice(cache: OutputCache, **second: Any) -> tuple[FixedRetriever, list[RecordingSink], list[list[Retrieval]]]:
    """Two runs of question -> retrieve; what each told, and the retrievals of each."""

    async def ask(context: NodeContext, _: Mapping[str, Any]) -> dict[str, Any]:
        return {"text": context.run.question}

    async def end(_: NodeContext, inputs: Mapping[str, Any]) -> dict[str, Any]:
        return {"n": len(inputs["passages"])}

    types = [
        function_node(ask, "ask", outputs={"text": "text"}), NodeType(descriptor=RETRIEVE, implementation=RetrieveNode()),
        function_node(end, "end", inputs={"passages": "passages"}, outputs={"n": "number"}, output=True),
    ]  # fmt: skip
    planned = plan(
        flow({"a": "ask", "r": "retrieve", "e": "end"}, {"a.text": "r.query", "r.passages": "e.passages"}), catalogue_of(types)
    )
    retriever = FixedRetriever(Retrieved(passages=[sample_passage(1)], coverage=1.0))
    sinks: list[RecordingSink] = []
    retrievals: list[list[Retrieval]] = []
    for changes in ({}, second):
        sinks.append(RecordingSink())
        told: list[Retrieval] = []
        retrievals.append(told)
        context: RunContext = run_context(sink=sinks[-1], retriever=RecordingRetriever(retriever, told.append), **changes)
        executor = Executor({(node.descriptor.type, 1): node.implementation for node in types}, context.runtime, cache=cache)
        await executor.execute(planned, context, RecordingObserver())
    return retriever, sinks, retrievals


def cache() -> OutputCache:
    return OutputCache(max_entries=10, max_bytes=100_000, index_version=lambda: 1)


async def test_sources_are_told_and_recorded_for_an_answer_from_memory() -> None:
    retriever, (first, second), (then, now) = await retrieve_twice(cache())
    assert len(retriever.calls) == 1
    assert second.of("sources") == first.of("sources") == [[sample_passage(1)]]
    assert second.of("usage") == [{"retrieval_ms": 0}]
    assert now == then
    assert len(now) == 1


@pytest.mark.parametrize(
    "second",
    [
        {"workspace": msgspec.structs.replace(run_context().workspace, k=2)}, {"workspace_ids": ["ws_1", "ws_2"]}, {"language": "zh"},
        {"question": "And now?"},
    ],
)  # fmt: skip
async def test_another_reach_is_another_search(second: dict[str, Any]) -> None:
    retriever, _, _ = await retrieve_twice(cache(), **second)
    assert len(retriever.calls) == 2
