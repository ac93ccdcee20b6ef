"""The store of record in the one SQLite file. Statements: statements.py; schema: storage/sqlite/schema.py.

`SqliteTransaction.connection` and `.writable` are public for the other storage backends of the same file (jobs, lexical index), so that
their rows change in the same transaction; nothing outside storage touches it.
Tests: tests/conformance/test_records.py, tests/properties/test_records.py.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Iterable
from functools import cache
from typing import Any, TypeVar

import msgspec

from antiphon.access.scope import Scope
from antiphon.core.errors import Conflict
from antiphon.storage.records import statements
from antiphon.storage.records.columns import ColumnKind, columns_of
from antiphon.storage.records.contract import Urgency, Where
from antiphon.storage.records.reach import refusal
from antiphon.storage.records.rows import OF_DOCUMENTS, Owner, Row, Table
from antiphon.storage.records.where import Condition, column_of, conditions_of, demand_plain
from antiphon.storage.sqlite.database import Database

R = TypeVar("R", bound=Row)
T = TypeVar("T")
_TAKEN = {sqlite3.SQLITE_CONSTRAINT_UNIQUE, sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY}


class SqliteTransaction:
    """See records.contract.Transaction. Valid only inside the function it was given to."""

    __slots__ = ("_after_commit", "changed_documents", "connection", "writable")

    def __init__(self, connection: sqlite3.Connection, *, writable: bool) -> None:
        self.connection = connection
        self.writable = writable
        self._after_commit: list[Callable[[], None]] = []
        self.changed_documents = False
        """Set by whatever changes a table of OF_DOCUMENTS, the index beside it included."""

    def get(self, table: Table[R], scope: Scope, id: str, /) -> R | None:  # noqa: A002
        if _nothing(table, scope):
            return None
        values = self.connection.execute(
            statements.get_sql(table, not scope.everything), _scope_values(scope, {"id": id})
        ).fetchone()
        return None if values is None else _reader(table)(values)

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
        read = _reader(table)
        return [read(row) for row in self._found(table, scope, None, where, order, descending, after, limit)]

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
        return list(self._found(table, scope, columns, where, order, descending, None, limit))

    def _found(
        self, table: Table[Any], scope: Scope, columns: tuple[str, ...] | None, where: Where | None, order: str, descending: bool,
        after: tuple[Any, str] | None, limit: int | None,
    ) -> Iterable[tuple[Any, ...]]:  # fmt: skip
        if column_of(table, order).kind.is_json:
            raise TypeError(f"Rows can't be ordered by {table.name}.{order}.")
        conditions = conditions_of(table, where)
        if _nothing(table, scope):
            return []
        values = _scope_values(scope, _bound(conditions))
        if after is not None:
            values["after_value"], values["after_id"] = after
        if limit is not None:
            values["limit"] = max(limit, 0)
        sql = statements.find_sql(
            table,
            not scope.everything,
            tuple(condition.shape for condition in conditions),
            order,
            descending,
            None if after is None else after[0] is not None,
            limit is not None,
            columns,
        )
        return self.connection.execute(sql, values)

    def count(self, table: Table[R], scope: Scope, where: Where | None = None) -> int:
        conditions = conditions_of(table, where)
        if _nothing(table, scope):
            return 0
        sql = statements.count_sql(table, not scope.everything, tuple(condition.shape for condition in conditions))
        return int(self.connection.execute(sql, _scope_values(scope, _bound(conditions))).fetchone()[0])

    def insert(self, table: Table[R], row: R) -> None:
        self._must_be_writable()
        values = {name: _stored(getattr(row, name), column.kind) for name, column in columns_of(table).items()}
        self._change(table, statements.insert_sql(table), values)

    def update(self, table: Table[R], scope: Scope, id: str, /, **changes: Any) -> bool:  # noqa: A002
        self._must_be_writable()
        if "id" in changes:
            raise TypeError("The id of a row never changes.")
        values = {f"new_{name}": _stored(value, column_of(table, name).kind) for name, value in changes.items()}
        if _nothing(table, scope):
            return False
        if not scope.everything:
            permission = self.connection.execute(statements.permission_sql(table), _scope_values(scope, {"id": id})).fetchone()
            if permission is None:
                return False
            if not permission[0]:
                raise refusal(table)
        if not changes:
            return self.get(table, scope, id) is not None
        values["of_id"] = id
        return self._change(table, statements.update_sql(table, tuple(changes)), values) > 0

    def delete(self, table: Table[R], scope: Scope, where: Where) -> int:
        self._must_be_writable()
        conditions = conditions_of(table, where)
        if not conditions:
            raise TypeError("`delete` needs a condition.")
        if _nothing(table, scope):
            return 0
        shape = tuple(condition.shape for condition in conditions)
        values = _scope_values(scope, _bound(conditions))
        if not scope.everything and self.connection.execute(statements.forbidden_sql(table, shape), values).fetchone():
            raise refusal(table)
        return self._change(table, statements.delete_sql(table, not scope.everything, shape), values)

    def after_commit(self, callback: Callable[[], None]) -> None:
        """Calls `callback` in the loop's thread once the transaction is durable; not at all when it is rolled back."""
        self._must_be_writable()
        self._after_commit.append(callback)

    def committed(self) -> None:
        """For the store: the transaction is durable."""
        for callback in self._after_commit:
            callback()

    def _change(self, table: Table[Any], sql: str, values: dict[str, Any]) -> int:
        self.changed_documents = self.changed_documents or table.name in OF_DOCUMENTS
        try:
            return self.connection.execute(sql, values).rowcount
        except sqlite3.IntegrityError as error:
            if error.sqlite_errorcode not in _TAKEN:
                raise
            raise taken(table) from None

    def _must_be_writable(self) -> None:
        if not self.writable:
            raise RuntimeError("A read changes nothing: use `Store.write`.")


class SqliteStore:
    """See records.contract.Store."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self._document_changes = 0

    @property
    def document_changes(self) -> int:
        return self._document_changes

    async def read(self, work: Callable[[SqliteTransaction], T]) -> T:
        return await self.database.read(lambda connection: work(SqliteTransaction(connection, writable=False)))

    def read_inline(self, work: Callable[[SqliteTransaction], T]) -> T:
        """As `read`, at once and in the loop's thread: for a few rows by their ids (about 20 us each)."""
        return self.database.read_inline(lambda connection: work(SqliteTransaction(connection, writable=False)))

    async def write(self, work: Callable[[SqliteTransaction], T], urgency: Urgency = Urgency.COMMAND) -> T:
        future: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        outcome: list[tuple[SqliteTransaction, T]] = []

        def run(connection: sqlite3.Connection) -> None:
            transaction = SqliteTransaction(connection, writable=True)
            outcome.append((transaction, work(transaction)))

        def done(error: BaseException | None) -> None:
            if error is None:
                transaction, result = outcome[0]
                self._document_changes += transaction.changed_documents
                transaction.committed()  # also when the caller was cancelled: the rows are there
                if not future.done():
                    future.set_result(result)
            elif not future.done():
                future.set_exception(error)

        self.database.submit_nowait(run, urgency, done)
        return await future

    async def close(self) -> None:
        await self.database.close()


def taken(table: Table[Any]) -> Conflict:
    return Conflict(f"There is already such a row in {table.name!r}: its id, or something that must be unique, is taken.")


def _nothing(table: Table[Any], scope: Scope) -> bool:
    return table.owner is Owner.SERVER and not scope.everything


def _scope_values(scope: Scope, values: dict[str, Any]) -> dict[str, Any]:
    if not scope.everything:
        values["me"] = scope.user_id
        values["visible"] = _json(list(scope.visible))
        values["allowed"] = _json(sorted(scope.allowed))
    return values


def _bound(conditions: tuple[Condition, ...]) -> dict[str, Any]:
    return {
        f"w{n}": _json(condition.value) if condition.operator == "in" else condition.value
        for n, condition in enumerate(conditions)
        if condition.value is not None
    }


def _json(value: Any) -> str:
    return msgspec.json.encode(value).decode()


def _stored(value: Any, kind: ColumnKind) -> Any:
    return _json(value) if value is not None and kind.is_json else value


@cache
def _reader(table: Table[Any]) -> Callable[[tuple[Any, ...]], Any]:
    """Makes rows from tuples in column order; faster than msgspec.convert, and the values are our own."""
    names = tuple(columns_of(table))
    special: list[tuple[int, Callable[[Any], Any]]] = []
    for index, column in enumerate(columns_of(table).values()):
        if column.kind.is_json:
            special.append((index, msgspec.json.decode))
        elif column.kind is ColumnKind.BOOLEAN:
            special.append((index, bool))

    def read(values: tuple[Any, ...]) -> Any:
        cells = list(values)
        for index, decode in special:
            if cells[index] is not None:
                cells[index] = decode(cells[index])
        return table.row(**dict(zip(names, cells, strict=True)))

    return read
