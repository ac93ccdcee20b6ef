"""The nodes question, history and output."""

from __future__ import annotations

import pytest

from antiphon.flows.definition import NodeDefinition
from antiphon.flows.descriptor import Port
from antiphon.models.chat import ChatMessage
from antiphon.runs.nodes.builtin import antiphon_nodes
from antiphon.testing.flows import RecordingSink, flow, function_node, run_context, run_flow

TYPES = antiphon_nodes()
HISTORY = [ChatMessage(role="user" if n % 2 == 0 else "assistant", content=str(n)) for n in range(4)]


async def test_question_into_output() -> None:
    sink = RecordingSink()
    definition = flow({"q": "question", "o": "output"}, [("q.question", "o.answer")])
    execution = await run_flow(definition, TYPES, context=run_context(question="Why?", sink=sink))
    assert execution.result == {"text": "Why?"}
    assert sink.events == [("answer", "Why?")]


async def test_output_passes_each_piece_on_at_once() -> None:
    sink = RecordingSink()
    seen: list[int] = []

    async def write(context: object, inputs: object) -> None:
        for piece in ("a", "b", "c"):
            context.stream("answer").write(piece)
            seen.append(len(sink.events))
            await context.run.runtime.scheduler.sleep(0)

    types = [*TYPES, function_node(write, "write", outputs={"answer": "stream[text]"})]
    await run_flow(flow({"w": "write", "o": "output"}, [("w.answer", "o.answer")]), types, context=run_context(sink=sink))
    assert sink.of("answer") == ["a", "b", "c"]
    assert seen[1:] == [2, 3], "from the second piece on, when the reader listens, a piece is out before write returns"


@pytest.mark.parametrize(("limit", "expected"), [(None, "0123"), (0, ""), (1, "3"), (3, "123"), (99, "0123")])
async def test_history_gives_the_latest(limit: int | None, expected: str) -> None:
    async def show(context: object, inputs: dict) -> dict:
        return {"text": "".join(message.content for message in inputs["messages"])}

    types = [
        *TYPES,
        function_node(show, "show", inputs=[Port(name="messages", type="messages")], outputs={"text": "text"}, output=True),
    ]
    node = NodeDefinition(id="h", type="history", settings={"limit": limit})
    execution = await run_flow(
        flow({"h": node, "s": "show"}, [("h.messages", "s.messages")]), types, context=run_context(history=HISTORY)
    )
    assert execution.result == {"text": expected}
