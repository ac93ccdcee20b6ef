"""The node condense: earlier user turns, decaying."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from antiphon.flows.definition import NodeDefinition
from antiphon.flows.descriptor import Port
from antiphon.models.chat import ChatMessage
from antiphon.runs.node import NodeContext, NodeType
from antiphon.runs.nodes.builtin import antiphon_nodes
from antiphon.runs.nodes.condense import CONDENSE, CondenseNode, join_turns, own_terms
from antiphon.testing.flows import flow, function_node, run_context, run_flow


def talk(*turns: str) -> list[ChatMessage]:
    """User turns, each answered."""
    return [
        ChatMessage(role=role, content=turn if role == "user" else f"answer to {turn}")
        for turn in turns
        for role in ("user", "assistant")
    ]


def test_a_first_question_stands_alone() -> None:
    assert join_turns("What is it?", [], turns=3, words=10) == "What is it?"


def test_the_latest_turn_first_each_with_half_the_room() -> None:
    history = talk("aa ab ac ad ae", "ba bb bc bd be", "ca cb cc cd ce")
    assert join_turns("q", history, turns=3, words=4) == "q\nca cb cc cd\nba bb\naa"
    assert join_turns("q", history, turns=2, words=4) == "q\nca cb cc cd\nba bb"
    assert join_turns("q", history, turns=3, words=1) == "q\nca"
    assert join_turns("q", history, turns=0, words=4) == "q"


def test_answers_of_the_assistant_are_left_out() -> None:
    assert "answer" not in join_turns("q", talk("a", "b"), turns=5, words=50)


def test_two_cjk_characters_count_as_a_word() -> None:
    assert join_turns("多少天？", talk("公司的年假制度是怎样的？"), turns=1, words=3) == "多少天？\n公司的年假制"
    assert join_turns("多少天？", talk("公司的年假制度是怎样的？"), turns=1, words=9) == "多少天？\n公司的年假制度是怎样的"


def test_turns_without_words_are_passed_over() -> None:
    assert join_turns("q", talk("a b", "?!"), turns=2, words=4) == "q\na b"


@pytest.mark.parametrize(
    ("question", "needs_more"),
    [
        ("Why?", True), ("What about security?", True), ("And how many days after ten years?", False),
        ("为什么？", True), ("多少天？", True), ("公司的年假制度是怎样的？", False), ("VPC 怎么收费，按小时还是按月？", False),
    ],
)  # fmt: skip
def test_what_a_question_says_itself(question: str, needs_more: bool) -> None:
    assert (own_terms(question) <= CONDENSE.settings_schema["properties"]["alone_terms"]["default"]) == needs_more


async def run(nodes: list[NodeType], question: str = "Why?", **settings: object) -> str:
    definition = flow(
        {"q": "question", "h": "history", "c": NodeDefinition(id="c", type="condense", settings=settings), "o": "output"},
        [("q.question", "c.question"), ("h.messages", "c.history"), ("c.query", "o.answer")],
    )
    context = run_context(question=question, history=talk("How long is the leave?"))
    return (await run_flow(definition, nodes, context=context)).result["text"]


async def test_the_question_is_searched_and_the_turns_before_go_beside_it() -> None:
    for turns, expected in ((2, ["How long is the leave?", "Where is the garage?"]), (1, ["How long is the leave?"]), (0, [])):
        got: dict[str, object] = {}

        async def keep(context: object, inputs: dict[str, object], kept: dict[str, object] = got) -> None:
            kept.update(inputs)

        ports = [Port(name="query", type="text"), Port(name="earlier", type="json")]
        types = [*antiphon_nodes(), function_node(keep, "keep", inputs=ports, output=True)]
        condense = NodeDefinition(id="c", type="condense", settings={"turns": turns})
        edges = [("q.question", "c.question"), ("h.messages", "c.history"), ("c.query", "k.query"), ("c.earlier", "k.earlier")]
        context = run_context(question="Why?", history=talk("What?", "Where is the garage?", "How long is the leave?"))
        await run_flow(flow({"q": "question", "h": "history", "c": condense, "k": "keep"}, edges), types, context=context)
        assert got == {"query": "Why?", "earlier": expected}


async def test_joined() -> None:
    assert await run(antiphon_nodes(), method="join") == "Why?\nHow long is the leave"
    assert await run(antiphon_nodes(), method="join", turns=0) == "Why?"
    assert (
        await run(antiphon_nodes(), "Which pension plan applies abroad?", method="join") == "Which pension plan applies abroad?"
    )


async def test_the_threshold_of_joining_is_a_setting() -> None:
    question = "Which pension plan applies abroad?"
    assert await run(antiphon_nodes(), question, method="join", alone_terms=9) == f"{question}\nHow long is the leave"
    assert await run(antiphon_nodes(), method="join", alone_terms=0) == "Why?"


async def test_the_seam_for_a_model() -> None:
    """Another way of condensing is a further Condenser; the node stays as it is."""

    class Shout:
        async def condense(self, question: str, history: Sequence[ChatMessage], context: NodeContext) -> str:
            return f"{question} {len(history)}".upper()

    types = [node for node in antiphon_nodes() if node.descriptor.type != "condense"]
    shouting = NodeType(descriptor=CONDENSE, implementation=CondenseNode({"weigh": Shout()}))
    assert await run([*types, shouting]) == "WHY? 2"
