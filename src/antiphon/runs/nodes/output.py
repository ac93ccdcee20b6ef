"""Node `output`: what flows in is the run's answer, piece by piece, in the writer's own call.

Tests: tests/unit/runs/test_nodes_simple.py.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from antiphon.flows.descriptor import NodeDescriptor, Port
from antiphon.runs.node import NodeContext, TextStream

OUTPUT: Final = NodeDescriptor(
    type="output",
    label="Output",
    description="The answer of the run; marks like [1] in it become citations.",
    inputs=[Port(name="answer", type="stream[text]", description="The answer; a whole text will do as well.")],
    outputs=[Port(name="text", type="text", description="The answer as a whole.")],
    output=True,
)


class OutputNode:
    async def run(self, context: NodeContext, inputs: Mapping[str, Any]) -> Mapping[str, Any]:
        answer: TextStream = inputs["answer"]
        answer.listen(context.run.sink.answer)
        return {"text": await answer.whole()}
