"""Node `history`: the earlier messages of the session. Tests: tests/unit/runs/test_nodes_simple.py."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from antiphon.flows.descriptor import NodeDescriptor, Port
from antiphon.runs.node import NodeContext

HISTORY: Final = NodeDescriptor(
    type="history",
    label="History",
    description="The earlier messages of the session, oldest first, without the question.",
    outputs=[Port(name="messages", type="messages", description="At most `limit` messages, the latest ones.")],
    settings_schema={
        "type": "object",
        "properties": {
            "limit": {
                "type": ["integer", "null"],
                "minimum": 0,
                "maximum": 1000,
                "default": None,
                "description": "Messages at most; null: all that the run brings (setting `runs.history_messages`).",
            }
        },
    },
)


class HistoryNode:
    async def run(self, context: NodeContext, inputs: Mapping[str, Any]) -> Mapping[str, Any]:  # noqa: ARG002 - has no inputs
        messages = context.run.history
        limit = context.settings["limit"]
        return {"messages": list(messages if limit is None else messages[max(0, len(messages) - int(limit)) :])}
