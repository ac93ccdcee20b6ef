"""The node chat_model: the request it makes, what it passes on, what it reports."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from antiphon.core.errors import AntiphonError, BadRequest, ContextTooLong, ModelError, ModelUnavailable, RateLimited, Timeout
from antiphon.flows.definition import NodeDefinition
from antiphon.flows.descriptor import Port
from antiphon.models.chat import ChatMessage, ChatResult, ReasoningDelta, ToolCallDelta
from antiphon.retrieve.passage import Passage
from antiphon.runs.nodes.builtin import antiphon_nodes
from antiphon.storage.records.rows import WorkspaceRow
from antiphon.testing.flows import RecordingObserver, RecordingSink, flow, function_node, run_context, run_flow, sample_passage
from antiphon.testing.models import ScriptedChat, ScriptedModels, Step, Wait
from antiphon.testing.simulated import simulated_runtime

HISTORY = [ChatMessage(role="user", content="hi"), ChatMessage(role="assistant", content="hello")]


class Scene:
    """One chat_model node between a node that feeds it and the output."""

    def __init__(
        self,
        steps: tuple[Step, ...] = ("He", "llo"),
        *,
        result: ChatResult | None = None,
        fallbacks: tuple[str, ...] = (),
        **context: Any,
    ) -> None:
        self.runtime = simulated_runtime()
        self.model = ScriptedChat(self.runtime, steps, result=result)
        self.sink = RecordingSink()
        self.observer = RecordingObserver()
        self.second = ScriptedChat(self.runtime, ("Second ", "answers"))
        models = ScriptedModels(
            {"default": ScriptedChat(self.runtime), "mine": self.model, "second": self.second}, fallbacks=fallbacks
        )
        self.context = run_context(**{"model": "mine", "models": models, "runtime": self.runtime, "sink": self.sink, **context})

    async def run(self, passages: tuple[Passage, ...] = (), prompt: str = "", system: str = "", **settings: Any) -> str:
        async def feed(context: object, inputs: object) -> dict[str, Any]:
            return {"system": system, "prompt": prompt, "history": self.context.history, "passages": list(passages)}

        outputs = {"system": "text", "prompt": "text", "history": "messages", "passages": "passages"}
        node = NodeDefinition(id="m", type="chat_model", settings=settings)
        edges = [("q.question", "m.question"), *((f"f.{name}", f"m.{name}") for name in outputs), ("m.answer", "o.answer")]
        definition = flow({"q": "question", "f": "feed", "m": node, "o": "output"}, edges)
        types = [*antiphon_nodes(), function_node(feed, "feed", outputs=outputs)]
        return (await run_flow(definition, types, context=self.context, observer=self.observer)).result["text"]


async def test_the_request() -> None:
    scene = Scene(history=HISTORY, question="Why?", language="zh", seed=7)
    passages = (sample_passage(2), sample_passage(1, document="doc_b"))
    await scene.run(passages, prompt="Passages and: Why?", system="Rules.", temperature=0.5, max_tokens=100, seed=9)
    request = scene.model.requests[0]
    assert [(message.role, message.content) for message in request.messages] == [
        ("system", "Rules."), ("user", "hi"), ("assistant", "hello"), ("user", "Passages and: Why?"),
    ]  # fmt: skip
    assert (request.model, request.question, request.language) == ("mine", "Why?", "zh")
    assert (request.temperature, request.max_tokens) == (0.5, 100)
    assert request.seed == 7, "the run's own goes before the setting's"
    assert [(e.n, e.key, e.order, e.title, e.text) for e in request.evidence] == [
        (1, "doc_a", (1, 200), "Title of doc_a", "Passage number 2."),
        (2, "doc_b", (1, 100), "Title of doc_b", "Passage number 1."),
    ]


async def test_without_prompt_and_system_the_question_alone() -> None:
    scene = Scene(question="Why?")
    await scene.run(seed=9)
    assert [(message.role, message.content) for message in scene.model.requests[0].messages] == [("user", "Why?")]
    assert scene.model.requests[0].seed == 9


async def test_the_answer_goes_out_piece_by_piece() -> None:
    scene = Scene(("a", "b", "c"))
    assert await scene.run() == "abc"
    assert scene.sink.text == "abc"
    assert [text for node, port, text in scene.observer.of("chunk") if (node, port) == ("m", "answer")] == ["a", "b", "c"]


async def test_a_piece_is_out_while_the_model_still_writes() -> None:
    scene = Scene(("a", Wait(1.0), "b", Wait(1.0), "c"))
    task = asyncio.create_task(scene.run())
    await scene.runtime.scheduler.settle(50)
    assert scene.sink.text == "a"
    await scene.runtime.advance(1.0)
    assert scene.sink.text == "ab"
    await scene.runtime.advance(1.0)
    assert await task == "abc"


async def test_reasoning_goes_its_own_way_and_tool_calls_none() -> None:
    scene = Scene((ReasoningDelta("think "), ReasoningDelta("hard"), ToolCallDelta(index=0, name="rm"), "done"))
    assert await scene.run() == "done"
    assert scene.sink.of("reasoning") == ["think ", "hard"]


async def test_usage_finish_status_and_record() -> None:
    result = ChatResult(finish_reason="length", prompt_tokens=10, cached_prompt_tokens=4, completion_tokens=2)
    scene = Scene(result=result)
    await scene.run(system="Rules.", temperature=0.1)
    assert scene.sink.of("usage") == [{"prompt_tokens": 10, "cached_prompt_tokens": 4, "completion_tokens": 2}]
    assert scene.sink.of("finish") == ["length"]
    assert scene.sink.of("status") == [("generating", "Writing the answer with mine", {})]
    assert scene.sink.of("record") == [
        {
            "model": "mine",
            "prompt": {
                "messages": [{"role": "system", "content": "Rules."}, {"role": "user", "content": "What is it?"}],
                "temperature": 0.1, "max_tokens": None, "seed": None,
            },
        }
    ]  # fmt: skip


async def test_the_status_speaks_chinese() -> None:
    scene = Scene(language="zh")
    await scene.run()
    assert scene.sink.of("status")[0][1] == "正在用 mine 撰写回答"


async def test_the_model_of_the_settings_goes_before_the_runs() -> None:
    scene = Scene(model="default")
    assert await scene.run(model="mine") == "Hello"
    scene = Scene(model=None)
    assert await scene.run() == "Scripted answer."


async def test_an_unknown_model() -> None:
    with pytest.raises(BadRequest, match="'gone'"):
        await Scene().run(model="gone")


async def test_an_error_keeps_the_text_before_it() -> None:
    scene = Scene(("a", ModelError("The model server said: overloaded.")))
    with pytest.raises(ModelError, match="overloaded"):
        await scene.run()
    assert scene.sink.text == "a"
    assert [entry[:2] for entry in scene.observer.of("failed")] == [("m", "model_error")]


async def test_cancelling_reaches_the_model_at_once() -> None:
    scene = Scene(("a", Wait(1000.0), "b"))
    task = asyncio.create_task(scene.run())
    await scene.runtime.scheduler.settle(50)
    task.cancel()
    await asyncio.wait([task])
    assert task.cancelled()
    assert scene.model.cancelled == 1
    assert scene.model.streaming == 0
    assert scene.sink.text == "a"


async def test_two_answers_can_feed_one_another() -> None:
    """A chat model's stream is awaited whole where text is wanted."""
    scene = Scene(("draft",))
    types = [*antiphon_nodes(), function_node(_shout, "shout", inputs=[Port(name="text", type="text")], outputs={"text": "text"})]
    edges = [("q.question", "m.question"), ("m.answer", "s.text"), ("s.text", "o.answer")]
    definition = flow({"q": "question", "m": "chat_model", "s": "shout", "o": "output"}, edges)
    execution = await run_flow(definition, types, context=scene.context)
    assert execution.result == {"text": "DRAFT"}


async def _shout(context: object, inputs: Any) -> dict[str, Any]:
    return {"text": inputs["text"].upper()}


def workspace(**fields: Any) -> WorkspaceRow:
    return WorkspaceRow(id="ws_1", slug="h", name="H", created_at=0.0, **fields)


@pytest.mark.parametrize(
    "error",
    [ModelUnavailable("Away."), ModelError("Broke."), RateLimited("Busy."), Timeout("Silent."), ContextTooLong("Too long.")],
)
async def test_another_model_stands_in_before_the_first_token(error: AntiphonError) -> None:
    scene = Scene((error,), fallbacks=("second",))
    assert await scene.run() == "Second answers"
    statuses = [content for _, content, _ in scene.sink.of("status")]
    assert statuses == [
        "Writing the answer with mine", "mine did not answer; going over to second", "Writing the answer with second",
    ]  # fmt: skip
    record = {name: value for facts in scene.sink.of("record") for name, value in facts.items()}
    assert record["model"] == "second"
    assert record["failed_models"] == [{"model": "mine", "code": error.code, "message": error.message}]
    assert scene.second.requests[0].model == "second"


async def test_after_the_first_token_nobody_stands_in() -> None:
    for first in ("He", ReasoningDelta("Hm")):
        scene = Scene((first, ModelError("Broke.")), fallbacks=("second",))
        with pytest.raises(ModelError, match="Broke"):
            await scene.run()
        assert scene.second.requests == []


async def test_the_workspaces_own_go_before_the_servers_and_what_is_gone_is_passed_over() -> None:
    scene = Scene((ModelError("Broke."),), fallbacks=("default",), workspace=workspace(fallbacks=["gone", "mine", "second"]))
    assert await scene.run() == "Second answers"
    scene = Scene((ModelError("Broke."),), fallbacks=("second",), workspace=workspace(fallbacks=[]))
    with pytest.raises(ModelError, match="Broke"):
        await scene.run()


async def test_when_all_fail_the_last_error_is_told_and_the_record_has_them_all() -> None:
    scene = Scene((ModelUnavailable("Away."),), fallbacks=("second",))
    scene.second._answers = [[ModelError("Second broke.")]]
    with pytest.raises(ModelError, match="Second broke"):
        await scene.run()
    assert {name: value for facts in scene.sink.of("record") for name, value in facts.items()}["failed_models"][0][
        "model"
    ] == "mine"


async def test_a_wrong_request_is_no_reason_to_go_over() -> None:
    scene = Scene((BadRequest("Wrong."),), fallbacks=("second",))
    with pytest.raises(BadRequest):
        await scene.run()
    assert scene.second.requests == []


async def test_temperature_of_the_node_then_of_the_workspace() -> None:
    scene = Scene(workspace=workspace(temperature=0.3))
    await scene.run()
    await scene.run(temperature=0)
    assert [request.temperature for request in scene.model.requests] == [0.3, 0]
