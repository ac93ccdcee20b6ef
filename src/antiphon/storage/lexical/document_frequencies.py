"""How many chunks hold a term, kept between questions: for sqlite.py only.

Looking a term up costs FTS5 a walk through its segments, and a question has a dozen terms that others had before it. What is
kept belongs to one state of the index, told by two records that FTS5 rewrites in the transaction that changes it: the structure
record (it counts every leaf ever written) and the averages record (it counts the rows, also those without a term). They are read
in the reader's own transaction, so a count is never older nor newer than what `search` sees there. A writer's transaction has
changes that are in neither yet, and is not served from here.

Tests: tests/unit/storage/test_document_frequencies.py, tests/properties/test_kept_frequencies.py.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import Final

MAX_TERMS: Final = 20_000
"""Of one index: about 2 MB; beyond it everything kept of the index is forgotten."""
MAX_INDEXES: Final = 64
_State = tuple[bytes, ...]


class _Kept:
    """The counts of one state of one index. Never changed for another state, so that readers of both may use theirs."""

    __slots__ = ("counts", "state", "total")

    def __init__(self, state: _State, total: int) -> None:
        self.state = state
        self.total = total
        self.counts: dict[str, int] = {}


class DocumentFrequencies:
    """For one database. Safe to use from several readers' threads: each step on what is shared is a single operation."""

    def __init__(self) -> None:
        self._kept: dict[str, _Kept] = {}

    def of(
        self, connection: sqlite3.Connection, workspace_id: str, table: str, terms: Sequence[str]
    ) -> tuple[dict[str, int], int]:
        """(rows that hold each term, all rows), as `count_terms`, for a transaction that has changed nothing."""
        state = _state(connection, table)
        kept = self._kept.get(workspace_id)
        if kept is None or kept.state != state:
            kept = _Kept(state, _total(connection, table))
            self._keep(workspace_id, kept)
        counts = kept.counts
        missing = [term for term in terms if term not in counts]
        if missing:
            if len(counts) + len(missing) > MAX_TERMS:
                kept = _Kept(state, kept.total)
                self._keep(workspace_id, kept)
                missing, counts = list(terms), kept.counts
            counts.update(_count(connection, table, missing))
        return {term: counts[term] for term in terms}, kept.total

    def _keep(self, workspace_id: str, kept: _Kept) -> None:
        self._kept.pop(workspace_id, None)
        self._kept[workspace_id] = kept
        if len(self._kept) > MAX_INDEXES:
            self._kept.pop(next(iter(tuple(self._kept))), None)  # the one that was made longest ago


def count_terms(connection: sqlite3.Connection, table: str, terms: Sequence[str]) -> tuple[dict[str, int], int]:
    """(rows that hold each term, all rows) of an index, looked up; what the transaction itself changed is counted."""
    return _count(connection, table, terms), _total(connection, table)


def _state(connection: sqlite3.Connection, table: str) -> _State:
    """FTS5's averages record (id 1) and structure record (id 10)."""
    rows = connection.execute(f"SELECT block FROM {table}_data WHERE id IN (1, 10) ORDER BY id")  # noqa: S608 - our own name
    return tuple(block for (block,) in rows)


def _total(connection: sqlite3.Connection, table: str) -> int:
    return int(connection.execute(f"SELECT count(*) FROM {table}_docsize").fetchone()[0])  # noqa: S608


def _count(connection: sqlite3.Connection, table: str, terms: Sequence[str]) -> dict[str, int]:
    counts: dict[str, int] = {}
    for term in terms:
        row = connection.execute(f"SELECT doc FROM {table}_terms WHERE term = ?", (term,)).fetchone()  # noqa: S608
        counts[term] = row[0] if row else 0
    return counts
