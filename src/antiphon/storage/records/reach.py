"""`Reach`: what a Scope means for one row in memory. The SQL of the same rules is in statements.py.

For storage only. Tests: tests/conformance/test_records.py, tests/properties/test_records.py (both backends agree).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from antiphon.access.scope import Scope
from antiphon.core.errors import Forbidden
from antiphon.storage.records.rows import Owner, Row, SessionRow, Table

SessionOf = Callable[[str], SessionRow | None]


class Reach:
    """Decides about rows of one table for one scope. `session_of` finds the session a message or run belongs to."""

    def __init__(self, table: Table[Any], scope: Scope, session_of: SessionOf) -> None:
        self._owner = table.owner
        self._scope = scope
        self._session_of = session_of

    def sees(self, row: Row) -> bool:
        return self._scope.everything or self._judge(row)[0]

    def permits(self, row: Row) -> bool:
        return self._scope.everything or self._judge(row)[1]

    def _judge(self, row: Any) -> tuple[bool, bool]:
        """(visible, may be changed)."""
        scope = self._scope
        if self._owner is Owner.SERVER:
            return False, False
        if self._owner is Owner.ITSELF:
            return scope.sees(row.id), scope.permits(row.id)
        if self._owner is Owner.WORKSPACE:
            return scope.sees(row.workspace_id), scope.permits(row.workspace_id)
        if self._owner is Owner.SESSION:
            return self._judge_session(row)
        if row.session_id is None:
            mine = row.author_id == scope.user_id and scope.sees(row.workspace_id)
            return mine, mine
        session = self._session_of(row.session_id)
        if session is None:
            return False, False
        visible, permitted = self._judge_session(session)
        return visible, permitted or (visible and row.author_id == scope.user_id)

    def _judge_session(self, session: SessionRow) -> tuple[bool, bool]:
        scope = self._scope
        mine = session.author_id == scope.user_id
        visible = scope.sees(session.workspace_id) and (mine or session.visibility == "workspace")
        return visible, visible and (mine or scope.permits(session.workspace_id))


def refusal(table: Table[Any]) -> Forbidden:
    return Forbidden(f"Your role may read but not change this row of {table.name!r}; ask an owner of the workspace.")
