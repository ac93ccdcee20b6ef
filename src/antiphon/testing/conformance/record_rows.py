"""Rows, and short ways to a store, for the record suite and for tests. Used by the suites beside it and by tests."""

from __future__ import annotations

from typing import Any

import msgspec

from antiphon.access.scope import Scope
from antiphon.storage.records.contract import Store, Transaction, Where
from antiphon.storage.records.rows import DocumentRow, MessageRow, QueueRow, Row, RunRow, SessionRow, Table


def document(number: int, **fields: Any) -> DocumentRow:
    defaults: dict[str, Any] = {
        "id": f"doc_{number:03}", "workspace_id": "ws_a", "name": f"file {number}", "created_at": float(number), "updated_at": 0.0,
    }  # fmt: skip
    return DocumentRow(**{**defaults, **fields})


def session(row_id: str, author: str, **fields: Any) -> SessionRow:
    row = SessionRow(id=row_id, author_id=author, workspace_id="ws_a", created_at=1.0, updated_at=1.0)
    return msgspec.structs.replace(row, **fields)


def message(row_id: str, session_id: str, ordinal: int, **fields: Any) -> MessageRow:
    row = MessageRow(id=row_id, session_id=session_id, ordinal=ordinal, workspace_id="ws_a", role="user", created_at=1.0)
    return msgspec.structs.replace(row, **fields)


def run(row_id: str, author: str, session_id: str | None, **fields: Any) -> RunRow:
    row = RunRow(id=row_id, author_id=author, session_id=session_id, workspace_id="ws_a", model="extractive", created_at=1.0)
    return msgspec.structs.replace(row, **fields)


def queued(row_id: str, author: str, session_id: str, **fields: Any) -> QueueRow:
    row = QueueRow(
        id=row_id, author_id=author, author_name=author, session_id=session_id, workspace_id="ws_a", content="?", model="extractive",
        message_id=f"a_{row_id}", user_message_id=f"u_{row_id}", position=1.0, created_at=1.0,
    )  # fmt: skip
    return msgspec.structs.replace(row, **fields)


async def put(store: Store, *rows: tuple[Table[Any], Row]) -> None:
    def insert(transaction: Transaction) -> None:
        for table, row in rows:
            transaction.insert(table, row)

    await store.write(insert)


async def got(store: Store, table: Table[Any], scope: Scope, row_id: str) -> Any:
    return await store.read(lambda transaction: transaction.get(table, scope, row_id))


async def counted(store: Store, table: Table[Any], scope: Scope, where: Where | None = None) -> int:
    return await store.read(lambda transaction: transaction.count(table, scope, where))


async def changed(store: Store, table: Table[Any], scope: Scope, row_id: str, **changes: Any) -> bool:
    return await store.write(lambda transaction: transaction.update(table, scope, row_id, **changes))


async def removed(store: Store, table: Table[Any], scope: Scope, where: Where) -> int:
    return await store.write(lambda transaction: transaction.delete(table, scope, where))


async def found(store: Store, table: Table[Any], scope: Scope, where: Where | None = None, **how: Any) -> list[Any]:
    return await store.read(lambda transaction: transaction.find(table, scope, where, **how))


async def ids(store: Store, table: Table[Any], scope: Scope, where: Where | None = None, **how: Any) -> list[str]:
    return [row.id for row in await found(store, table, scope, where, **how)]
