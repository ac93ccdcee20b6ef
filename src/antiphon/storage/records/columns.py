"""The columns of a `Table`, read off its row Struct once: what backends, schema and conditions agree on.

For storage only. Tests: tests/unit/storage/test_columns.py.
"""

from __future__ import annotations

import types
import typing
from enum import Enum
from functools import cache
from typing import Any, Literal

import msgspec
from msgspec import Struct

from antiphon.storage.records.rows import Table


class ColumnKind(Enum):
    TEXT = "text"
    INTEGER = "integer"
    REAL = "real"
    BOOLEAN = "boolean"
    LIST = "list"
    OBJECT = "object"

    def __init__(self, name: str) -> None:
        self.is_json = name in {"list", "object"}  # told once: asked for every column of every row that is written


class Column(Struct, frozen=True, kw_only=True):
    name: str
    kind: ColumnKind
    nullable: bool


_KINDS: dict[Any, ColumnKind] = {
    str: ColumnKind.TEXT,
    int: ColumnKind.INTEGER,
    float: ColumnKind.REAL,
    bool: ColumnKind.BOOLEAN,
    list: ColumnKind.LIST,
    dict: ColumnKind.OBJECT,
}


@cache
def columns_of(table: Table[Any]) -> dict[str, Column]:
    """Name -> column, in the order of the row's fields."""
    hints = typing.get_type_hints(table.row)
    return {field.name: _column(field.name, hints[field.name]) for field in msgspec.structs.fields(table.row)}


def _column(name: str, hint: Any) -> Column:
    members = typing.get_args(hint) if typing.get_origin(hint) in {typing.Union, types.UnionType} else (hint,)
    nullable = type(None) in members
    (plain,) = [member for member in members if member is not type(None)]
    if typing.get_origin(plain) is Literal:
        plain = str
    return Column(name=name, kind=_KINDS[typing.get_origin(plain) or plain], nullable=nullable)
