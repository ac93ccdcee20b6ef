"""The same operations on the record stores of memory and SQLite give the same answers, errors included."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from antiphon.access.identity import Role
from antiphon.access.scope import Action, Scope
from antiphon.core.errors import AntiphonError
from antiphon.storage.records.columns import Column, ColumnKind, columns_of
from antiphon.storage.records.memory import MemoryTransaction
from antiphon.storage.records.rows import DOCUMENTS, MESSAGES, RUNS, SESSIONS, USERS, WORKSPACES, Table
from antiphon.storage.records.sqlite import SqliteTransaction
from antiphon.storage.sqlite.connections import connect_writer
from antiphon.storage.sqlite.schema import statements
from antiphon.testing.conformance.scopes import EVERYTHING, scope_of

TABLES = (WORKSPACES, SESSIONS, MESSAGES, RUNS, DOCUMENTS, USERS)
OPERATORS = ("=", "!=", "<", "<=", ">", ">=", "in", "contains")
FEW = {
    "workspace_id": ("ws_a", "ws_b"),
    "author_id": ("ada", "bo"),
    "session_id": ("x0", "x1", "x2"),
    "visibility": ("private", "workspace"),
}
"""Columns that the rules look at take few values, so that rows meet."""
TEXTS = st.one_of(
    st.sampled_from(["", "a", "A", "ä", "Ä", "ß", "SS", "蓝", "%", "_", "a\x00b", "𝒳", "é", "é"]),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=3),
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False) | TEXTS,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(TEXTS, inner, max_size=2),
    max_leaves=3,
)
Step = tuple[str, Table[Any], int, dict[str, Any]]


def values(column: Column) -> st.SearchStrategy[Any]:
    plain: dict[ColumnKind, st.SearchStrategy[Any]] = {
        ColumnKind.TEXT: TEXTS,
        ColumnKind.INTEGER: st.integers(-2, 3) | st.just(2**62),
        ColumnKind.REAL: st.sampled_from([-1.5, 0.0, 0.1, 1e300]),
        ColumnKind.BOOLEAN: st.booleans(),
        ColumnKind.LIST: st.lists(TEXTS, max_size=2),
        ColumnKind.OBJECT: st.dictionaries(TEXTS, JSON, max_size=2),
    }
    if column.name in FEW:
        made: st.SearchStrategy[Any] = st.sampled_from(FEW[column.name])
    elif column.name == "id":
        made = st.sampled_from(["x0", "x1", "x2", "x3", "ws_a", "ws_b", "ada"])
    else:
        made = plain[column.kind]
    return st.none() | made if column.nullable else made


@st.composite
def wheres(draw: st.DrawFn, table: Table[Any]) -> dict[str, Any]:
    where: dict[str, Any] = {}
    for name in draw(st.lists(st.sampled_from(list(columns_of(table))), max_size=2)):
        column = columns_of(table)[name]
        operator = draw(st.sampled_from(OPERATORS))
        if operator == "in":
            where[name] = ("in", draw(st.lists(values(column), max_size=3)))
        elif operator == "contains":
            where[name] = ("contains", draw(TEXTS))
        else:
            value = draw(values(column))
            where[name] = value if operator == "=" else (operator, value)
    return where


@st.composite
def steps(draw: st.DrawFn) -> Step:
    table = draw(st.sampled_from(TABLES))
    columns = columns_of(table)
    kind = draw(st.sampled_from(["insert", "insert", "insert", "update", "delete", "get", "find", "find", "count"]))
    how: dict[str, Any] = {}
    if kind == "insert":
        fields = {name: draw(values(column)) for name, column in columns.items()}
        how = {"row": table.row(**fields)}
    elif kind in {"update", "get"}:
        how["id"] = draw(values(columns["id"]))
        if kind == "update":
            names = draw(st.lists(st.sampled_from([name for name in columns if name != "id"]), max_size=2))
            how["changes"] = {name: draw(values(columns[name])) for name in names}
    else:
        how["where"] = draw(wheres(table))
        if kind == "find":
            order = draw(st.sampled_from(list(columns)))
            after = draw(st.none() | st.tuples(values(columns[order]), values(columns["id"])))
            if after is not None and order == "id":
                after = (after[1], after[1])
            how |= {
                "order": order,
                "after": after,
                "descending": draw(st.booleans()),
                "limit": draw(st.none() | st.integers(0, 3)),
            }
    return kind, table, draw(st.integers(0, 4)), how


def perform(transaction: MemoryTransaction | SqliteTransaction, step: Step, scopes: list[Scope]) -> Any:
    kind, table, who, how = step
    try:
        if kind == "insert":
            return transaction.insert(table, how["row"])
        if kind == "get":
            return transaction.get(table, scopes[who], how["id"])
        if kind == "update":
            return transaction.update(table, scopes[who], how["id"], **how["changes"])
        return getattr(transaction, kind)(table, scopes[who], **how)
    except (AntiphonError, TypeError) as error:
        return type(error), str(error)


@pytest.fixture(scope="module")
def connection(tmp_path_factory: pytest.TempPathFactory) -> Iterator[sqlite3.Connection]:
    connection = connect_writer(tmp_path_factory.mktemp("records") / "antiphon.db")
    for statement in statements():
        connection.execute(statement)
    yield connection
    connection.close()


@pytest.fixture
async def scopes() -> list[Scope]:
    return [
        EVERYTHING,
        await scope_of("ada", {"ws_a": Role.OWNER}, Action.MANAGE),
        await scope_of("bo", {"ws_a": Role.VIEWER, "ws_b": Role.EDITOR}, Action.WRITE),
        await scope_of("bo", {"ws_b": Role.VIEWER}, Action.READ),
        await scope_of("eve", {}),
    ]


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(program=st.lists(steps(), min_size=5, max_size=25))
def test_memory_and_sqlite_agree(connection: sqlite3.Connection, scopes: list[Scope], program: list[Step]) -> None:
    memory = MemoryTransaction({}, writable=True)
    connection.execute("BEGIN")
    sqlite = SqliteTransaction(connection, writable=True)
    try:
        for step in program:
            assert perform(sqlite, step, scopes) == perform(memory, step, scopes), step
        for table in TABLES:
            for scope in scopes:
                assert sqlite.find(table, scope) == memory.find(table, scope)
    finally:
        connection.execute("ROLLBACK")
