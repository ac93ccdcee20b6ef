"""Node `template`: text from a logic-less template over plain data (the language: flows/template.py).

Tests: tests/unit/runs/test_nodes_template.py.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Final, cast

from antiphon.flows.descriptor import NodeDescriptor, Port
from antiphon.flows.template import Section, parse_template, render_template
from antiphon.models.chat import ChatMessage
from antiphon.retrieve.passage import Passage
from antiphon.runs.node import NodeContext
from antiphon.runs.quoting import quoted

TEMPLATE: Final = NodeDescriptor(
    type="template",
    label="Template",
    description=(
        "Fills names and lists into a text. Names: question, passages (n, title, heading, page, text, quote: the text with `> ` before each line), history (role, content), "
        "texts, text (the first of them), instructions, workspace, language, and the switches zh and open; "
        "the fields of `values` besides."
    ),
    inputs=[
        Port(name="question", type="text", required=False),
        Port(name="passages", type="passages", required=False),
        Port(name="history", type="messages", required=False),
        Port(name="texts", type="text", required=False, many=True),
        Port(name="values", type="json", required=False, description="An object; its fields are names."),
    ],
    outputs=[Port(name="text", type="text")],
    settings_schema={
        "type": "object",
        "properties": {
            "template": {
                "type": "string",
                "format": "template",
                "maxLength": 50_000,
                "default": "{{question}}",
                "description": "{{name}}, {{#each list}}…{{/each}}, {{#if name}}…{{else}}…{{/if}}",
            }
        },
    },
)


class TemplateNode:
    async def run(self, context: NodeContext, inputs: Mapping[str, Any]) -> Mapping[str, Any]:
        template = _parsed(context.settings["template"])
        return {"text": render_template(template, _names(context, inputs))}


@lru_cache(maxsize=64)  # the default assistant's own would else be parsed for every question
def _parsed(text: str) -> Section:
    return parse_template(text)


def _names(context: NodeContext, inputs: Mapping[str, Any]) -> dict[str, Any]:
    workspace = context.run.workspace
    texts: list[str] = inputs["texts"]
    history: list[ChatMessage] = inputs["history"] or []
    passages: list[Passage] = inputs["passages"] or []
    values: Any = inputs["values"]
    return {
        **(cast("dict[str, Any]", values) if isinstance(values, dict) else {}),
        "question": inputs["question"],
        "passages": [_passage(n, passage) for n, passage in enumerate(passages, start=1)],
        "history": [_message(message) for message in history],
        "texts": texts,
        "text": texts[0] if texts else None,
        "instructions": workspace.instructions.strip(),
        "workspace": workspace.name,
        "language": context.run.language,
        "zh": context.run.language == "zh",
        "open": workspace.mode == "open",
    }


def _passage(n: int, passage: Passage) -> dict[str, Any]:
    heading = " > ".join(passage.heading_path)
    return {
        "n": n, "title": _one_line(passage.title), "heading": _one_line(heading), "page": passage.page, "text": passage.text,
        "quote": quoted(passage.text),
    }  # fmt: skip


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _message(message: ChatMessage) -> dict[str, Any]:
    return {"role": message.role, "content": message.content}
