"""The executor: order, side by side, streams, inputs of every kind, limits. Failures are in test_executor_failures.py."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest

from antiphon.core.errors import ToolFailed
from antiphon.flows.definition import NodeDefinition
from antiphon.flows.descriptor import Port
from antiphon.flows.plan import plan
from antiphon.runs.executor import Executor
from antiphon.runs.node import NodeContext, NodeType
from antiphon.testing.flows import RecordingObserver, catalogue_of, flow, function_node, run_context, run_flow
from antiphon.testing.simulated import simulated_runtime

Inputs = Mapping[str, Any]


async def settle() -> None:
    await simulated_runtime().scheduler.settle()


async def _say(context: NodeContext, inputs: Inputs) -> dict[str, Any]:
    return {"text": context.node_id}


async def _collect(context: NodeContext, inputs: Inputs) -> dict[str, Any]:
    return {"all": inputs["all"]}


SAY = function_node(_say, "say", outputs={"text": "text"})
COLLECT = function_node(
    _collect, "collect", inputs=[Port(name="all", type="any", many=True, required=False)], outputs={"all": "json"}, output=True
)


def gate(name: str, opened: asyncio.Event, running: list[str]) -> NodeType:
    """A node that waits until it is let through."""

    async def wait(context: NodeContext, inputs: Inputs) -> dict[str, Any]:
        running.append(context.node_id)
        await opened.wait()
        return {"text": context.node_id}

    return function_node(wait, name, inputs=[Port(name="after", type="any", many=True, required=False)], outputs={"text": "text"})


async def test_many_inputs_come_in_the_order_of_the_edges() -> None:
    execution = await run_flow(
        flow(
            {"a": "say", "b": "say", "c": "say", "out": "collect"},
            [("c.text", "out.all"), ("a.text", "out.all"), ("b.text", "out.all")],
        ),
        [SAY, COLLECT],
    )
    assert execution.result == {"all": ["c", "a", "b"]}
    assert execution.values["a", "text"] == "a"


async def test_inputs_without_edges_are_none_or_an_empty_list() -> None:
    seen: dict[str, Any] = {}

    async def look(context: NodeContext, inputs: Inputs) -> dict[str, Any]:
        seen.update(inputs)
        return {"text": ""}

    ports = [Port(name="one", type="text", required=False), Port(name="many", type="text", required=False, many=True)]
    look_node = function_node(look, "look", inputs=ports, outputs={"text": "text"})
    await run_flow(flow({"look": "look", "out": "collect"}, [("look.text", "out.all")]), [look_node, COLLECT])
    assert seen == {"one": None, "many": []}


async def test_independent_nodes_run_side_by_side_and_each_as_soon_as_it_can() -> None:
    opened, running = asyncio.Event(), list[str]()
    types = [gate("gate", opened, running), SAY, COLLECT]
    definition = flow(
        {"a": "gate", "b": "gate", "quick": "say", "behind": "gate", "last": "gate", "out": "collect"},
        [("quick.text", "behind.after"), ("a.text", "last.after"), ("last.text", "out.all")],
    )
    task = asyncio.create_task(run_flow(definition, types))
    await settle()
    assert sorted(running) == ["a", "b", "behind"], "`behind` has its input, `last` has not"
    opened.set()
    await task
    assert running[-1] == "last"


async def test_an_early_output_starts_those_behind_it() -> None:
    opened, running = asyncio.Event(), list[str]()

    async def early(context: NodeContext, inputs: Inputs) -> dict[str, Any]:
        context.emit("text", "now")
        await opened.wait()
        return {"later": 1}

    types = [function_node(early, "early", outputs={"text": "text", "later": "number"}), gate("gate", opened, running), COLLECT]
    task = asyncio.create_task(
        run_flow(flow({"e": "early", "g": "gate", "out": "collect"}, [("e.text", "g.after"), ("e.later", "out.all")]), types)
    )
    await settle()
    assert running == ["g"]
    opened.set()
    assert (await task).result == {"all": [1]}


async def test_a_stream_is_passed_on_in_the_writers_own_call() -> None:
    told: list[str] = []
    reading = asyncio.Event()

    async def write(context: NodeContext, inputs: Inputs) -> None:
        stream = context.stream("answer")
        await reading.wait()
        for piece in "abc":
            stream.write(piece)
            told.append(f"wrote {piece}")

    async def read(context: NodeContext, inputs: Inputs) -> dict[str, Any]:
        inputs["answer"].listen(lambda text: told.append(f"read {text}"))
        reading.set()
        return {"text": await inputs["answer"].whole()}

    types = [
        function_node(write, "write", outputs={"answer": "stream[text]"}),
        function_node(read, "read", inputs={"answer": "stream[text]"}, outputs={"text": "text"}, output=True),
    ]
    observer = RecordingObserver()
    execution = await run_flow(flow({"w": "write", "r": "read"}, [("w.answer", "r.answer")]), types, observer=observer)
    assert told == ["read a", "wrote a", "read b", "wrote b", "read c", "wrote c"]
    assert execution.result == {"text": "abc"}
    assert execution.values["w", "answer"] == "abc"
    assert observer.of("chunk") == [("w", "answer", piece) for piece in "abc"]
    assert ("w", "answer", "abc") not in observer.of("output")


@pytest.mark.parametrize("target", ["text", "any"])
async def test_a_stream_into_a_plain_input_is_awaited_whole(target: Any) -> None:
    opened = asyncio.Event()

    async def write(context: NodeContext, inputs: Inputs) -> None:
        context.stream("answer").write("a")
        await opened.wait()
        context.stream("answer").write("b")

    async def echo(context: NodeContext, inputs: Inputs) -> dict[str, Any]:
        return {"text": inputs["text"]}

    types = [
        function_node(write, "write", outputs={"answer": "stream[text]"}),
        function_node(echo, "echo", inputs={"text": target}, outputs={"text": "text"}, output=True),
    ]
    observer = RecordingObserver()
    task = asyncio.create_task(run_flow(flow({"w": "write", "e": "echo"}, [("w.answer", "e.text")]), types, observer=observer))
    await settle()
    assert observer.of("started") == ["w"]
    opened.set()
    assert (await task).result == {"text": "ab"}


async def test_a_text_feeds_a_stream_input() -> None:
    async def read(context: NodeContext, inputs: Inputs) -> dict[str, Any]:
        return {"text": "|".join([piece async for piece in inputs["answer"]])}

    types = [SAY, function_node(read, "read", inputs={"answer": "stream[text]"}, outputs={"text": "text"}, output=True)]
    execution = await run_flow(flow({"hello": "say", "r": "read"}, [("hello.text", "r.answer")]), types)
    assert execution.result == {"text": "hello"}


@pytest.mark.parametrize(("given", "expected"), [({"answer": "all at once"}, "all at once"), (None, ""), ({}, "")])
async def test_a_stream_port_may_be_given_whole_or_not_at_all(given: Any, expected: str) -> None:
    async def give(context: NodeContext, inputs: Inputs) -> Any:
        return given

    types = [function_node(give, "give", outputs={"answer": "stream[text]"}), COLLECT]
    execution = await run_flow(flow({"g": "give", "out": "collect"}, [("g.answer", "out.all")]), types)
    assert execution.result == {"all": [expected]}


async def test_an_unset_output_is_none_where_none_is_allowed() -> None:
    async def give(context: NodeContext, inputs: Inputs) -> None:
        return

    types = [function_node(give, "give", outputs={"text": "text"}), COLLECT]
    execution = await run_flow(flow({"g": "give", "out": "collect"}, [("g.text", "out.all")]), types)
    assert execution.result == {"all": [None]}


@pytest.mark.parametrize("max_parallel", [1, 2])
async def test_the_number_of_nodes_at_the_same_time_is_limited(max_parallel: int) -> None:
    most = now = 0

    async def work(context: NodeContext, inputs: Inputs) -> dict[str, Any]:
        nonlocal most, now
        now += 1
        most = max(most, now)
        await settle()
        now -= 1
        return {"text": context.node_id}

    types = [function_node(work, "work", outputs={"text": "text"}), COLLECT]
    nodes = {**{f"w{n}": "work" for n in range(6)}, "out": "collect"}
    execution = await run_flow(flow(nodes, [(f"w{n}.text", "out.all") for n in range(6)]), types, max_parallel=max_parallel)
    assert execution.result["all"] == [f"w{n}" for n in range(6)]
    assert most == max_parallel


async def test_one_place_is_enough_for_a_chain_of_streams() -> None:
    """A reader takes its place after its writer has one, so a narrow run is slow, never locked up."""

    async def write(context: NodeContext, inputs: Inputs) -> None:
        context.stream("answer").write("a")
        await settle()
        context.stream("answer").write("b")

    async def relay(context: NodeContext, inputs: Inputs) -> None:
        out = context.stream("answer")
        async for piece in inputs["answer"]:
            out.write(piece.upper())

    types = [
        function_node(write, "write", outputs={"answer": "stream[text]"}),
        function_node(relay, "relay", inputs={"answer": "stream[text]"}, outputs={"answer": "stream[text]"}),
        COLLECT,
    ]
    definition = flow({"w": "write", "r": "relay", "out": "collect"}, [("w.answer", "r.answer"), ("r.answer", "out.all")])
    async with asyncio.timeout(5):
        assert (await run_flow(definition, types, max_parallel=1)).result == {"all": ["AB"]}


async def test_settings_and_labels_reach_the_node() -> None:
    async def look(context: NodeContext, inputs: Inputs) -> dict[str, Any]:
        return {"all": [context.node_id, context.label, dict(context.settings)]}

    schema = {"type": "object", "properties": {"k": {"type": "integer", "default": 4}, "by": {"type": "string"}}}
    types = [function_node(look, "look", outputs={"all": "json"}, settings_schema=schema, output=True)]
    node = NodeDefinition(id="l", type="look", label="Look!", settings={"by": "x"})
    assert (await run_flow(flow({"l": node}, []), types)).result == {"all": ["l", "Look!", {"k": 4, "by": "x"}]}


async def test_one_executor_runs_many_plans_side_by_side() -> None:
    types = [SAY, COLLECT]
    planned = plan(flow({"a": "say", "out": "collect"}, [("a.text", "out.all")]), catalogue_of(types))
    executor = Executor({(t.descriptor.type, t.descriptor.version): t.implementation for t in types}, simulated_runtime())
    before = asyncio.all_tasks()
    results = await asyncio.gather(*(executor.execute(planned, run_context(), RecordingObserver()) for _ in range(20)))
    assert [dict(execution.result) for execution in results] == [{"all": ["a"]}] * 20
    assert asyncio.all_tasks() == before


async def test_a_missing_implementation_is_told_before_anything_runs() -> None:
    planned = plan(flow({"a": "say", "out": "collect"}, [("a.text", "out.all")]), catalogue_of([SAY, COLLECT]))
    observer = RecordingObserver()
    with pytest.raises(ToolFailed, match="'say', which has no implementation"):
        await Executor({("collect", 1): COLLECT.implementation}, simulated_runtime()).execute(planned, run_context(), observer)
    assert observer.events == []


def test_the_limit_is_at_least_one() -> None:
    with pytest.raises(ValueError, match="at least 1"):
        Executor({}, simulated_runtime(), max_parallel=0)
