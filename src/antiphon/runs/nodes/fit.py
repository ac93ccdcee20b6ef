"""Node `fit`: history and passages cut to the model's context window, by whole turns and whole passages, and told.

Tests: tests/unit/runs/test_nodes_fit.py; what goes first: runs/context_fitting.py.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from antiphon.flows.descriptor import NodeDescriptor, Port
from antiphon.models.chat import ChatMessage
from antiphon.retrieve.passage import Passage
from antiphon.runs.context_fitting import fit_context
from antiphon.runs.node import NodeContext
from antiphon.runs.nodes import phrases

FIT: Final = NodeDescriptor(
    type="fit",
    label="Fit",
    description="Cuts history and passages to the model's context window, where it is known, and says so.",
    inputs=[
        Port(name="question", type="text"),
        Port(name="system", type="text", required=False),
        Port(name="history", type="messages", required=False),
        Port(name="passages", type="passages", required=False),
        Port(
            name="summary", type="json", required=False, description="A whole document: it is read in parts, and nothing is cut."
        ),
    ],
    outputs=[
        Port(name="history", type="messages", description="The latest turns."),
        Port(name="passages", type="passages", description="The best passages; their numbers stay."),
    ],
    settings_schema={
        "type": "object",
        "properties": {
            "model": {
                "type": ["string", "null"],
                "maxLength": 200,
                "default": None,
                "description": "Id of the model to fit for; null: the one of the run.",
            },
            "answer_tokens": {
                "type": ["integer", "null"],
                "minimum": 1,
                "maximum": 1_000_000,
                "default": None,
                "description": "Room kept for the answer; null: a quarter of the window, 1024 at most.",
            },
        },
    },
)


class FitNode:
    async def run(self, context: NodeContext, inputs: Mapping[str, Any]) -> Mapping[str, Any]:
        run = context.run
        history: list[ChatMessage] = inputs["history"] or []
        passages: list[Passage] = inputs["passages"] or []
        model, _ = run.models.resolve(context.settings["model"] or run.model)
        window = run.models.describe(model).context_window
        if window is None or inputs["summary"] is not None:
            return {"history": history, "passages": passages}
        fitted = fit_context(
            window,
            question=inputs["question"],
            system=inputs["system"] or "",
            history=history,
            passages=passages,
            answer_tokens=context.settings["answer_tokens"],
        )
        counts = {"messages": fitted.dropped_messages, "passages": fitted.dropped_passages}
        if any(counts.values()):
            run.sink.status("fitting", phrases.fitted(run.language, **counts), counts=counts)
        run.sink.record(context={"window": window, "estimated_tokens": fitted.tokens, "left_out": counts})
        return {"history": fitted.history, "passages": fitted.passages}
