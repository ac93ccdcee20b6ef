"""Node `chat_model`: asks a chat model and streams its answer, piece by piece, in the adapter's own call.

Tests: tests/unit/runs/test_nodes_chat_model.py; the cost of a piece: docs/subsystems/flows.md.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from antiphon.flows.descriptor import NodeDescriptor, Port
from antiphon.models.chat import (
    ChatDelta,
    ChatMessage,
    ChatModel,
    ChatRequest,
    ChatResult,
    Evidence,
    OnDelta,
    ReasoningDelta,
    TextDelta,
)
from antiphon.models.extractive import EXTRACTIVE_MODEL
from antiphon.retrieve.passage import Passage
from antiphon.runs.failover import first_that_answers
from antiphon.runs.node import NodeContext, RunSink
from antiphon.runs.nodes import phrases
from antiphon.runs.nodes.summary import summarise, summary_parts
from antiphon.runs.refusal import Finding, as_finding, refusal_of, refusal_text

CHAT_MODEL: Final = NodeDescriptor(
    type="chat_model",
    label="Chat model",
    description="Asks a chat model. The messages: system, history, then the prompt (or, without one, the question).",
    inputs=[
        Port(name="question", type="text", description="The question, for models that answer from the passages themselves."),
        Port(name="system", type="text", required=False, description="What the model is told about its task."),
        Port(name="prompt", type="text", required=False, description="The user's message as the model gets it."),
        Port(name="history", type="messages", required=False),
        Port(name="passages", type="passages", required=False, description="The same, numbered, as evidence."),
        Port(
            name="evidence",
            type="json",
            required=False,
            description="What `retrieve` says of its passages. Too little: a refusal, or a warning where general knowledge is allowed.",
        ),
        Port(
            name="summary",
            type="json",
            required=False,
            description="A whole document from `whole_document`: it is summed up, and the passages are its sentences.",
        ),
    ],
    outputs=[
        Port(name="answer", type="stream[text]"),
        Port(name="reasoning", type="stream[text]", description="What a reasoning model thinks aloud; empty for others."),
    ],
    settings_schema={
        "type": "object",
        "properties": {
            "model": {
                "type": ["string", "null"],
                "maxLength": 200,
                "default": None,
                "description": "Id of the model; null: the one of the run.",
            },
            "low_evidence": {
                "enum": ["warn", "refuse"],
                "default": "warn",
                "description": "When the passages say too little: warn and ask the model, or refuse where only documents may speak.",
            },
            "temperature": {"type": ["number", "null"], "minimum": 0, "maximum": 2, "default": None},
            "max_tokens": {"type": ["integer", "null"], "minimum": 1, "maximum": 1_000_000, "default": None},
            "seed": {
                "type": ["integer", "null"],
                "minimum": 0,
                "maximum": 2**53 - 1,
                "default": None,
                "description": "Used when none is asked for with the question; null: the run draws one.",
            },
        },
    },
)


class ChatModelNode:
    async def run(self, context: NodeContext, inputs: Mapping[str, Any]) -> None:
        answering = _Answering(context, inputs)
        result = await first_that_answers(context, answering.pass_on, answering.by)
        if result is not None:
            context.run.sink.finish(result.finish_reason)


class _Answering:
    """One answer of the node, by whichever model gives it."""

    def __init__(self, context: NodeContext, inputs: Mapping[str, Any]) -> None:
        self._context = context
        self._inputs = inputs
        self._warned = False
        self.pass_on = _pass_on(context)

    async def by(self, model_id: str, model: ChatModel, on_delta: OnDelta) -> ChatResult | None:
        """None: no model was asked, and what there is to say has been said."""
        context, inputs, run = self._context, self._inputs, self._context.run
        finding = as_finding(inputs["evidence"])
        if finding is not None and finding.low:
            if model_id == EXTRACTIVE_MODEL or _must_refuse(context, inputs, finding):
                _refuse(context, finding, model_id)
                return None
            self._warn(finding)
        summary = inputs["summary"]
        if summary is not None:
            run.steering.rule_out()
        if summary is not None and model_id == EXTRACTIVE_MODEL:
            await _sum_up(context, summary)
            return None
        request = _request(context, inputs, model_id)
        if summary is not None:
            run.sink.record(model=model_id)
            result = await summarise(context, summary, request, model, on_delta)
            _use(run.sink, result)
            return result
        run.sink.record(model=model_id, prompt=_record(request))
        run.sink.status("generating", phrases.writing(run.language, model=model_id))
        answer = context.stream("answer")
        return await run.steering.through(
            model, request, on_delta, written=lambda: answer.text, write=answer.write, on_result=lambda one: _use(run.sink, one)
        )  # fmt: skip

    def _warn(self, finding: Finding) -> None:
        run = self._context.run
        if not self._warned:
            self._warned = True
            warning = phrases.low_evidence(run.language, general_knowledge=run.workspace.mode == "open")
            run.sink.status("low_evidence", warning, counts={"searched": finding.searched})
            run.sink.record(low_evidence=True)


async def _sum_up(context: NodeContext, summary: Mapping[str, Any]) -> None:
    run = context.run
    run.sink.record(model=EXTRACTIVE_MODEL)
    run.sink.status("generating", phrases.writing(run.language, model=EXTRACTIVE_MODEL))
    context.stream("reasoning")
    write = context.stream("answer").write
    for piece in summary_parts(summary, run.language):
        write(piece)
        await run.runtime.scheduler.sleep(0)
    run.sink.finish("stop")


def _must_refuse(context: NodeContext, inputs: Mapping[str, Any], finding: Finding) -> bool:
    """Whether a model is not even asked: the flow wants it, only documents may speak, there are some, and nothing was said
    before that the question could be about ("shorter, please")."""
    wanted = context.settings["low_evidence"] == "refuse" and context.run.workspace.mode == "documents_only"
    return wanted and finding.searched > 0 and not inputs["history"]


def _refuse(context: NodeContext, finding: Finding, model_id: str) -> None:
    run = context.run
    run.sink.record(model=model_id, refused=True)
    run.sink.refuse(refusal_of(finding))
    context.stream("reasoning")
    write = context.stream("answer").write
    for piece in refusal_text(finding, run.language):
        write(piece)
    run.sink.finish("refusal")


def _use(sink: RunSink, result: ChatResult) -> None:
    sink.usage(
        prompt_tokens=result.prompt_tokens,
        cached_prompt_tokens=result.cached_prompt_tokens,
        completion_tokens=result.completion_tokens,
    )


def _pass_on(context: NodeContext) -> OnDelta:
    """The callback of the token path: everything it needs is bound beforehand."""
    write = context.stream("answer").write
    thoughts = context.stream("reasoning")
    thoughts.listen(context.run.sink.reasoning)
    think = thoughts.write

    def on_delta(delta: ChatDelta) -> None:
        kind = type(delta)
        if kind is TextDelta:
            write(delta.text)  # pyright: ignore[reportAttributeAccessIssue, reportUnknownArgumentType] - `kind` told
        elif kind is ReasoningDelta:
            think(delta.text)  # pyright: ignore[reportAttributeAccessIssue, reportUnknownArgumentType] - `kind` told
        # No tools are offered here, so a ToolCallDelta is a model's invention; `finish_reason` shows it.

    return on_delta


def _request(context: NodeContext, inputs: Mapping[str, Any], model_id: str) -> ChatRequest:
    settings, run = context.settings, context.run
    question: str = inputs["question"]
    messages: list[ChatMessage] = []
    if inputs["system"]:
        messages.append(ChatMessage(role="system", content=inputs["system"]))
    messages.extend(inputs["history"] or [])
    messages.append(ChatMessage(role="user", content=inputs["prompt"] or question))
    return ChatRequest(
        model=model_id,
        messages=messages,
        question=question,
        evidence=[_evidence(n, passage) for n, passage in enumerate(inputs["passages"] or [], start=1)],
        language=run.language,
        temperature=settings["temperature"] if settings["temperature"] is not None else run.workspace.temperature,
        max_tokens=settings["max_tokens"],
        seed=run.seed_for(settings["seed"]),
    )


def _evidence(n: int, passage: Passage) -> Evidence:
    return Evidence(
        n=n, key=passage.document_id, order=(passage.page or 0, passage.start), title=passage.title, text=passage.text
    )


def _record(request: ChatRequest) -> dict[str, Any]:
    """What is needed to ask the same again."""
    return {
        "messages": [{"role": message.role, "content": message.content} for message in request.messages],
        "temperature": request.temperature,
        "max_tokens": request.max_tokens,
        "seed": request.seed,
    }
