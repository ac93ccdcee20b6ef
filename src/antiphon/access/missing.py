"""The one wording for objects that are not there and for those the caller has no right to know of: the same.

Used by library, conversations and commands. Tests: the access matrix (antiphon.testing.access).
"""

from __future__ import annotations

from antiphon.core.errors import NotFound


def missing(kind: str, ident: str) -> NotFound:
    return NotFound(f"There is no {kind} {ident[:80]!r}, or you have no right to know of it.")


def missing_workspace(workspace_id: str) -> NotFound:
    return missing("workspace", workspace_id)
