"""The executor when something goes wrong: errors, cancellation, time limits, retries. No task may survive."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import suppress
from typing import Any

import pytest
from structlog.testing import capture_logs

from antiphon.core.errors import BadRequest, ModelUnavailable, Timeout, ToolFailed
from antiphon.flows.definition import NodeDefinition, Retry
from antiphon.flows.descriptor import Port
from antiphon.runs.node import NodeContext, NodeType
from antiphon.testing.flows import RecordingObserver, flow, function_node, run_context, run_flow
from antiphon.testing.simulated import simulated_runtime

Inputs = Mapping[str, Any]


@pytest.fixture(autouse=True)
async def no_task_survives() -> AsyncIterator[None]:
    before = asyncio.all_tasks()
    yield
    left = {task for task in asyncio.all_tasks() - before if task is not asyncio.current_task()}
    assert left == set()


async def settle() -> None:
    await simulated_runtime().scheduler.settle()


async def _nothing(context: NodeContext, inputs: Inputs) -> None:
    return


OUT = function_node(_nothing, "out", inputs=[Port(name="all", type="any", many=True, required=False)], output=True)


class Sleeper:
    """A node that waits for ever and counts its cancellations; `stubborn`: how often it goes on all the same."""

    def __init__(self, *, stubborn: int = 0, on_cancel: Callable[[NodeContext], None] | None = None) -> None:
        self.cancelled = 0
        self.started = 0
        self._stubborn = stubborn
        self._on_cancel = on_cancel

    async def run(self, context: NodeContext, inputs: Inputs) -> None:
        self.started += 1
        while True:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                self.cancelled += 1
                if self._on_cancel is not None:
                    self._on_cancel(context)
                if self.cancelled > self._stubborn:
                    raise

    def node_type(self, name: str = "sleep") -> NodeType:
        return function_node(self.run, name, outputs={"answer": "stream[text]", "text": "text"})


def failing(error: BaseException, name: str = "fail") -> NodeType:
    async def fail(context: NodeContext, inputs: Inputs) -> None:
        await settle()
        raise error

    return function_node(fail, name, outputs={"text": "text"})


async def test_an_antiphon_error_keeps_its_class_code_and_words() -> None:
    observer = RecordingObserver()
    error = BadRequest("No such model.")
    with pytest.raises(BadRequest) as caught:
        await run_flow(flow({"f": "fail", "o": "out"}, [("f.text", "o.all")]), [failing(error), OUT], observer=observer)
    assert caught.value is error
    assert observer.of("failed") == [("f", "bad_request", "No such model.")]
    assert observer.of("started") == ["f"]


@pytest.mark.parametrize("error", [KeyError("secret /path"), SystemExit(3), asyncio.CancelledError(), TimeoutError("own")])
async def test_anything_else_becomes_tool_failed_naming_the_node(error: BaseException) -> None:
    observer = RecordingObserver()
    with capture_logs() as logs, pytest.raises(ToolFailed, match=f"'f' failed with {type(error).__name__}") as caught:
        await run_flow(flow({"f": "fail", "o": "out"}, [("f.text", "o.all")]), [failing(error), OUT], observer=observer)
    assert caught.value.__cause__ is error
    assert "secret" not in caught.value.message
    assert [entry["exc_info"] for entry in logs if entry["event"] == "node_failed"] == [error]
    assert [entry[:2] for entry in observer.of("failed")] == [("f", "tool_failed")]


async def test_the_first_failure_cancels_the_others_and_waits_for_them() -> None:
    sleeper = Sleeper()
    observer = RecordingObserver()
    with pytest.raises(ModelUnavailable):
        await run_flow(
            flow({"s": "sleep", "s2": "sleep", "f": "fail", "o": "out"}, [("f.text", "o.all"), ("s.text", "o.all")]),
            [sleeper.node_type(), failing(ModelUnavailable("Away.")), OUT],
            observer=observer,
        )
    assert sleeper.started == sleeper.cancelled == 2
    assert [entry[0] for entry in observer.of("failed")] == ["f"]
    assert observer.of("finished") == []


async def test_a_second_failure_on_the_way_down_is_logged_not_raised() -> None:
    def fail(context: NodeContext) -> None:
        raise OSError("while cleaning up")

    observer = RecordingObserver()
    with capture_logs() as logs, pytest.raises(ModelUnavailable):
        await run_flow(
            flow({"s": "sleep", "f": "fail", "o": "out"}, [("f.text", "o.all")]),
            [Sleeper(on_cancel=fail).node_type(), failing(ModelUnavailable("Away.")), OUT],
            observer=observer,
        )
    assert [entry[0] for entry in observer.of("failed")] == ["f"]
    assert [entry["node"] for entry in logs if entry["event"] == "node_failed_late"] == ["s"]


async def test_readers_of_a_failed_stream_do_not_count_as_failed() -> None:
    async def write(context: NodeContext, inputs: Inputs) -> None:
        context.stream("answer").write("a")
        await settle()
        raise ModelUnavailable("Away.")

    async def read(context: NodeContext, inputs: Inputs) -> None:
        await inputs["answer"].whole()

    types = [
        function_node(write, "write", outputs={"answer": "stream[text]"}),
        function_node(read, "read", inputs={"answer": "stream[text]"}, output=True),
    ]
    observer = RecordingObserver()
    with capture_logs() as logs, pytest.raises(ModelUnavailable):
        await run_flow(flow({"w": "write", "r": "read"}, [("w.answer", "r.answer")]), types, observer=observer)
    assert [entry[0] for entry in observer.of("failed")] == ["w"]
    assert logs == []


async def test_cancelling_cancels_every_node_and_waits() -> None:
    sleepers = [Sleeper(), Sleeper(stubborn=1)]
    types = [sleepers[0].node_type("one"), sleepers[1].node_type("two"), OUT]
    task = asyncio.create_task(run_flow(flow({"a": "one", "b": "two", "o": "out"}, [("a.text", "o.all")]), types))
    await settle()
    task.cancel()
    await settle()
    assert sleepers[0].cancelled == 1
    assert not task.done(), "the stubborn one is waited for"
    left = [other for other in asyncio.all_tasks() if other.get_name() == "run_1/b"]
    left[0].cancel()
    await asyncio.wait([task])
    assert task.cancelled()


async def test_nothing_goes_out_after_a_cancellation() -> None:
    heard: list[str] = []
    refused: list[str] = []

    def write_on(context: NodeContext) -> None:
        for name, act in (
            ("write", lambda: context.stream("answer").write("late")),
            ("emit", lambda: context.emit("text", "late")),
        ):
            try:
                act()
            except asyncio.CancelledError:
                refused.append(name)

    async def read(context: NodeContext, inputs: Inputs) -> None:
        inputs["answer"].listen(heard.append)
        await inputs["answer"].whole()

    async def write(context: NodeContext, inputs: Inputs) -> None:
        context.stream("answer").write("early")
        await Sleeper(on_cancel=write_on).run(context, inputs)

    types = [
        function_node(write, "write", outputs={"answer": "stream[text]", "text": "text"}),
        function_node(read, "read", inputs={"answer": "stream[text]"}, output=True),
    ]
    observer = RecordingObserver()
    task = asyncio.create_task(run_flow(flow({"w": "write", "r": "read"}, [("w.answer", "r.answer")]), types, observer=observer))
    await settle()
    task.cancel()
    await asyncio.wait([task])
    assert task.cancelled()
    assert heard == ["early"]
    assert refused == ["write", "emit"]
    assert observer.of("chunk") == [("w", "answer", "early")]
    assert observer.of("failed") == []


async def test_a_stop_wins_over_a_failure_that_it_causes() -> None:
    def fail(context: NodeContext) -> None:
        raise OSError("connection closed")

    task = asyncio.create_task(
        run_flow(flow({"s": "sleep", "o": "out"}, [("s.text", "o.all")]), [Sleeper(on_cancel=fail).node_type(), OUT])
    )
    await settle()
    task.cancel()
    with capture_logs() as logs:
        await asyncio.wait([task])
    assert task.cancelled()
    assert [entry["event"] for entry in logs] == ["node_failed_late"]


@pytest.mark.parametrize("given", [{"text": "late"}, None])
async def test_a_node_that_swallows_the_cancellation_gives_nothing_out(given: Any) -> None:
    async def swallow(context: NodeContext, inputs: Inputs) -> Any:
        with suppress(asyncio.CancelledError):
            await asyncio.Event().wait()
        return given

    observer = RecordingObserver()
    types = [function_node(swallow, "swallow", outputs={"text": "text"}), OUT]
    task = asyncio.create_task(run_flow(flow({"s": "swallow", "o": "out"}, [("s.text", "o.all")]), types, observer=observer))
    await settle()
    task.cancel()
    await asyncio.wait([task])
    assert task.cancelled()
    assert observer.events == [("started", "s")]


async def test_cancelled_before_the_first_step() -> None:
    sleeper = Sleeper()
    task = asyncio.create_task(run_flow(flow({"s": "sleep", "o": "out"}, [("s.text", "o.all")]), [sleeper.node_type(), OUT]))
    task.cancel()
    await asyncio.wait([task])
    assert task.cancelled()
    assert sleeper.started == 0


async def test_a_time_limit() -> None:
    runtime = simulated_runtime()
    sleeper = Sleeper()
    observer = RecordingObserver()
    nodes = {"s": NodeDefinition(id="s", type="sleep", timeout_s=3.0), "o": "out"}
    task = asyncio.create_task(
        run_flow(
            flow(nodes, [("s.text", "o.all")]),
            [sleeper.node_type(), OUT],
            context=run_context(runtime=runtime),
            observer=observer,
        )
    )
    await runtime.advance(2.9)
    assert not task.done()
    await runtime.advance(0.2)
    with pytest.raises(Timeout, match=r"'s' took longer than its limit of 3 s"):
        await task
    assert sleeper.cancelled == 1
    assert [entry[:2] for entry in observer.of("failed")] == [("s", "timeout")]


async def test_a_time_limit_that_is_kept_leaves_no_alarm() -> None:
    runtime = simulated_runtime()
    nodes = {"n": NodeDefinition(id="n", type="nothing", timeout_s=3.0), "o": "out"}
    types = [function_node(_nothing, "nothing", outputs={"text": "text"}), OUT]
    await run_flow(flow(nodes, [("n.text", "o.all")]), types, context=run_context(runtime=runtime))
    assert runtime.scheduler.next_due_s is None


async def test_a_node_that_swallows_its_time_limit_has_failed_all_the_same() -> None:
    runtime = simulated_runtime()

    async def swallow(context: NodeContext, inputs: Inputs) -> dict[str, Any]:
        with suppress(asyncio.CancelledError):
            await asyncio.Event().wait()
        return {"text": "late"}

    nodes = {"s": NodeDefinition(id="s", type="swallow", timeout_s=1.0), "o": "out"}
    types = [function_node(swallow, "swallow", outputs={"text": "text"}), OUT]
    task = asyncio.create_task(run_flow(flow(nodes, [("s.text", "o.all")]), types, context=run_context(runtime=runtime)))
    await runtime.advance(1.1)
    with pytest.raises(Timeout):
        await task


class Flaky:
    """Fails the first `failures` times; `before` runs in each try."""

    def __init__(self, failures: int, error: Exception, before: Callable[[NodeContext], None] = lambda context: None) -> None:
        self.tries = 0
        self._failures = failures
        self._error = error
        self._before = before

    async def run(self, context: NodeContext, inputs: Inputs) -> dict[str, Any]:
        self.tries += 1
        self._before(context)
        if self.tries <= self._failures:
            raise self._error
        return {"text": f"try {self.tries}"}

    async def in_flow(self, attempts: int, **descriptor: Any) -> tuple[Any, list[float]]:
        runtime = simulated_runtime()
        began_s = runtime.clock.monotonic()
        flaky = function_node(
            self.run, "flaky", outputs={"answer": "stream[text]", "text": "text", "early": "number"}, **descriptor
        )
        node = NodeDefinition(id="f", type="flaky", retry=Retry(attempts=attempts, pause_s=1.0))
        task = asyncio.create_task(
            run_flow(flow({"f": node, "o": "out"}, [("f.text", "o.all")]), [flaky, OUT], context=run_context(runtime=runtime))
        )
        pauses: list[float] = []
        await runtime.scheduler.settle()
        while (due_s := runtime.scheduler.next_due_s) is not None:
            pauses.append(due_s)
            await runtime.advance(due_s)
        assert runtime.clock.monotonic() - began_s == sum(pauses)
        return (await task).values["f", "text"], pauses


async def test_retries_with_doubling_pauses() -> None:
    flaky = Flaky(3, ModelUnavailable("Away."))
    assert await flaky.in_flow(attempts=4) == ("try 4", [1.0, 2.0, 4.0])


async def test_retries_of_unknown_errors_too() -> None:
    assert await Flaky(1, OSError("reset")).in_flow(attempts=2) == ("try 2", [1.0])


async def test_no_more_tries_than_said() -> None:
    flaky = Flaky(9, ModelUnavailable("Away."))
    with pytest.raises(ModelUnavailable):
        await flaky.in_flow(attempts=3)
    assert flaky.tries == 3


@pytest.mark.parametrize(
    ("flaky", "descriptor"),
    [
        (Flaky(1, ModelUnavailable("Away."), lambda context: context.stream("answer").write("a")), {}),
        (Flaky(1, ModelUnavailable("Away."), lambda context: context.emit("early", 1)), {}),
        (Flaky(1, ModelUnavailable("Away.")), {"side_effects": True}),
        (Flaky(1, BadRequest("Wrong for good.")), {}),
    ],
    ids=["wrote", "emitted", "side effects", "not retryable"],
)
async def test_never_tried_again_when_others_saw_something_or_it_cannot_help(flaky: Flaky, descriptor: dict[str, Any]) -> None:
    with pytest.raises((ModelUnavailable, BadRequest)):
        await flaky.in_flow(attempts=5, **descriptor)
    assert flaky.tries == 1


async def test_an_opened_but_unwritten_stream_is_no_reason_against_a_retry() -> None:
    flaky = Flaky(1, ModelUnavailable("Away."), lambda context: context.stream("answer").write(""))
    assert await flaky.in_flow(attempts=2) == ("try 2", [1.0])


async def test_cancelled_during_the_pause_of_a_retry() -> None:
    flaky = Flaky(9, ModelUnavailable("Away."))
    task = asyncio.create_task(flaky.in_flow(attempts=9))
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.wait([task])
    assert task.cancelled()
    for other in [other for other in asyncio.all_tasks() if other is not asyncio.current_task() and "run_flow" in repr(other)]:
        other.cancel()  # the flow itself is a task of its own in this helper
        await asyncio.wait([other])
        assert other.cancelled()


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"text": 5}, "'f' gave int on its output 'text', which is text"),
        ({"nope": 5}, "'f' has no output 'nope'"),
        ({"number": True}, "'f' gave bool on its output 'number'"),
        ({}, "'f' gave nothing on its output 'text', which 'need' needs"),
    ],
)
async def test_wrong_outputs_are_the_nodes_failure(given: dict[str, Any], words: str) -> None:
    async def give(context: NodeContext, inputs: Inputs) -> dict[str, Any]:
        return given

    types = [
        function_node(give, "give", outputs={"text": "text", "number": "number"}),
        function_node(_nothing, "need", inputs={"text": "text"}, output=True),
    ]
    observer = RecordingObserver()
    with pytest.raises(ToolFailed, match=words) as caught:
        await run_flow(flow({"f": "give", "need": "need"}, [("f.text", "need.text")]), types, observer=observer)
    assert caught.value.data["node"] == "f"
    assert [entry[0] for entry in observer.of("failed")] == ["f"]


@pytest.mark.parametrize(
    ("act", "words"),
    [
        (lambda context: (context.emit("text", "a"), context.emit("text", "b")), "set its output 'text' twice"),
        (lambda context: (context.stream("answer"), context.emit("answer", "b")), "set its output 'answer' twice"),
        (lambda context: context.stream("text"), "has no stream output 'text'"),
        (lambda context: context.stream("gone"), "has no stream output 'gone'"),
    ],
)
async def test_wrong_use_of_ports(act: Callable[[NodeContext], Any], words: str) -> None:
    async def misuse(context: NodeContext, inputs: Inputs) -> None:
        act(context)

    types = [function_node(misuse, "misuse", outputs={"answer": "stream[text]", "text": "text"}), OUT]
    with pytest.raises(ToolFailed, match=words):
        await run_flow(flow({"m": "misuse", "o": "out"}, [("m.text", "o.all")]), types)


async def test_a_failing_observer_fails_the_run_and_leaks_nothing() -> None:
    class Broken(RecordingObserver):
        def node_started(self, node_id: str, label: str) -> None:
            raise OSError("log is full")

    with pytest.raises(ToolFailed), capture_logs():
        await run_flow(flow({"n": "nothing", "o": "out"}, []), [function_node(_nothing, "nothing"), OUT], observer=Broken())
