"""Scopes for tests, made the way the product makes them. Used by the suites beside it and by tests."""

from __future__ import annotations

from collections.abc import Mapping

from antiphon.access.identity import Identity, Role
from antiphon.access.scope import Action, Scope, scope, system_scope
from antiphon.core.ids import UserId, WorkspaceId

EVERYTHING = system_scope("tests")


class _Fixed:
    def __init__(self, roles: Mapping[WorkspaceId, Role]) -> None:
        self._roles = roles

    async def roles_of(self, user_id: UserId, /) -> Mapping[WorkspaceId, Role]:  # noqa: ARG002 - the same for everybody
        return self._roles


async def scope_of(user_id: str, roles: Mapping[str, Role], action: Action = Action.READ) -> Scope:
    """The scope of a user with these roles, by workspace id."""
    identity = Identity(user_id=UserId(user_id), name=user_id, credential="test")
    return await scope(identity, action, _Fixed({WorkspaceId(workspace): role for workspace, role in roles.items()}))
