from __future__ import annotations

from typing import Any

from antiphon.access.scope import Action, scope
from antiphon.commands.services import Services
from antiphon.conversations.messages import message_json
from antiphon.conversations.suggestions import dismiss_suggestion
from antiphon.protocol.events import Event
from antiphon.storage.records.rows import MESSAGES, MessageRow

REFUSAL = {"reason": "low_evidence", "nearest": [], "searched": 3, "workspaces": 1}


async def test_a_suggestion_is_taken_back_once_and_told(services: Services) -> None:
    owner = await services.accounts.owner_identity()
    workspace = await services.workspaces.create(owner, name="W")
    reach = await scope(owner, Action.READ, services.accounts)
    session = await services.sessions.create(owner, reach, workspace.id)
    offered: list[dict[str, Any]] = [{"suggestion_id": "sug_1"}, {"suggestion_id": "sug_2"}]
    row = MessageRow(
        id="msg_1", session_id=session.id, workspace_id=workspace.id, ordinal=1, created_at=1.0, role="assistant", suggestions=offered,
        refusal=REFUSAL,
    )  # fmt: skip
    await services.store.write(lambda tx: tx.insert(MESSAGES, row))
    told: list[tuple[list[str], Event]] = []

    async def dismiss(suggestion_id: str) -> bool:
        return await dismiss_suggestion(
            services.store, lambda topics, event: told.append((topics, event)), reach, session.id, suggestion_id
        )  # fmt: skip

    assert [await dismiss("sug_1"), await dismiss("sug_1"), await dismiss("sug_none")] == [True, False, False]
    ((topics, event),) = told
    assert (topics, event.message_id) == ([f"session:{session.id}"], "msg_1")
    ((stored,), _) = await services.messages.page(reach, session.id)
    shown = message_json(stored)
    assert (shown["suggestions"], shown["refusal"]) == ([{"suggestion_id": "sug_2"}], REFUSAL)
