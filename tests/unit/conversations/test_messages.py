from __future__ import annotations

import pytest

from antiphon.access.scope import Action, Scope, scope
from antiphon.commands.services import Services
from antiphon.conversations.messages import message_json
from antiphon.core.errors import NotFound
from antiphon.storage.records.rows import MESSAGES, MessageRow


async def conversation(services: Services, count: int) -> tuple[Scope, str]:
    owner = await services.accounts.owner_identity()
    workspace = await services.workspaces.create(owner, name="W")
    reach = await scope(owner, Action.READ, services.accounts)
    session = await services.sessions.create(owner, reach, workspace.id)
    rows = [
        MessageRow(
            id=f"msg_{number}", session_id=session.id, workspace_id=workspace.id, ordinal=number, created_at=float(number),
            role="user" if number % 2 else "assistant",
        )
        for number in range(1, count + 1)
    ]  # fmt: skip
    await services.store.write(lambda tx: [tx.insert(MESSAGES, row) for row in rows] and None)
    return reach, session.id


async def test_pages_run_backwards_and_each_reads_forwards(services: Services):
    reach, session_id = await conversation(services, 12)  # ordinals beyond 9: "msg_10" sorts before "msg_9"
    seen: list[list[int]] = []
    before: str | None = None
    while True:
        rows, older = await services.messages.page(reach, session_id, before=before, limit=5)
        seen.append([row.ordinal for row in rows])
        if not older:
            break
        before = rows[0].id
    assert seen == [[8, 9, 10, 11, 12], [3, 4, 5, 6, 7], [1, 2]]


async def test_the_edges(services: Services):
    reach, session_id = await conversation(services, 3)
    assert await services.messages.page(reach, session_id, before="msg_1") == ([], False)
    rows, older = await services.messages.page(reach, session_id, limit=3)
    assert (len(rows), older) == (3, False)
    assert len((await services.messages.page(reach, session_id, limit=0))[0]) == 1
    with pytest.raises(NotFound):
        await services.messages.page(reach, session_id, before="msg_missing")
    with pytest.raises(NotFound):
        await services.messages.page(reach, "ses_missing")


async def test_a_message_of_another_session_is_no_edge(services: Services):
    reach, session_id = await conversation(services, 2)
    owner = await services.accounts.owner_identity()
    session = await services.sessions.get(reach, session_id)
    other = await services.sessions.create(owner, reach, session.workspace_id)
    with pytest.raises(NotFound):
        await services.messages.page(reach, other.id, before="msg_1")


def test_the_shape_of_names_md():
    row = MessageRow(
        id="msg_1", session_id="ses_1", workspace_id="ws_1", ordinal=1, role="user", content="Hi", author_id="usr_1", author_name="Ann",
        created_at=0.0, stopped_by="usr_2",
    )  # fmt: skip
    shown = message_json(row)
    assert {"id", "role", "content", "state", "run_id", "parent_id", "sources", "citations", "created_at"} <= set(shown)
    assert shown["author"] == {"id": "usr_1", "name": "Ann"}
    assert shown["stopped_by"] == "usr_2"
    assert "error" not in shown
    assert "ordinal" not in shown
