"""Handlers of sessions and their messages. Tests: tests/unit/commands/."""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import UNSET

from antiphon.commands.live_messages import message_now
from antiphon.commands.paging import page_of, place_of
from antiphon.commands.payloads.sessions import (
    MessageList,
    SessionCreate,
    SessionExport,
    SessionList,
    SessionOne,
    SessionUpdate,
)
from antiphon.commands.services import Services
from antiphon.commands.table import Call, Command, Result, Right
from antiphon.conversations.export import session_as_json, session_as_markdown
from antiphon.conversations.sessions import session_json
from antiphon.conversations.suggestions import dismiss_suggestion
from antiphon.protocol.commands import SuggestionDismiss


async def session_create(call: Call[Services], payload: SessionCreate) -> Result:
    services = call.services
    workspace_id = payload.workspace_id or (await services.workspaces.default(call.reach)).id
    row = await services.sessions.create(call.caller, call.reach, workspace_id, title=payload.title, name=payload.name)
    return session_json(row)


async def session_list(call: Call[Services], payload: SessionList) -> Result:
    rows = await call.services.sessions.list(
        call.reach, workspace_id=payload.workspace_id, author_id=call.caller.user_id if payload.mine else None, q=payload.q,
        after=place_of(payload.cursor, "sessions"), limit=payload.limit + 1,
    )  # fmt: skip
    return page_of(rows, "sessions", limit=payload.limit, place=lambda row: (row.updated_at, row.id), shape=session_json)


async def session_get(call: Call[Services], payload: SessionOne) -> Result:
    return session_json(await call.services.sessions.get(call.reach, payload.session_id))


async def session_update(call: Call[Services], payload: SessionUpdate) -> Result:
    given: dict[str, Any] = {"title": payload.title, "visibility": payload.visibility, "pinned": payload.pinned}
    changes = {field: value for field, value in given.items() if value is not UNSET}
    return session_json(await call.services.sessions.update(call.caller, call.reach, payload.session_id, **changes))


async def session_delete(call: Call[Services], payload: SessionOne) -> Result:
    services, caller = call.services, call.caller
    await services.sessions.demand_author(caller, call.reach, payload.session_id)
    by = {"id": caller.user_id, "name": caller.name}
    with services.waiting.held(payload.session_id):
        await services.waiting.clear(payload.session_id, by=by)
        for run in services.runs.live_in_session(payload.session_id):
            await services.runs.stop(run.run_id, by=by)
        await services.sessions.delete(caller, call.reach, payload.session_id)
    return {"id": payload.session_id, "deleted": True}


async def suggestion_dismiss(call: Call[Services], payload: SuggestionDismiss) -> Result:
    services = call.services
    await services.sessions.demand_author(call.caller, call.reach, payload.session_id)
    dismissed = await dismiss_suggestion(
        services.store, services.log.append, call.reach, payload.session_id, payload.suggestion_id
    )  # fmt: skip
    return {"session_id": payload.session_id, "suggestion_id": payload.suggestion_id, "dismissed": dismissed}


async def message_list(call: Call[Services], payload: MessageList) -> Result:
    """Oldest first; `next_cursor` is the `before` of the page of older messages."""
    rows, older = await call.services.messages.page(call.reach, payload.session_id, before=payload.before, limit=payload.limit)
    return {"items": [message_now(row, call.services.runs) for row in rows], "next_cursor": rows[0].id if older else None}


async def session_export(call: Call[Services], payload: SessionExport) -> Result:
    every_branch = payload.format == "json"
    session, messages = await call.services.messages.all(call.reach, payload.session_id, every_branch=every_branch)
    title = session.title or "conversation"
    if payload.format == "json":
        content = msgspec.json.format(msgspec.json.encode(session_as_json(session, messages)), indent=2).decode()
        return {"name": f"{title}.json", "media_type": "application/json", "content": content}
    markdown = session_as_markdown(session, messages)
    return {"name": f"{title}.md", "media_type": "text/markdown; charset=utf-8", "content": markdown}


COMMANDS: list[Command[Any, Services]] = [
    Command(
        verb="suggestion_dismiss", payload=SuggestionDismiss, right=Right.VIEWER, handler=suggestion_dismiss, socket=True,
        summary="Takes a suggestion back, on every device.",
    ),
    Command(
        verb="session_create", payload=SessionCreate, right=Right.VIEWER, handler=session_create,
        summary="Makes a conversation, private to the caller.",
    ),
    Command(
        verb="session_list", payload=SessionList, right=Right.VIEWER, handler=session_list,
        summary="Lists the caller's and shared conversations, last changed first.",
    ),
    Command(verb="session_get", payload=SessionOne, right=Right.VIEWER, handler=session_get, summary="Reads a conversation's settings."),
    Command(
        verb="session_update", payload=SessionUpdate, right=Right.VIEWER, handler=session_update,
        summary="Renames, pins or shares a conversation; its author only.",
    ),
    Command(
        verb="session_delete", payload=SessionOne, right=Right.VIEWER, handler=session_delete,
        summary="Deletes a conversation; its author only.",
    ),
    Command(
        verb="message_list", payload=MessageList, right=Right.VIEWER, handler=message_list,
        summary="Reads the messages of a conversation.",
    ),
    Command(
        verb="session_export", payload=SessionExport, right=Right.VIEWER, handler=session_export,
        summary="Writes a conversation as Markdown or JSON.",
    ),
]  # fmt: skip
