"""`Scope`: what one identity may reach for one action. Only `scope()` and `system_scope()` make one.

Storage demands a Scope for every owned object and answers "missing" outside it. The direction: composition root gives a
`Memberships`, commands call `scope(identity, action, memberships)`, everything below only passes it on.
Tests: tests/unit/access/test_scope.py; tests/architecture finds a query without a scope.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import IntEnum
from types import MappingProxyType
from typing import Protocol

from antiphon.access.identity import Identity, Role
from antiphon.core.errors import Forbidden
from antiphon.core.ids import UserId, WorkspaceId


class Action(IntEnum):
    """The least role in a workspace that an action needs."""

    READ = Role.VIEWER
    WRITE = Role.EDITOR
    MANAGE = Role.OWNER


class Memberships(Protocol):
    async def roles_of(self, user_id: UserId, /) -> Mapping[WorkspaceId, Role]:
        """Every live workspace the user is a member of, with the role there."""
        ...


_SEAL = object()


class Scope:
    """Immutable. `visible` is the set of workspaces whose objects exist for the caller; `allowed` those on which the
    action may be done. An object that is visible but not allowed is `forbidden`; one that is not visible is missing."""

    __slots__ = ("action", "allowed", "everything", "reason", "user_id", "visible")

    def __init__(
        self, seal: object, *, user_id: UserId, action: Action, roles: Mapping[WorkspaceId, Role], everything: bool, reason: str
    ) -> None:
        if seal is not _SEAL:
            raise TypeError("Only antiphon.access makes a Scope.")
        self.user_id = user_id
        self.action = action
        self.visible: Mapping[WorkspaceId, Role] = MappingProxyType(dict(roles))
        self.allowed = frozenset(workspace for workspace, role in roles.items() if role >= action)
        self.everything = everything
        self.reason = reason

    def sees(self, workspace_id: str) -> bool:
        return self.everything or workspace_id in self.visible

    def permits(self, workspace_id: str) -> bool:
        return self.everything or workspace_id in self.allowed

    def demand(self, workspace_id: str) -> None:
        """Raises Forbidden when the workspace is visible but the role is too low for the action."""
        if self.sees(workspace_id) and not self.permits(workspace_id):
            raise Forbidden(f"This needs the role {Role(int(self.action)).label!r} in the workspace.")

    def __repr__(self) -> str:
        reach = "everything" if self.everything else f"{len(self.visible)} workspaces"
        return f"Scope({self.user_id!r}, {self.action.name}, {reach})"


async def scope(identity: Identity, action: Action, memberships: Memberships) -> Scope:
    """The scope of `identity` for `action`: memberships, narrowed by the key it came with."""
    roles = dict(await memberships.roles_of(identity.user_id))
    if identity.key_workspace is not None:
        roles = {w: r for w, r in roles.items() if w == identity.key_workspace}
    if identity.key_role is not None:
        roles = {w: min(r, identity.key_role) for w, r in roles.items()}
    return Scope(_SEAL, user_id=identity.user_id, action=action, roles=roles, everything=False, reason="caller")


def system_scope(reason: str) -> Scope:
    """The server's own reach, for recovery, jobs and composition only; tests/architecture lists who may call it."""
    return Scope(_SEAL, user_id=UserId("system"), action=Action.MANAGE, roles={}, everything=True, reason=reason)
