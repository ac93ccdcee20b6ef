"""Role names out of rows: a text column holds them, `access.identity.Role` compares them. Tests: tests/unit/library/."""

from __future__ import annotations

from antiphon.access.identity import ROLES, Role
from antiphon.core.errors import Internal


def role_named(name: str) -> Role:
    """Raises Internal for a name that no version of ours has written."""
    for known, role in ROLES.items():
        if name == known:
            return role
    raise Internal(f"A stored role has the unknown name {name[:40]!r}.")
