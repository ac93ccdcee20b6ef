"""Runs a plan: every node once, as soon as its inputs are there, all inside one task group that nothing survives.

Called by the run engine (runs/engine.py), once per attempt of a run. Guarantees and figures: docs/subsystems/flows.md.
Tests: tests/unit/runs/test_executor.py, test_executor_failures.py, tests/properties/test_executor_graphs.py.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

import structlog

from antiphon.core.errors import AntiphonError, Timeout, ToolFailed
from antiphon.core.runtime import Runtime
from antiphon.flows.plan import Plan, PlannedInput, PlannedNode
from antiphon.flows.port_types import fits
from antiphon.runs.node import NodeContext, NodeImplementation, NodeObserver, RunContext
from antiphon.runs.node_failures import as_tool_failed, cancelled_from_outside, worth_another_try
from antiphon.runs.output_cache import OutputCache
from antiphon.runs.stream import PushTextStream

_log = structlog.get_logger(__name__)

DEFAULT_MAX_PARALLEL: Final = 32


@dataclass(frozen=True, kw_only=True, slots=True)
class Execution:
    """What a finished run of a plan gave. `values`: (node, output port) -> value, a stream as its whole text.
    `result`: the outputs of the output node by port."""

    values: Mapping[tuple[str, str], Any]
    result: Mapping[str, Any]


class Executor:
    """Holds the implementations; has no state of its own between runs and may run any number of plans side by side.

    `max_parallel`: nodes of one run that run at the same time. A node keeps its place through its retries, and a reader of
    a stream only takes one after the writer has, so a low number slows a run down but cannot lock it up."""

    def __init__(
        self,
        implementations: Mapping[tuple[str, int], NodeImplementation],
        runtime: Runtime,
        *,
        max_parallel: int = DEFAULT_MAX_PARALLEL,
        cache: OutputCache | None = None,
    ) -> None:
        if max_parallel < 1:
            raise ValueError("max_parallel is at least 1.")
        self._implementations = implementations
        self._runtime = runtime
        self._max_parallel = max_parallel
        self._cache = cache

    async def execute(self, plan: Plan, context: RunContext, observer: NodeObserver, *, cached: bool = True) -> Execution:
        """Runs all nodes of the plan and returns when the last one has.

        Raises the AntiphonError of the first node that failed (anything else it raised: ToolFailed naming the node, the
        cause chained and logged); the others are cancelled first and waited for. Cancelling this call cancels every node
        in the loop's next turn (a node that is due already may take its step before), waits for them and raises
        CancelledError; from that turn on no stream passes text on and no output is taken.
        `cached` False: every node runs, whatever is kept."""
        run = _Run(
            plan=plan,
            context=context,
            observer=observer,
            implementations=self._implementations,
            runtime=self._runtime,
            places=asyncio.Semaphore(self._max_parallel),
            cache=self._cache if cached else None,
        )
        try:
            return await run.execute()
        finally:
            run.release()


class _NodeRun:
    """One node of one run."""

    __slots__ = ("context", "emitted", "implementation", "missing", "node", "ready", "run_context", "streams")

    def __init__(self, node: PlannedNode, implementation: NodeImplementation) -> None:
        self.node = node
        self.implementation = implementation
        self.missing = {(source.node, source.port) for entry in node.inputs for source in entry.sources}
        self.ready = asyncio.Event()
        if not self.missing:
            self.ready.set()
        self.streams: dict[str, PushTextStream] = {}
        self.emitted: set[str] = set()
        self.context: NodeContext | None = None
        self.run_context: RunContext | None = None

    @property
    def told(self) -> bool:
        """Whether others may have seen something of it already, so that it must not be tried again."""
        return bool(self.emitted) or any(stream.written for stream in self.streams.values())


class _Run:
    def __init__(
        self,
        *,
        plan: Plan,
        context: RunContext,
        observer: NodeObserver,
        implementations: Mapping[tuple[str, int], NodeImplementation],
        runtime: Runtime,
        places: asyncio.Semaphore,
        cache: OutputCache | None,
    ) -> None:
        self._plan = plan
        self._context = context
        self._observer = observer
        self._runtime = runtime
        self._places = places
        self._cache = cache
        self._values: dict[tuple[str, str], Any] = {}
        self._nodes = [_NodeRun(node, _implementation(implementations, node)) for node in plan.nodes]
        self._followers: defaultdict[tuple[str, str], list[_NodeRun]] = defaultdict(list)
        for state in self._nodes:
            for key in state.missing:
                self._followers[key].append(state)
        self._left = len(self._nodes)
        self._over = asyncio.Event()
        self._closing = False
        self._failure: BaseException | None = None

    async def execute(self) -> Execution:
        task = asyncio.current_task()
        cancellations_before = task.cancelling() if task is not None else 0
        try:
            async with asyncio.TaskGroup() as group:
                for state in self._nodes:
                    group.create_task(self._run_node(state), name=f"{self._context.run_id}/{state.node.id}")
                try:
                    await self._over.wait()
                except asyncio.CancelledError:
                    self._close()
                    raise
        except BaseExceptionGroup as group_error:
            if task is not None and task.cancelling() > cancellations_before:  # asked to stop while a node failed
                raise asyncio.CancelledError from group_error
            if self._failure is None:  # KeyboardInterrupt and the like, which no node boundary turns into an error
                raise
        if self._failure is not None:  # raised out here, so that the group does not become its context, and a cycle
            raise self._failure
        values = {key: value.text if isinstance(value, PushTextStream) else value for key, value in self._values.items()}
        result = {port: value for (node, port), value in values.items() if node == self._plan.output}
        return Execution(values=values, result=result)

    def release(self) -> None:
        """Opens the ring of run, nodes and contexts, so that the texts go now and not when the collector comes by: it counts
        containers, and megabytes of text hang on a few."""
        self._values.clear()
        for state in self._nodes:
            state.streams.clear()
            state.context = state.run_context = None

    # --- one node ------------------------------------------------------------------------------------------------------

    async def _run_node(self, state: _NodeRun) -> None:
        await state.ready.wait()
        inputs = {entry.port.name: await self._input(entry) for entry in state.node.inputs}
        async with self._places:
            failure = await self._guarded(state, inputs)
        if failure is not None:
            raise failure
        self._left -= 1
        if self._left == 0:
            self._over.set()

    async def _guarded(self, state: _NodeRun, inputs: Mapping[str, Any]) -> AntiphonError | None:
        """Runs the node; what it raised, as the error the run is to fail with. Only a cancellation goes through."""
        started_s = self._runtime.clock.monotonic()
        try:
            self._observer.node_started(state.node.id, state.node.label)
            cached = await self._from_cache_or_attempts(state, inputs)
            self._observer.node_finished(state.node.id, self._elapsed_ms(started_s), cached=cached)
        except asyncio.CancelledError as error:
            # A node whose own inner task was cancelled: for a task group that is no failure, and those behind would wait.
            if self._closing or cancelled_from_outside():
                raise
            return self._failed(state, error, started_s)
        except (Exception, SystemExit) as error:  # noqa: BLE001 - the boundary of the node: becomes node_failed and the run's error
            return self._failed(state, error, started_s)
        return None

    async def _from_cache_or_attempts(self, state: _NodeRun, inputs: Mapping[str, Any]) -> bool:
        """Whether the outputs were kept from an earlier run."""
        watched = self._cache.watch(state.node, self._context, inputs) if self._cache is not None else None
        if watched is None:
            await self._attempts(state, inputs)
            return False
        kept = watched.found()
        if kept is not None:
            self._give_out(state, kept)
            return True
        state.run_context = watched.context()
        await self._attempts(state, inputs)
        watched.keep({key[1]: value for key, value in self._values.items() if key[0] == state.node.id and value is not None})
        return False

    async def _attempts(self, state: _NodeRun, inputs: Mapping[str, Any]) -> None:
        retry = state.node.definition.retry
        attempts = 1 if state.node.descriptor.side_effects else retry.attempts
        attempt = 1
        while True:
            try:
                outputs = await self._limited(state, inputs)
                break
            except Exception as error:
                if attempt >= attempts or state.told or not worth_another_try(error):
                    raise
                _log.warning(
                    "node_tried_again", run_id=self._context.run_id, node=state.node.id, attempt=attempt, error=repr(error)
                )
            await self._runtime.scheduler.sleep(retry.pause_s * 2 ** (attempt - 1))
            attempt += 1
        self._give_out(state, outputs or {})

    async def _limited(self, state: _NodeRun, inputs: Mapping[str, Any]) -> Mapping[str, Any] | None:
        """One try, within the node's time limit. The limit is kept by the injected scheduler; `asyncio.timeout` only
        turns its alarm into a cancellation that cannot be taken for one from outside."""
        limit_s = state.node.definition.timeout_s
        context = self._context_of(state)
        if limit_s is None:
            return await state.implementation.run(context, inputs)
        loop = asyncio.get_running_loop()
        limit = asyncio.timeout(None)
        try:
            async with limit:
                alarm = self._runtime.scheduler.call_later(limit_s, lambda: limit.reschedule(loop.time()))
                try:
                    outputs = await state.implementation.run(context, inputs)
                finally:
                    alarm.cancel()
        except TimeoutError:
            if not limit.expired():  # the node's own
                raise
            outputs = None
        if limit.expired():
            raise Timeout(
                f"The node {state.node.id!r} took longer than its limit of {limit_s:g} s.", data={"node": state.node.id}
            )
        return outputs

    def _context_of(self, state: _NodeRun) -> NodeContext:
        if state.context is None:
            state.context = NodeContext(
                node_id=state.node.id,
                label=state.node.label,
                settings=state.node.settings,
                run=state.run_context or self._context,
                stream=partial(self._open_stream, state),
                emit=partial(self._emit, state),
            )
        return state.context

    def _failed(self, state: _NodeRun, error: BaseException, started_s: float) -> AntiphonError:
        """The error to raise for `error`; tells observer and readers when it is the first of the run."""
        shown = error if isinstance(error, AntiphonError) else as_tool_failed(state.node, error)
        if self._failure is not None or self._closing:
            if error is not self._failure:  # a reader of a failed stream got the very same error: nothing new
                _log.warning("node_failed_late", run_id=self._context.run_id, node=state.node.id, exc_info=error)
            return shown
        if shown is not error:
            shown.__cause__ = error
            _log.error("node_failed", run_id=self._context.run_id, node=state.node.id, exc_info=error)
        self._failure = shown
        self._observer.node_failed(state.node.id, shown.code, shown.message, self._elapsed_ms(started_s))
        for stream in state.streams.values():
            stream.fail(shown)
        self._close()
        return shown

    # --- values --------------------------------------------------------------------------------------------------------

    async def _input(self, entry: PlannedInput) -> Any:
        """The value of an input: a stream itself where one is wanted, its whole text for everything else."""
        values: list[Any] = []
        for source in entry.sources:
            value = self._values[source.node, source.port]
            if isinstance(value, PushTextStream):
                values.append(value if entry.port.type == "stream[text]" else await value.whole())
            elif entry.port.type == "stream[text]":
                values.append(PushTextStream.of(value) if value is not None else None)
            else:
                values.append(value)
        if entry.port.many:
            return values
        return values[0] if values else None

    def _open_stream(self, state: _NodeRun, port: str) -> PushTextStream:
        """Opens the stream of a port and tells who waits for it; a second call gives the same stream."""
        stream = state.streams.get(port)
        if stream is None:
            self._demand_free_port(state, port, stream=True)
            stream = state.streams[port] = PushTextStream()
            stream.listen(partial(self._observer.node_chunk, state.node.id, port))
            self._set(state, port, stream)
        return stream

    def _emit(self, state: _NodeRun, port: str, value: Any) -> None:
        port_type = self._demand_free_port(state, port)
        if not fits(port_type, value):
            raise ToolFailed(
                f"The node {state.node.id!r} gave {type(value).__name__} on its output {port!r}, which is {port_type}.",
                data={"node": state.node.id, "port": port},
            )
        if port_type == "stream[text]":
            stream = self._open_stream(state, port)
            stream.write(value)
            stream.end()
            state.emitted.add(port)
            return
        state.emitted.add(port)
        self._observer.node_output(state.node.id, port, value)
        self._set(state, port, value)

    def _give_out(self, state: _NodeRun, outputs: Mapping[str, Any]) -> None:
        """Emits what a node returned, ends its streams, and accounts for ports that it left unset."""
        if self._closing:  # it swallowed its cancellation
            raise asyncio.CancelledError("The run is being cancelled.")
        for port, value in outputs.items():
            self._emit(state, port, value)
        for port in state.node.descriptor.outputs:
            if port.type == "stream[text]":
                self._open_stream(state, port.name).end()
            elif port.name not in state.emitted:
                self._demand_not_needed(state, port.name)
                self._set(state, port.name, None)

    def _set(self, state: _NodeRun, port: str, value: Any) -> None:
        key = (state.node.id, port)
        self._values[key] = value
        for follower in self._followers.get(key, ()):
            follower.missing.discard(key)
            if not follower.missing:
                follower.ready.set()

    def _demand_free_port(self, state: _NodeRun, name: str, *, stream: bool = False) -> Any:
        """The type of a declared output that is not set yet. Raises ToolFailed otherwise, CancelledError in a run that ends."""
        if self._closing:
            raise asyncio.CancelledError("The run is being cancelled.")
        port = next((port for port in state.node.descriptor.outputs if port.name == name), None)
        if port is None or (stream and port.type != "stream[text]"):
            kind = "stream output" if stream else "output"
            raise ToolFailed(
                f"The node {state.node.id!r} has no {kind} {name!r}.",
                data={"node": state.node.id, "port": name},
            )
        if name in state.emitted or (name in state.streams and not stream):
            raise ToolFailed(
                f"The node {state.node.id!r} set its output {name!r} twice.",
                data={"node": state.node.id, "port": name},
            )
        return port.type

    def _demand_not_needed(self, state: _NodeRun, port: str) -> None:
        key = (state.node.id, port)
        for follower in self._followers.get(key, ()):
            for entry in follower.node.inputs:
                if entry.port.required and any((source.node, source.port) == key for source in entry.sources):
                    raise ToolFailed(
                        f"The node {state.node.id!r} gave nothing on its output {port!r}, which {follower.node.id!r} needs.",
                        data={"node": state.node.id, "port": port},
                    )

    def _close(self) -> None:
        """From here on nothing of the run goes out: open streams are sealed before any task is cancelled."""
        self._closing = True
        for state in self._nodes:
            for stream in state.streams.values():
                stream.seal()

    def _elapsed_ms(self, started_s: float) -> int:
        return round((self._runtime.clock.monotonic() - started_s) * 1000)


def _implementation(implementations: Mapping[tuple[str, int], NodeImplementation], node: PlannedNode) -> NodeImplementation:
    found = implementations.get((node.descriptor.type, node.descriptor.version))
    if found is None:
        raise ToolFailed(f"The node {node.id!r} is of the type {node.descriptor.type!r}, which has no implementation here.")
    return found
