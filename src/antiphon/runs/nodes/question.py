"""Node `question`: what the user asked. Tests: tests/unit/runs/test_nodes_simple.py."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from antiphon.flows.descriptor import NodeDescriptor, Port
from antiphon.runs.node import NodeContext

QUESTION: Final = NodeDescriptor(
    type="question",
    label="Question",
    description="What the user asked, as it was sent.",
    outputs=[Port(name="question", type="text", description="The words of the question.")],
)


class QuestionNode:
    async def run(self, context: NodeContext, inputs: Mapping[str, Any]) -> Mapping[str, Any]:  # noqa: ARG002 - has no inputs
        return {"question": context.run.question}
