"""The store of record in memory: a public test double that keeps the whole contract, and nothing after the process.

Tests: tests/conformance/test_records.py, tests/properties/test_records.py.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

import msgspec

from antiphon.access.scope import Scope
from antiphon.core.errors import Conflict, ShuttingDown
from antiphon.storage.records.columns import columns_of
from antiphon.storage.records.contract import Urgency, Where, unique_columns
from antiphon.storage.records.reach import Reach, refusal
from antiphon.storage.records.rows import OF_DOCUMENTS, SESSIONS, Row, SessionRow, Table
from antiphon.storage.records.where import column_of, conditions_of, demand_plain

R = TypeVar("R", bound=Row)
T = TypeVar("T")
Shelves = dict[str, dict[str, Any]]


class MemoryTransaction:
    """See records.contract.Transaction. Valid only inside the function it was given to."""

    def __init__(self, shelves: Shelves, *, writable: bool) -> None:
        self._shelves = shelves
        self._writable = writable
        self._undo: list[Callable[[], None]] = []
        self._after_commit: list[Callable[[], None]] = []
        self.changed_documents = False

    def get(self, table: Table[R], scope: Scope, id: str, /) -> R | None:  # noqa: A002
        row = self._rows(table).get(id)
        return _copied(table, row) if row is not None and self._reach(table, scope).sees(row) else None

    def find(
        self,
        table: Table[R],
        scope: Scope,
        where: Where | None = None,
        *,
        order: str = "id",
        descending: bool = False,
        after: tuple[Any, str] | None = None,
        limit: int | None = None,
    ) -> list[R]:
        if column_of(table, order).kind.is_json:
            raise TypeError(f"Rows can't be ordered by {table.name}.{order}.")
        found = self._matching(table, scope, where)

        def place(row: R) -> tuple[Any, ...]:
            return _place(getattr(row, order), row.id)

        found.sort(key=place, reverse=descending)
        if after is not None:
            last = _place(after[1] if order == "id" else after[0], after[1])
            found = [row for row in found if (place(row) < last if descending else place(row) > last)]
        return [_copied(table, row) for row in (found if limit is None else found[: max(limit, 0)])]

    def find_cells(
        self,
        table: Table[R],
        scope: Scope,
        columns: tuple[str, ...],
        where: Where | None = None,
        *,
        order: str = "id",
        descending: bool = False,
        limit: int | None = None,
    ) -> list[tuple[Any, ...]]:
        demand_plain(table, columns)
        rows = self.find(table, scope, where, order=order, descending=descending, limit=limit)
        return [tuple(getattr(row, name) for name in columns) for row in rows]

    def count(self, table: Table[R], scope: Scope, where: Where | None = None) -> int:
        return len(self._matching(table, scope, where))

    def insert(self, table: Table[R], row: R) -> None:
        self._must_be_writable()
        rows = self._rows(table)
        if row.id in rows:
            raise taken(table)
        self._must_be_unique(table, row)
        self.put(table.name, row.id, _copied(table, row))

    def update(self, table: Table[R], scope: Scope, id: str, /, **changes: Any) -> bool:  # noqa: A002
        self._must_be_writable()
        if "id" in changes:
            raise TypeError("The id of a row never changes.")
        for name in changes:
            column_of(table, name)
        row = self._rows(table).get(id)
        reach = self._reach(table, scope)
        if row is None or not reach.sees(row):
            return False
        if not reach.permits(row):
            raise refusal(table)
        changed = _copied(table, msgspec.structs.replace(row, **changes))
        self._must_be_unique(table, changed)
        self.put(table.name, id, changed)
        return True

    def delete(self, table: Table[R], scope: Scope, where: Where) -> int:
        self._must_be_writable()
        if not where:
            raise TypeError("`delete` needs a condition.")
        found = self._matching(table, scope, where)
        reach = self._reach(table, scope)
        if not all(reach.permits(row) for row in found):
            raise refusal(table)
        for row in found:
            self.put(table.name, row.id, None)
        return len(found)

    def after_commit(self, callback: Callable[[], None]) -> None:
        """Calls `callback` once the transaction is done; not at all when it is rolled back."""
        self._must_be_writable()
        self._after_commit.append(callback)

    # --- for the other memory backends that share the transaction ------------------------------------------------------

    def shelf(self, name: str) -> dict[str, Any]:
        """The rows kept under a name, by id. To be changed with `put` only."""
        return self._shelves.setdefault(name, {})

    def put(self, name: str, key: str, value: Any) -> None:
        """Sets (None: removes) a row of a shelf, undone with the transaction."""
        self._must_be_writable()
        shelf = self.shelf(name)
        before = shelf.get(key)
        self.changed_documents = self.changed_documents or name in OF_DOCUMENTS
        self._undo.append(lambda: _set(shelf, key, before))
        _set(shelf, key, value)

    def committed(self) -> None:
        """For the store: the transaction is done."""
        for callback in self._after_commit:
            callback()

    def roll_back(self) -> None:
        """For the store: takes all changes back."""
        for step in reversed(self._undo):
            step()

    # -----------------------------------------------------------------------------------------------------------------

    def _rows(self, table: Table[R]) -> dict[str, R]:
        return cast("dict[str, R]", self.shelf(table.name))

    def _reach(self, table: Table[Any], scope: Scope) -> Reach:
        def session_of(session_id: str) -> SessionRow | None:
            return self._rows(SESSIONS).get(session_id)

        return Reach(table, scope, session_of)

    def _matching(self, table: Table[R], scope: Scope, where: Where | None) -> list[R]:
        conditions = conditions_of(table, where)
        reach = self._reach(table, scope)
        return [
            row
            for row in self._rows(table).values()
            if all(condition.holds(getattr(row, condition.column)) for condition in conditions) and reach.sees(row)
        ]

    def _must_be_unique(self, table: Table[Any], row: Row) -> None:
        for names in unique_columns(table):
            mine = tuple(getattr(row, name) for name in names)
            if None in mine:
                continue
            for other in self._rows(table).values():
                if other.id != row.id and tuple(getattr(other, name) for name in names) == mine:
                    raise taken(table)

    def _must_be_writable(self) -> None:
        if not self._writable:
            raise RuntimeError("A read changes nothing: use `Store.write`.")


class MemoryStore:
    """See records.contract.Store. Works run at once, in the caller's thread."""

    def __init__(self) -> None:
        self._shelves: Shelves = {}
        self._closed = False
        self._document_changes = 0

    @property
    def document_changes(self) -> int:
        return self._document_changes

    async def read(self, work: Callable[[MemoryTransaction], T]) -> T:
        return self.read_inline(work)

    def read_inline(self, work: Callable[[MemoryTransaction], T]) -> T:
        return work(MemoryTransaction(self._shelves, writable=False))

    async def write(self, work: Callable[[MemoryTransaction], T], urgency: Urgency = Urgency.COMMAND) -> T:  # noqa: ARG002
        if self._closed:
            raise ShuttingDown("The store is closing; nothing can be written any more.")
        transaction = MemoryTransaction(self._shelves, writable=True)
        try:
            result = work(transaction)
        except BaseException:
            transaction.roll_back()
            raise
        self._document_changes += transaction.changed_documents
        transaction.committed()
        return result

    async def close(self) -> None:
        self._closed = True


def taken(table: Table[Any]) -> Conflict:
    return Conflict(f"There is already such a row in {table.name!r}: its id, or something that must be unique, is taken.")


def _place(value: Any, row_id: str) -> tuple[Any, ...]:
    """Sorts null before everything, as SQLite does."""
    return (0, row_id) if value is None else (1, value, row_id)


def _set(shelf: dict[str, Any], key: str, value: Any) -> None:
    if value is None:
        shelf.pop(key, None)
    else:
        shelf[key] = value


def _copied(table: Table[R], row: R) -> R:
    """With lists and objects of its own, as after a way through the disk."""
    fresh = {
        name: msgspec.json.decode(msgspec.json.encode(getattr(row, name)))
        for name, column in columns_of(table).items()
        if column.kind.is_json
    }
    return msgspec.structs.replace(row, **fresh) if fresh else row
