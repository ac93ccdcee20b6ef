"""Questions that need several searches."""

from __future__ import annotations

import pytest

from antiphon.core.errors import ModelUnavailable
from antiphon.models.chat import ChatRequest, ChatResult, OnDelta, TextDelta
from antiphon.models.extractive import ExtractiveChat
from antiphon.retrieve.passage import Retrieved
from antiphon.runs.assistant import default_assistant
from antiphon.runs.nodes.builtin import antiphon_nodes
from antiphon.runs.nodes.decompose import MOST_QUERIES, needs_several, queries_of
from antiphon.testing.flows import FixedRetriever, RecordingSink, run_context, run_flow, sample_passage
from antiphon.testing.models import ScriptedModels
from antiphon.testing.simulated import simulated_runtime

QUESTION = "What is the difference between plan A and plan B?"


class Splitter:
    steerable = False

    def __init__(self, lines: str, *, error: Exception | None = None) -> None:
        self.lines, self.error, self.requests = lines, error, list[ChatRequest]()

    async def stream(self, request: ChatRequest, on_delta: OnDelta) -> ChatResult:
        self.requests.append(request)
        splitting = "separate searches" in request.messages[-1].content or "独立检索" in request.messages[-1].content
        if splitting and self.error is not None:
            raise self.error
        on_delta(TextDelta(self.lines if splitting else "Answer [1]."))
        return ChatResult(finish_reason="stop")


async def ask(model: object, question: str = QUESTION, language: str = "en") -> tuple[RecordingSink, FixedRetriever]:
    runtime, sink = simulated_runtime(), RecordingSink()
    retriever = FixedRetriever(Retrieved(passages=[sample_passage(1)], coverage=1.0))
    name = "extractive" if isinstance(model, ExtractiveChat) else "m"
    context = run_context(
        question=question, runtime=runtime, sink=sink, retriever=retriever, models=ScriptedModels({name: model}), language=language,  # type: ignore[dict-item]
    )  # fmt: skip
    await run_flow(default_assistant(), antiphon_nodes(), context=context)
    return sink, retriever


async def test_a_comparison_becomes_several_searches() -> None:
    sink, retriever = await ask(Splitter("1. price of plan A\n- price of plan B\n"))
    assert {call["query"] for call in retriever.calls} == {QUESTION, "price of plan A", "price of plan B"}
    told = [content for phase, content, _ in sink.of("status") if phase == "decomposing"]
    assert told == ["Splitting the question", "Searching for: price of plan A; price of plan B"]
    assert len(sink.of("sources")) == 1
    assert sink.text == "Answer [1]."


async def test_in_chinese() -> None:
    sink, retriever = await ask(Splitter("方案甲的价格\n方案乙的价格"), "方案甲和方案乙有什么区别？", language="zh")
    assert len(retriever.calls) == 3
    assert "分别检索：方案甲的价格；方案乙的价格" in [content for _, content, _ in sink.of("status")]


@pytest.mark.parametrize("error", [ModelUnavailable("Away."), TimeoutError()])
async def test_a_model_that_fails_is_told_and_done_without(error: Exception) -> None:
    sink, retriever = await ask(Splitter("", error=error))
    assert [call["query"] for call in retriever.calls] == [QUESTION]
    assert "The model could not split the question; it is searched as it is" in [content for _, content, _ in sink.of("status")]
    assert sink.text == "Answer [1]."


async def test_other_questions_and_no_model_cost_no_call() -> None:
    model = Splitter("x")
    _, retriever = await ask(model, "What does plan A cost?")
    assert (len(model.requests), len(retriever.calls)) == (1, 1)
    _, retriever = await ask(ExtractiveChat(simulated_runtime()))
    assert len(retriever.calls) == 1


@pytest.mark.parametrize(
    ("question", "several"),
    [
        (QUESTION, True), ("Compare the manuals", True), ("Is A cheaper than B?", True), ("A vs. B", True), ("甲与乙相比哪个更快？", True),
        ("两份合同有什么不同？", True), ("各部门分别有多少预算？", True), ("How many days of leave?", False), ("年假有几天？", False), ("", False),
    ],
)  # fmt: skip
def test_which_questions(question: str, several: bool) -> None:
    assert needs_several(question) == several


def test_what_a_model_writes() -> None:
    assert queries_of('1) "price of A"\n\n* Price of A\n---\n2、price of B', "q") == ["price of A", "price of B"]
    assert queries_of("What?", "what? ") == [], "the question itself is searched anyhow"
    assert len(queries_of("\n".join(f"query {n}: thing {n}" for n in range(9)), "q")) == MOST_QUERIES
    assert queries_of("2024 budget", "q") == ["2024 budget"]
