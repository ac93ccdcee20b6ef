"""`Condition`: a `Where` mapping taken apart and checked, so that all backends mean the same by it.

`=`, `!=` treat None as a value (`!=` finds rows where the column is null); `<`, `<=`, `>`, `>=` and `in` never match null.
`contains` on a text column: case-insensitive substring (Unicode case folding); on a list column: an element equals
the value, case-insensitively. Other questions about list and object columns than `contains` and null are TypeErrors.
For storage only. Tests: tests/unit/storage/test_where.py.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import msgspec
from msgspec import Struct

from antiphon.storage.records.columns import Column, ColumnKind, columns_of
from antiphon.storage.records.contract import Where
from antiphon.storage.records.rows import Table

_RANGE: dict[str, Callable[[Any, Any], bool]] = {
    "<": lambda a, b: a < b,
    "<=": lambda a, b: a <= b,
    ">": lambda a, b: a > b,
    ">=": lambda a, b: a >= b,
}
_OPERATORS = frozenset({"=", "!=", "in", "contains", *_RANGE})


class Condition(Struct, frozen=True):
    column: str
    operator: str
    """One of the contract's operators, or `element` (contains on a list column)."""
    value: Any

    @property
    def shape(self) -> tuple[str, str, bool]:
        """What decides the text of the SQL: everything but the value."""
        return self.column, self.operator, self.value is None

    def holds(self, actual: Any) -> bool:
        """Whether a row with `actual` in the column meets the condition."""
        if self.operator in {"=", "!="}:
            return (actual == self.value) == (self.operator == "=")
        if actual is None:
            return False
        if self.operator == "in":
            return actual in self.value
        if self.operator == "contains":
            return contains_folded(actual, self.value)
        if self.operator == "element":
            return any(folded(element) == folded(self.value) for element in actual)
        return _RANGE[self.operator](actual, self.value)


def conditions_of(table: Table[Any], where: Where | None) -> tuple[Condition, ...]:
    """Checked conditions, in the order given. Raises TypeError for what the contract does not know."""
    return tuple(_condition(table, name, asked) for name, asked in (where or {}).items())


def _condition(table: Table[Any], name: str, asked: Any) -> Condition:
    column = column_of(table, name)
    operator, value = cast("tuple[str, Any]", asked) if isinstance(asked, tuple) else ("=", asked)
    if operator not in _OPERATORS:
        raise TypeError(f"No operator {operator!r} (asked of {table.name}.{name}).")
    if column.kind.is_json:
        return _json_condition(table, column, operator, value)
    if operator == "in":
        value = [element for element in value if element is not None]
    elif operator == "contains" and column.kind is not ColumnKind.TEXT:
        raise TypeError(f"`contains` is for text and list columns, not for {table.name}.{name}.")
    elif operator not in {"=", "!="} and value is None:
        raise TypeError(f"None is neither more nor less than {table.name}.{name}: use `=` or `!=`.")
    return Condition(name, operator, value)


def _json_condition(table: Table[Any], column: Column, operator: str, value: Any) -> Condition:
    if operator == "contains" and column.kind is ColumnKind.LIST and isinstance(value, str):
        return Condition(column.name, "element", value)
    if operator in {"=", "!="} and value is None:
        return Condition(column.name, operator, None)
    raise TypeError(f"{table.name}.{column.name} can only be asked for null, and a list for an element (`contains`).")


def demand_plain(table: Table[Any], columns: tuple[str, ...]) -> None:
    """Raises TypeError unless all are columns of text or numbers, which every backend keeps as they are."""
    for name in columns:
        kind = column_of(table, name).kind
        if kind.is_json or kind is ColumnKind.BOOLEAN:
            raise TypeError(f"{table.name}.{name} is neither text nor a number: read the whole row.")


def column_of(table: Table[Any], name: str) -> Column:
    column = columns_of(table).get(name)
    if column is None:
        raise TypeError(f"{table.name} has no column {name!r}.")
    return column


def folded(value: Any) -> Any:
    return value.casefold() if isinstance(value, str) else value


def contains_folded(text: str | None, needle: str) -> bool:
    """Also the SQL function `contains_folded`."""
    return text is not None and needle.casefold() in text.casefold()


def has_element(encoded: str | None, needle: str) -> bool:
    """Also the SQL function `has_element`: the JSON list holds the string, whatever its case."""
    if encoded is None:
        return False
    return any(folded(element) == needle.casefold() for element in msgspec.json.decode(encoded))
