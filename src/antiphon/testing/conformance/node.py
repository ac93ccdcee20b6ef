"""What every node type must keep, built-in or plug-in. A test class subclasses `NodeSuite` and says which node, fed with what.

    class TestWordCount(NodeSuite):
        node_type = word_count()
        inputs = {"text": "one two"}

Run against the built-in nodes in tests/conformance/test_nodes.py and the sample plug-in in tests/integration.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any, ClassVar

from antiphon.flows.definition import FlowDefinition, NodeDefinition
from antiphon.flows.descriptor import NodeDescriptor, Port
from antiphon.flows.port_types import fits
from antiphon.flows.settings_schema import fill_defaults, schema_faults, settings_faults
from antiphon.runs.executor import Execution
from antiphon.runs.node import NodeContext, NodeType, RunContext
from antiphon.testing.flows import RecordingObserver, edge, function_node, run_context, run_flow


class NodeSuite:
    """`inputs`: a value for each connected input, streams as their whole text; `settings`: what the defaults do not give."""

    node_type: ClassVar[NodeType]
    inputs: ClassVar[Mapping[str, Any]] = {}
    settings: ClassVar[Mapping[str, Any]] = {}

    def context(self) -> RunContext:
        return run_context()

    @property
    def descriptor(self) -> NodeDescriptor:
        return self.node_type.descriptor

    def test_settings_schema_is_understood(self) -> None:
        assert schema_faults(self.descriptor.settings_schema) == []

    def test_settings_are_valid_with_defaults(self) -> None:
        schema = self.descriptor.settings_schema
        assert settings_faults(schema, fill_defaults(schema, self.settings)) == []

    def test_unknown_setting_is_refused(self) -> None:
        assert settings_faults(self.descriptor.settings_schema, {**self.settings, "no_such_setting": 1}) != []

    def test_required_inputs_are_fed(self) -> None:
        missing = [port.name for port in self.descriptor.inputs if port.required and port.name not in self.inputs]
        assert missing == [], "the suite needs a value for each required input"

    async def test_runs_in_a_flow_and_gives_only_what_it_declares(self) -> None:
        observer = RecordingObserver()
        execution = await self.run_node(self.context(), observer)
        given = {port: value for (node, port), value in execution.values.items() if node == "node"}
        for port in self.descriptor.outputs:
            assert fits(port.type, given[port.name]), f"{port.name!r} is {port.type}, but {given[port.name]!r} was given"
        assert observer.of("started").count("node") == 1
        assert observer.of("finished").count("node") == 1

    async def test_two_runs_side_by_side_do_not_meet(self) -> None:
        alone = await self.run_node(self.context())
        together = await asyncio.gather(*(self.run_node(self.context()) for _ in range(5)))
        if self.descriptor.pure:
            assert all(other.values == alone.values for other in together)
        assert all(other.values.keys() == alone.values.keys() for other in together)

    async def test_leaves_no_task_behind(self) -> None:
        before = asyncio.all_tasks()
        await self.run_node(self.context())
        assert asyncio.all_tasks() == before

    async def test_cancellation_goes_through_at_every_step(self) -> None:
        """The run is cancelled after 0, 1, 2, ... turns of the loop, until it is quick enough to end by itself."""
        before = asyncio.all_tasks()
        for turns in range(200):
            task = asyncio.get_running_loop().create_task(self._turns(turns))
            done = await task
            assert asyncio.all_tasks() == before
            if done:
                return
        raise AssertionError("the node did not end within 200 turns of the loop; give the suite a context that answers at once")

    async def _turns(self, turns: int) -> bool:
        run = asyncio.get_running_loop().create_task(self.run_node(self.context()))
        for _ in range(turns):
            woken = asyncio.get_running_loop().create_future()
            asyncio.get_running_loop().call_soon(woken.set_result, None)
            await woken
        finished = run.done()
        run.cancel()
        await asyncio.wait([run])
        assert finished or run.cancelled(), "a node must not swallow a cancellation"
        return finished and run.exception() is None

    async def run_node(self, context: RunContext, observer: RecordingObserver | None = None) -> Execution:
        """Runs the node between sources that give `inputs` and a collecting output node."""
        types = [self.node_type, *(self._source(port) for port in self.descriptor.inputs if port.name in self.inputs)]
        nodes = [
            NodeDefinition(id="node", type=self.descriptor.type, version=self.descriptor.version, settings=dict(self.settings))
        ]
        edges = [edge(f"from_{name}.value", f"node.{name}") for name in self.inputs]
        nodes += [NodeDefinition(id=f"from_{name}", type=f"source_{name}") for name in self.inputs]
        if not self.descriptor.output:
            collecting = [Port(name="all", type="any", many=True, required=False)]
            types.append(function_node(_nothing, "collect", inputs=collecting, output=True))
            nodes.append(NodeDefinition(id="collect", type="collect"))
            edges += [edge(f"node.{port.name}", "collect.all") for port in self.descriptor.outputs]
        return await run_flow(FlowDefinition(nodes=nodes, edges=edges), types, context=context, observer=observer)

    def _source(self, port: Port) -> NodeType:
        value = self.inputs[port.name]

        async def give(context: NodeContext, inputs: Mapping[str, Any]) -> Mapping[str, Any]:  # noqa: ARG001 - the contract's
            return {"value": value}

        return function_node(give, f"source_{port.name}", outputs=[Port(name="value", type=port.type)])


async def _nothing(context: NodeContext, inputs: Mapping[str, Any]) -> None:  # noqa: ARG001 - the contract's
    return
