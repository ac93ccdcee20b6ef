"""Random graphs of nodes, streams among them: each runs exactly once, never before its inputs, and none survives its run."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from structlog.testing import capture_logs

from antiphon.core.errors import ModelUnavailable
from antiphon.flows.definition import FlowDefinition
from antiphon.flows.descriptor import Port
from antiphon.runs.node import NodeContext, NodeType
from antiphon.testing.flows import RecordingObserver, flow, function_node, run_context, run_flow
from antiphon.testing.simulated import SimulatedRuntime, simulated_runtime

PIECES = 3


@dataclass
class Graph:
    """`edges`: (source, port, target, port). `turns`: how long each node takes, in turns of the loop."""

    size: int
    edges: list[tuple[int, str, int, str]]
    turns: list[int]
    max_parallel: int
    failing: int | None = None

    def definition(self) -> FlowDefinition:
        nodes = {f"n{n}": "work" for n in range(self.size)} | {"out": "out"}
        edges = [(f"n{a}.{source}", f"n{b}.{target}") for a, source, b, target in self.edges]
        return flow(nodes, [*edges, *((f"n{n}.text", "out.all") for n in range(self.size))])


@st.composite
def graphs(draw: st.DrawFn) -> Graph:
    size = draw(st.integers(1, 8))
    edges = draw(
        st.lists(
            st.tuples(
                st.integers(0, size - 1), st.sampled_from(["text", "early", "answer"]), st.integers(0, size - 1),
                st.sampled_from(["texts", "streams"]),
            ),
            max_size=16, unique=True,
        )
    )  # fmt: skip
    forward = [edge for edge in edges if edge[0] < edge[2]]
    return Graph(
        size=size,
        edges=forward,
        turns=draw(st.lists(st.integers(0, 4), min_size=size, max_size=size)),
        max_parallel=draw(st.sampled_from([1, 2, 32])),
    )


class World:
    """Implements the nodes of a graph and keeps what happened."""

    def __init__(self, graph: Graph, runtime: SimulatedRuntime) -> None:
        self.graph = graph
        self.runtime = runtime
        self.started: Counter[str] = Counter()
        self.ended: Counter[str] = Counter()
        self.inputs: dict[str, Mapping[str, Any]] = {}
        self.began_streams: set[str] = set()
        self.emitted: set[str] = set()
        self.faults: list[str] = []

    def types(self) -> list[NodeType]:
        many = [
            Port(name=name, type=type_, many=True, required=False)
            for name, type_ in (("texts", "text"), ("streams", "stream[text]"))
        ]
        outputs = {"text": "text", "early": "text", "answer": "stream[text]"}
        collect = [Port(name="all", type="any", many=True, required=False)]
        return [
            function_node(self.work, "work", inputs=many, outputs=outputs),
            function_node(self.collect, "out", inputs=collect, outputs={"all": "json"}, output=True),
        ]

    async def work(self, context: NodeContext, inputs: Mapping[str, Any]) -> dict[str, Any]:
        me = context.node_id
        self.started[me] += 1
        self.check_sources(me)
        try:
            stream = context.stream("answer")
            self.began_streams.add(me)
            await self.pause(me)
            context.emit("early", f"early {me}")
            self.emitted.add(me)
            for n in range(PIECES):
                stream.write(f"{me}.{n} ")
                await self.pause(me)
            if self.graph.failing is not None and me == f"n{self.graph.failing}":
                raise ModelUnavailable(f"{me} fails.")
            read = [await source.whole() for source in inputs["streams"]]
            self.inputs[me] = {"texts": inputs["texts"], "streams": read}
            return {"text": f"text {me}"}
        finally:
            self.ended[me] += 1

    async def collect(self, context: NodeContext, inputs: Mapping[str, Any]) -> dict[str, Any]:
        return {"all": inputs["all"]}

    async def pause(self, me: str) -> None:
        for _ in range(self.graph.turns[int(me[1:])]):
            await self.runtime.scheduler.sleep(0)

    def check_sources(self, me: str) -> None:
        for source, port, target, target_port in self.graph.edges:
            if f"n{target}" != me:
                continue
            name = f"n{source}"
            there = {
                "text": self.ended[name] == 1,
                "early": name in self.emitted,
                "answer": name in self.began_streams if target_port == "streams" else self.ended[name] == 1,
            }[port]
            if not there:
                self.faults.append(f"{me} began before {name}.{port}")

    def expected(self, me: int, port: str) -> list[str]:
        values = {"text": "text {}", "early": "early {}", "answer": "".join(f"{{0}}.{n} " for n in range(PIECES))}
        return [
            values[source_port].format(f"n{a}") for a, source_port, b, target in self.graph.edges if (b, target) == (me, port)
        ]


@settings(deadline=None, max_examples=150)
@given(graphs())
def test_each_node_once_and_after_its_inputs(graph: Graph) -> None:
    async def scenario() -> None:
        runtime = simulated_runtime()
        world, observer = World(graph, runtime), RecordingObserver()
        before = asyncio.all_tasks()
        async with asyncio.timeout(20):
            execution = await run_flow(
                graph.definition(),
                world.types(),
                context=run_context(runtime=runtime),
                observer=observer,
                max_parallel=graph.max_parallel,
            )
        assert asyncio.all_tasks() == before
        names = [f"n{n}" for n in range(graph.size)]
        assert world.faults == []
        assert world.started == world.ended == Counter(names)
        assert Counter(observer.of("started")) == Counter(observer.of("finished")) == Counter([*names, "out"])
        assert observer.of("failed") == []
        for n, name in enumerate(names):
            assert world.inputs[name] == {port: world.expected(n, port) for port in ("texts", "streams")}
        assert execution.result == {"all": [f"text {name}" for name in names]}

    asyncio.run(scenario())


@settings(deadline=None, max_examples=150)
@given(graphs(), st.integers(0, 60))
def test_a_cancellation_at_any_moment_ends_all(graph: Graph, turns: int) -> None:
    async def scenario() -> None:
        runtime = simulated_runtime()
        world, observer = World(graph, runtime), RecordingObserver()
        before = asyncio.all_tasks()
        task = asyncio.create_task(
            run_flow(
                graph.definition(),
                world.types(),
                context=run_context(runtime=runtime),
                observer=observer,
                max_parallel=graph.max_parallel,
            )
        )
        await runtime.scheduler.settle(turns)
        finished = task.done()
        task.cancel()
        await runtime.scheduler.settle(1)  # what was due in this turn of the loop may still take its step
        told = len(observer.events)
        async with asyncio.timeout(20):
            await asyncio.wait([task])
        assert task.cancelled() or finished
        assert asyncio.all_tasks() == before
        assert world.started == world.ended
        assert max(world.started.values(), default=0) <= 1
        assert observer.of("failed") == []
        after = [what for what, _ in observer.events[told:]]
        assert after == [], "a node that was cancelled tells nothing more"

    asyncio.run(scenario())


@settings(deadline=None, max_examples=100)
@given(graphs(), st.integers(0, 7))
def test_a_failure_anywhere_ends_all(graph: Graph, failing: int) -> None:
    graph.failing = failing % graph.size

    async def scenario() -> None:
        runtime = simulated_runtime()
        world, observer = World(graph, runtime), RecordingObserver()
        before = asyncio.all_tasks()
        with pytest.raises(ModelUnavailable, match=f"n{graph.failing} fails"):
            async with asyncio.timeout(20):
                await run_flow(
                    graph.definition(),
                    world.types(),
                    context=run_context(runtime=runtime),
                    observer=observer,
                    max_parallel=graph.max_parallel,
                )
        assert asyncio.all_tasks() == before
        assert world.started == world.ended
        assert [entry[0] for entry in observer.of("failed")] == [f"n{graph.failing}"]
        assert "out" not in observer.of("started")

    with capture_logs() as logs:
        asyncio.run(scenario())
    assert logs == []
