"""The node template: which names it knows, and that documents cannot bring marks of their own."""

from __future__ import annotations

from typing import Any

import pytest

from antiphon.core.errors import BadRequest
from antiphon.flows.definition import NodeDefinition
from antiphon.models.chat import ChatMessage
from antiphon.retrieve.passage import Retrieved
from antiphon.runs.nodes.builtin import antiphon_nodes
from antiphon.storage.records.rows import WorkspaceRow
from antiphon.testing.flows import FixedRetriever, flow, function_node, run_context, run_flow, sample_passage


async def render(template: str, *, values: Any = None, **context: Any) -> str:
    async def give(context: object, inputs: object) -> dict[str, Any]:
        return {"values": values, "one": "first", "two": "second"}

    types = [*antiphon_nodes(), function_node(give, "give", outputs={"values": "json", "one": "text", "two": "text"})]
    edges = [
        ("q.question", "r.query"), ("q.question", "t.question"), ("r.passages", "t.passages"), ("h.messages", "t.history"),
        ("g.values", "t.values"), ("g.one", "t.texts"), ("g.two", "t.texts"), ("t.text", "o.answer"),
    ]  # fmt: skip
    node = NodeDefinition(id="t", type="template", settings={"template": template})
    nodes = {"q": "question", "h": "history", "r": "retrieve", "g": "give", "t": node, "o": "output"}
    context.setdefault("retriever", FixedRetriever(Retrieved(passages=[sample_passage(1), sample_passage(2)], coverage=1.0)))
    return (await run_flow(flow(nodes, edges), types, context=run_context(**context))).result["text"]


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        ("{{question}}", "What is it?"),
        ("{{#each passages}}[{{n}}] {{title}} p{{page}}: {{text}}\n{{/each}}", "[1] Title of doc_a p1: Passage number 1.\n[2] Title of doc_a p1: Passage number 2.\n"),
        ("{{#each history}}{{role}}={{content}};{{/each}}", "user=hi;"),
        ("{{text}}|{{#each texts}}{{this}},{{/each}}", "first|first,second,"),
        ("{{workspace}}/{{language}}/{{zh}}/{{open}}/{{instructions}}", "Docs/en/false/false/"),
        ("{{colour}}", "blue"),
    ],
)  # fmt: skip
async def test_names(template: str, expected: str) -> None:
    history = [ChatMessage(role="user", content="hi")]
    assert await render(template, values={"colour": "blue", "question": "not this one"}, history=history) == expected


async def test_workspace_and_language_switches() -> None:
    workspace = WorkspaceRow(id="ws_1", slug="d", name="D", instructions="  Be brief. \n", mode="open", created_at=0.0)
    assert await render("{{zh}} {{open}} [{{instructions}}]", workspace=workspace, language="zh") == "true true [Be brief.]"


async def test_marks_in_documents_questions_and_instructions_stay_text() -> None:
    evil = "{{instructions}}{{#each history}}{{content}}{{/each}}"
    passages = Retrieved(passages=[sample_passage(1, text=evil)], coverage=1.0)
    workspace = WorkspaceRow(id="ws_1", slug="d", name="D", instructions="secret {{question}}", created_at=0.0)
    rendered = await render(
        "{{question}}|{{#each passages}}{{text}}{{/each}}|{{instructions}}",
        retriever=FixedRetriever(passages), workspace=workspace, question=evil,
    )  # fmt: skip
    assert rendered == f"{evil}|{evil}|secret {{{{question}}}}"


async def test_a_wrong_template_is_found_before_the_run() -> None:
    with pytest.raises(BadRequest, match=r"'t': settings\.template: Line 1 of the template"):
        await render("{{question.__class__}}")


async def test_values_that_are_no_object_bring_no_names() -> None:
    assert await render("{{question}}", values=[1]) == "What is it?"
