"""Handlers of API keys. Tests: tests/unit/commands/."""

from __future__ import annotations

from typing import Any

from antiphon.commands.paging import page_of, place_of
from antiphon.commands.payloads.accounts import KeyCreate, KeyDelete
from antiphon.commands.payloads.fields import Paged
from antiphon.commands.services import Services
from antiphon.commands.table import Call, Command, Result, Right
from antiphon.library.keys import key_json


async def key_create(call: Call[Services], payload: KeyCreate) -> Result:
    row, key = await call.services.accounts.keys.create(
        call.caller, call.reach, name=payload.name, workspace_id=payload.workspace_id, role=payload.role
    )
    return {**key_json(row), "key": key}


async def key_list(call: Call[Services], payload: Paged) -> Result:
    after = place_of(payload.cursor, "keys")
    rows = await call.services.accounts.keys.list(call.caller, after=after, limit=payload.limit + 1)
    return page_of(rows, "keys", limit=payload.limit, place=lambda row: (row.created_at, row.id), shape=key_json)


async def key_delete(call: Call[Services], payload: KeyDelete) -> Result:
    await call.services.accounts.keys.revoke(call.caller, payload.key_id)
    return {"id": payload.key_id, "revoked": True}


COMMANDS: list[Command[Any, Services]] = [
    Command(
        verb="key_create", payload=KeyCreate, right=Right.SIGNED_IN, handler=key_create, summary="Makes an API key, shown once."
    ),
    Command(verb="key_list", payload=Paged, right=Right.SIGNED_IN, handler=key_list, summary="Lists the caller's API keys."),
    Command(
        verb="key_delete", payload=KeyDelete, right=Right.SIGNED_IN, handler=key_delete, summary="Revokes an API key at once."
    ),
]
