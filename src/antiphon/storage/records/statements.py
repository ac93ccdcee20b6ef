"""The statements of the records, written with SQLAlchemy Core and compiled once for each shape of question.

The Scope is part of the statement: it applies before limit and paging. A shape is everything but the values; the
compiled text is kept for the life of the process. For storage/records/sqlite.py only. Tests: as there.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Select,
    and_,
    bindparam,
    delete,
    exists,
    false,
    func,
    insert,
    literal_column,
    not_,
    or_,
    select,
    text,
    true,
    tuple_,
    update,
)
from sqlalchemy import Table as SqlTable
from sqlalchemy.dialects import sqlite

from antiphon.storage.records.rows import Owner, Table
from antiphon.storage.sqlite.schema import RECORDS

Shape = tuple[tuple[str, str, bool], ...]
"""(column, operator, value is None) of each condition; its value is bound as `w0`, `w1`, ..."""
Condition = ColumnElement[bool]

_COMPARED: dict[str, Callable[[Any, Any], Any]] = {"<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge}


def compiled(statement: Any) -> str:
    """SQL with `:name` parameters. Every value must be a bindparam: anonymous ones would be lost here."""
    made = statement.compile(dialect=sqlite.dialect(paramstyle="named"))
    unbound = [name for name in made.params if name.startswith(("param_", "anon"))]
    if unbound:
        raise TypeError(f"The statement has values of its own ({unbound}); bind them by name.")
    return str(made)


@cache
def get_sql(table: Table[Any], bounded: bool) -> str:
    made = RECORDS[table.name]
    return compiled(select(*made.c).where(made.c.id == bindparam("id"), _visible(table, bounded)))


@cache
def permission_sql(table: Table[Any]) -> str:
    """One row (may be changed) for a visible id; none for one that is not."""
    made = RECORDS[table.name]
    return compiled(select(_permitted(table)).where(made.c.id == bindparam("id"), _visible(table, bounded=True)))


@cache
def find_sql(
    table: Table[Any], bounded: bool, shape: Shape, order: str, descending: bool, after: bool | None, limited: bool,
    columns: tuple[str, ...] | None = None,
) -> str:  # fmt: skip
    """`after` None: from the start; else whether the last row's order value (`after_value`, `after_id`) is not null.
    `columns` None: all."""
    made = RECORDS[table.name]
    wanted = made.c if columns is None else [made.c[name] for name in columns]
    statement: Select[Any] = select(*wanted).where(_visible(table, bounded), *_conditions(made, shape))
    column, row_id = made.c[order], made.c.id
    if after is not None:
        statement = statement.where(_after(column, row_id, descending, present=after))
    sorting = [row_id] if order == "id" else [column, row_id]
    statement = statement.order_by(*(part.desc() if descending else part.asc() for part in sorting))
    return compiled(statement.limit(bindparam("limit")).offset(literal_column("0")) if limited else statement)


@cache
def count_sql(table: Table[Any], bounded: bool, shape: Shape) -> str:
    made = RECORDS[table.name]
    return compiled(select(func.count()).select_from(made).where(_visible(table, bounded), *_conditions(made, shape)))


@cache
def insert_sql(table: Table[Any]) -> str:
    made = RECORDS[table.name]
    return compiled(insert(made).values({column.name: bindparam(column.name) for column in made.c}))


@cache
def update_sql(table: Table[Any], columns: tuple[str, ...]) -> str:
    made = RECORDS[table.name]
    return compiled(
        update(made).where(made.c.id == bindparam("of_id")).values({name: bindparam(f"new_{name}") for name in columns})
    )


@cache
def forbidden_sql(table: Table[Any], shape: Shape) -> str:
    """One row when something visible that meets the conditions may not be changed."""
    made = RECORDS[table.name]
    statement = select(made.c.id).where(
        _visible(table, bounded=True), *_conditions(made, shape), not_(func.coalesce(_permitted(table), text("0")))
    )
    return compiled(statement.limit(literal_column("1")).offset(literal_column("0")))


@cache
def delete_sql(table: Table[Any], bounded: bool, shape: Shape) -> str:
    made = RECORDS[table.name]
    return compiled(delete(made).where(_visible(table, bounded), *_conditions(made, shape)))


def _conditions(made: SqlTable, shape: Shape) -> Sequence[Condition]:
    return [_condition(made.c[name], asked, is_none, bindparam(f"w{n}")) for n, (name, asked, is_none) in enumerate(shape)]


def _condition(column: Any, asked: str, is_none: bool, value: Any) -> Condition:
    if asked == "=":
        return column.is_(None) if is_none else column == value
    if asked == "!=":
        return column.is_not(None) if is_none else column.is_distinct_from(value)
    if asked == "in":
        return column.in_(_elements(value.key))
    if asked == "contains":
        return func.contains_folded(column, value)
    if asked == "element":
        return func.has_element(column, value)
    return _COMPARED[asked](column, value)


def _elements(parameter: str) -> Any:
    """The members of a JSON list bound under the name: one text of SQL for lists of all lengths."""
    return select(_untyped(literal_column("value"))).select_from(func.json_each(bindparam(parameter)))


def _untyped(element: Any) -> Any:
    return element


def _after(column: Any, row_id: Any, descending: bool, *, present: bool) -> Condition:
    """Rows behind the given one. SQLite sorts null before everything."""
    value, last_id = _untyped(bindparam("after_value")), _untyped(bindparam("after_id"))
    if column is row_id:
        return row_id < last_id if descending else row_id > last_id
    here, there = tuple_(column, row_id), tuple_(value, last_id)
    if present:
        behind = here < there if descending else here > there
        return or_(behind, column.is_(None)) if descending and column.nullable else behind
    if descending:
        return and_(column.is_(None), row_id < last_id)
    return or_(column.is_not(None), row_id > last_id)


# --- the rules of rows.Owner as conditions; reach.py has them for memory ------------------------------------------------


def _visible(table: Table[Any], bounded: bool) -> Condition:
    made = RECORDS[table.name]
    if not bounded:
        return true()
    if table.owner is Owner.SERVER:
        return false()
    if table.owner is Owner.ITSELF:
        return made.c.id.in_(_elements("visible"))
    if table.owner is Owner.WORKSPACE:
        return made.c.workspace_id.in_(_elements("visible"))
    if table.owner is Owner.SESSION:
        return _session_visible(made)
    session = RECORDS["sessions"].alias("owning_session")
    without = and_(made.c.session_id.is_(None), _mine(made), made.c.workspace_id.in_(_elements("visible")))
    inside = exists().where(session.c.id == made.c.session_id, _session_visible(session))
    return or_(without, inside)


def _permitted(table: Table[Any]) -> Condition:
    """Whether a visible row may be changed."""
    made = RECORDS[table.name]
    if table.owner is Owner.SERVER:
        return false()
    if table.owner is Owner.ITSELF:
        return made.c.id.in_(_elements("allowed"))
    if table.owner is Owner.WORKSPACE:
        return made.c.workspace_id.in_(_elements("allowed"))
    if table.owner is Owner.SESSION:
        return or_(_mine(made), made.c.workspace_id.in_(_elements("allowed")))
    session = RECORDS["sessions"].alias("owning_session")
    through = exists().where(
        session.c.id == made.c.session_id, or_(_mine(session), session.c.workspace_id.in_(_elements("allowed")))
    )
    return or_(func.coalesce(_mine(made), text("0")), through)


def _session_visible(session: Any) -> Condition:
    shared = session.c.visibility == literal_column("'workspace'")
    return and_(session.c.workspace_id.in_(_elements("visible")), or_(_mine(session), shared))


def _mine(made: Any) -> Condition:
    return made.c.author_id == bindparam("me")
