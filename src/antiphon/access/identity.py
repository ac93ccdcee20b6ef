"""Who is asking: the result of authentication, before any right was looked at. Tests: tests/unit/access/."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Literal

from antiphon.core.ids import UserId, WorkspaceId


class Role(IntEnum):
    """Roles inside a workspace; a higher one may all that a lower one may."""

    VIEWER = 1
    EDITOR = 2
    OWNER = 3

    @property
    def label(self) -> RoleName:
        return _LABELS[self]


RoleName = Literal["viewer", "editor", "owner"]
_LABELS: dict[Role, RoleName] = {Role.VIEWER: "viewer", Role.EDITOR: "editor", Role.OWNER: "owner"}
ROLES: dict[RoleName, Role] = {label: role for role, label in _LABELS.items()}


@dataclass(frozen=True, kw_only=True, slots=True)
class Identity:
    """An authenticated caller.

    `credential` names the cookie session, key or ticket it came with (never the secret), so that a revocation finds
    the open connections made with it. `key_workspace` None: all workspaces of the user; `key_role` caps the role.
    """

    user_id: UserId
    name: str
    credential: str
    server_owner: bool = False
    key_workspace: WorkspaceId | None = None
    key_role: Role | None = None
    expires_at: float | None = None
