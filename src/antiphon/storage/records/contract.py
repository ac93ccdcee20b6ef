"""`Store` and `Transaction`: the contract of the store of record. Backends: memory.py, sqlite.py.

Rules every backend keeps (conformance: antiphon.testing.conformance.records):
* `write` is one atomic transaction: all of the function's changes are durable when it returns, none when it raises.
  Functions run one at a time. They are plain functions without waiting; they may be run on another thread.
* Every reading takes a Scope. A row outside it is not there: `get` gives None, `find` leaves it out. Tables of owner
  SERVER need `scope.everything`.
* A change of a row outside the scope's `allowed` raises Forbidden when visible, changes nothing and says so when not.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from enum import IntEnum
from typing import Any, Literal, Protocol, TypeVar

from antiphon.access.scope import Scope
from antiphon.storage.records.rows import Row, Table

R = TypeVar("R", bound=Row)
T = TypeVar("T")


class Urgency(IntEnum):
    """The writer's classes: a lower one goes first. An ingestion slice holds the writer 20 ms at most."""

    COMMAND = 0
    LOG = 1
    INGEST = 2


Operator = Literal["=", "!=", "<", "<=", ">", ">=", "in", "contains"]
Where = Mapping[str, Any]
"""Column -> value (equal; None: is null), or column -> (operator, value). `contains`: case-insensitive substring."""


class Transaction(Protocol):
    def get(self, table: Table[R], scope: Scope, id: str, /) -> R | None: ...  # noqa: A002

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
        """Rows ordered by (`order`, id). `after` is the (order value, id) of the last row of the page before."""
        ...

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
        """As `find`, but only these columns of each row: what is large in the others is not read. Text and numbers only."""
        ...

    def count(self, table: Table[R], scope: Scope, where: Where | None = None) -> int: ...

    def insert(self, table: Table[R], row: R) -> None:
        """Raises Conflict when the id, or another unique column, is taken."""
        ...

    def update(self, table: Table[R], scope: Scope, id: str, /, **changes: Any) -> bool:  # noqa: A002
        """True when the row was there (and visible) and has been changed."""
        ...

    def delete(self, table: Table[R], scope: Scope, where: Where) -> int:
        """The number of rows removed; `where` must not be empty."""
        ...


class Store(Protocol):
    async def read(self, work: Callable[[Transaction], T]) -> T:
        """Runs `work` on one consistent state. Changing anything inside raises."""
        ...

    async def write(self, work: Callable[[Transaction], T], urgency: Urgency = Urgency.COMMAND) -> T:
        """Runs `work` as one transaction; returns when it is durable."""
        ...

    @property
    def document_changes(self) -> int:
        """Counts the committed transactions of this process that changed documents or what is indexed of them. Grows before
        the `write` that changed them returns, and may be read in the loop's thread only."""
        ...

    async def close(self) -> None: ...


def unique_columns(table: Table[Any]) -> Sequence[tuple[str, ...]]:
    """Sets of columns that must be unique together where none of them is None."""
    return _UNIQUE.get(table.name, ())


_UNIQUE: dict[str, tuple[tuple[str, ...], ...]] = {
    "users": (("name",),),
    "workspaces": (("slug",),),
    "sessions": (("workspace_id", "author_id", "name"),),
    "messages": (("session_id", "ordinal"),),
    "keys": (("secret_hash",),),
    "logins": (("secret_hash",),),
    "flows": (("workspace_id", "slug"),),
    "providers": (("slug",),),
    "spaces": (("workspace_id", "fingerprint"),),
}
