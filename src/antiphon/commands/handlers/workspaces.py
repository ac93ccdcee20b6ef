"""Handlers of workspaces and their members. Tests: tests/unit/commands/."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from msgspec import UNSET

from antiphon.access.identity import ROLES
from antiphon.commands.paging import page_of, place_of
from antiphon.commands.payloads.fields import Paged
from antiphon.commands.payloads.workspaces import (
    MemberDelete,
    MemberList,
    MemberPut,
    WorkspaceCreate,
    WorkspaceOne,
    WorkspaceUpdate,
)
from antiphon.commands.services import Services
from antiphon.commands.table import Call, Command, Result, Right
from antiphon.library.members import member_json
from antiphon.library.workspaces import workspace_json

_CHANGEABLE = ("name", "model", "instructions", "mode", "k", "language", "temperature", "fallbacks")


async def workspace_create(call: Call[Services], payload: WorkspaceCreate) -> Result:
    _demand_models(call.services, [payload.model, *(payload.fallbacks or ())])
    settings = {field: getattr(payload, field) for field in _CHANGEABLE}
    row = await call.services.workspaces.create(call.caller, **settings)
    return {**workspace_json(row, call.reach), "role": "owner"}


async def workspace_list(call: Call[Services], payload: Paged) -> Result:
    after = place_of(payload.cursor, "workspaces")
    rows = await call.services.workspaces.list(call.reach, after=after, limit=payload.limit + 1)
    return page_of(
        rows, "workspaces", limit=payload.limit, place=lambda row: (row.created_at, row.id),
        shape=lambda row: workspace_json(row, call.reach),
    )  # fmt: skip


async def workspace_get(call: Call[Services], payload: WorkspaceOne) -> Result:
    return workspace_json(await call.services.workspaces.get(call.reach, payload.workspace_id), call.reach)


async def workspace_update(call: Call[Services], payload: WorkspaceUpdate) -> Result:
    changes = {field: getattr(payload, field) for field in _CHANGEABLE if getattr(payload, field) is not UNSET}
    await call.services.workspaces.get(call.reach, payload.workspace_id)
    _demand_models(call.services, [changes.get("model"), *(changes.get("fallbacks") or ())])
    return workspace_json(await call.services.workspaces.update(call.reach, payload.workspace_id, **changes), call.reach)


async def workspace_delete(call: Call[Services], payload: WorkspaceOne) -> Result:
    await call.services.workspaces.delete(call.reach, payload.workspace_id)
    return {"id": payload.workspace_id, "deleted": True}


async def member_list(call: Call[Services], payload: MemberList) -> Result:
    pairs = await call.services.members.list(
        call.reach, payload.workspace_id, after=place_of(payload.cursor, "members"), limit=payload.limit + 1
    )
    return page_of(
        pairs, "members", limit=payload.limit, place=lambda pair: (pair[0].created_at, pair[0].id),
        shape=lambda pair: member_json(*pair),
    )  # fmt: skip


async def member_put(call: Call[Services], payload: MemberPut) -> Result:
    pair = await call.services.members.put(call.reach, payload.workspace_id, payload.user_id, ROLES[payload.role])
    return member_json(*pair)


async def member_delete(call: Call[Services], payload: MemberDelete) -> Result:
    await call.services.members.remove(call.reach, payload.workspace_id, payload.user_id)
    return {"user_id": payload.user_id, "removed": True}


def _demand_models(services: Services, models: Sequence[str | None]) -> None:
    """Raises BadRequest for a model id that is not known here."""
    for model in models:
        if model is not None:
            services.models.resolve(model)


COMMANDS: list[Command[Any, Services]] = [
    Command(
        verb="workspace_create", payload=WorkspaceCreate, right=Right.SIGNED_IN, handler=workspace_create,
        summary="Makes a workspace; the caller becomes its owner.",
    ),
    Command(
        verb="workspace_list", payload=Paged, right=Right.SIGNED_IN, handler=workspace_list,
        summary="Lists the workspaces the caller is a member of, oldest first.",
    ),
    Command(
        verb="workspace_get", payload=WorkspaceOne, right=Right.VIEWER, handler=workspace_get, summary="Reads a workspace's settings."
    ),
    Command(
        verb="workspace_update", payload=WorkspaceUpdate, right=Right.OWNER, handler=workspace_update,
        summary="Changes a workspace's settings.",
    ),
    Command(
        verb="workspace_delete", payload=WorkspaceOne, right=Right.OWNER, handler=workspace_delete,
        summary="Deletes a workspace with all it holds.",
    ),
    Command(verb="member_list", payload=MemberList, right=Right.VIEWER, handler=member_list, summary="Lists members and their roles."),
    Command(
        verb="member_put", payload=MemberPut, right=Right.OWNER, handler=member_put, summary="Adds a member, or changes the role."
    ),
    Command(
        verb="member_delete", payload=MemberDelete, right=Right.OWNER, handler=member_delete,
        summary="Removes a member; the last owner stays.",
    ),
]  # fmt: skip
