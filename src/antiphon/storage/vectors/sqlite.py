"""`SqliteVectorStore`: float16 BLOBs in the one file, on the connection of the transaction it is given.

Tests: tests/conformance/test_vectors.py. Subsystem: docs/subsystems/retrieval.md.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from typing import Any, Final

from antiphon.access.scope import Scope
from antiphon.storage.lexical.contract import Chunk, SearchFilter
from antiphon.storage.lexical.sqlite import (
    CHUNK_COLUMNS,
    LIVE,
    changing_connection,
    chunk_of_row,
    connection_of,
    filter_condition,
)
from antiphon.storage.records.contract import Transaction
from antiphon.storage.vectors.contract import Missing, SpaceState, StoredVector
from antiphon.storage.vectors.embedded_text import embedded_text

_WANTED_SPACE: Final = "SELECT 1 FROM spaces WHERE id = ?"


class SqliteVectorStore:
    """Has no state of its own; safe to use from the writer's and from readers' threads at once."""

    def add(self, transaction: Transaction, space_id: str, vectors: Sequence[tuple[int, bytes]]) -> int:
        connection = changing_connection(transaction)
        if connection.execute(_WANTED_SPACE, (space_id,)).fetchone() is None:
            return 0
        return sum(
            connection.execute(
                "INSERT OR IGNORE INTO vectors (space_id, chunk_id, document_id, version, half) "
                "SELECT ?, chunk_id, document_id, version, ? FROM chunks WHERE chunk_id = ?",
                (space_id, half, chunk_id),
            ).rowcount
            for chunk_id, half in vectors
        )

    def remove(self, transaction: Transaction, document_id: str, *, version: int | None = None, limit: int | None = None) -> int:
        connection = connection_of(transaction)
        rows = connection.execute(
            "SELECT id, space_id FROM vectors WHERE document_id = ?1 AND (?2 IS NULL OR version = ?2) ORDER BY id LIMIT ?3",
            (document_id, version, -1 if limit is None else limit),
        ).fetchall()
        return _remove(connection, rows)

    def remove_space(self, transaction: Transaction, space_id: str, *, limit: int) -> int:
        connection = connection_of(transaction)
        rows = connection.execute(
            "SELECT id, space_id FROM vectors WHERE space_id = ? ORDER BY id LIMIT ?", (space_id, limit)
        ).fetchall()
        return _remove(connection, rows)

    def missing(
        self, transaction: Transaction, space_id: str, workspace_id: str, *, document_id: str | None = None, after: int = 0, limit: int
    ) -> list[Missing]:  # fmt: skip
        narrowed = "" if document_id is None else "c.document_id = :document_id AND "
        rows = connection_of(transaction).execute(
            "SELECT c.chunk_id, c.document_id, c.version, c.text, c.heading_path, d.title, d.name FROM chunks c "  # noqa: S608
            f"CROSS JOIN documents d ON d.id = c.document_id WHERE {narrowed}c.workspace_id = :workspace_id "
            f"AND c.chunk_id > :after AND {LIVE} "
            "AND NOT EXISTS (SELECT 1 FROM vectors v WHERE v.space_id = :space_id AND v.chunk_id = c.chunk_id) "
            "ORDER BY c.chunk_id LIMIT :limit",
            {
                "workspace_id": workspace_id, "space_id": space_id, "document_id": document_id, "after": after, "limit": limit,
            },
        )  # fmt: skip
        return [
            Missing(
                chunk_id=row[0], document_id=row[1], version=row[2],
                text=embedded_text(row[3], json.loads(row[4]), row[5] or row[6]),
            )
            for row in rows
        ]  # fmt: skip

    def load(self, transaction: Transaction, space_id: str, *, after: int, limit: int) -> list[StoredVector]:
        rows = connection_of(transaction).execute(
            "SELECT id, chunk_id, document_id, half FROM vectors WHERE space_id = ? AND id > ? ORDER BY id LIMIT ?",
            (space_id, after, limit),
        )
        return [StoredVector(id=row[0], chunk_id=row[1], document_id=row[2], half=row[3]) for row in rows]

    def ids(self, transaction: Transaction, space_id: str) -> list[int]:
        rows = connection_of(transaction).execute("SELECT id FROM vectors WHERE space_id = ? ORDER BY id", (space_id,))
        return [row[0] for row in rows]

    def state(self, transaction: Transaction, space_id: str) -> SpaceState:
        row = (
            connection_of(transaction)
            .execute(
                "SELECT coalesce((SELECT max(id) FROM vectors WHERE space_id = ?1), 0), "
                "coalesce((SELECT removals FROM spaces WHERE id = ?1), 0)",
                (space_id,),
            )
            .fetchone()
        )
        return SpaceState(last_id=row[0], removals=row[1])

    def counts(self, transaction: Transaction, space_id: str, workspace_id: str) -> tuple[int, int]:
        connection = connection_of(transaction)
        (vectors,) = connection.execute("SELECT count(*) FROM vectors WHERE space_id = ?", (space_id,)).fetchone()
        (chunks,) = connection.execute(
            f"SELECT count(*) FROM documents d CROSS JOIN chunks c ON c.document_id = d.id AND c.version = d.version "  # noqa: S608
            f"WHERE d.workspace_id = ? AND {LIVE}",
            (workspace_id,),
        ).fetchone()
        return int(vectors), int(chunks)

    def documents(
        self, transaction: Transaction, scope: Scope, workspace_id: str, filter: SearchFilter | None  # noqa: A002
    ) -> list[str]:  # fmt: skip
        if not scope.sees(workspace_id):
            return []
        condition, values = filter_condition(filter)
        rows = connection_of(transaction).execute(
            "SELECT d.id FROM documents d WHERE d.workspace_id = ? AND d.deleted_at IS NULL AND d.searchable" + condition,  # noqa: S608
            (workspace_id, *values),
        )
        return [row[0] for row in rows]

    def live(self, transaction: Transaction, scope: Scope, workspace_id: str, chunk_ids: Sequence[int]) -> dict[int, Chunk]:
        if not scope.sees(workspace_id):
            return {}
        rows = connection_of(transaction).execute(
            f"SELECT {CHUNK_COLUMNS} FROM json_each(?) w CROSS JOIN chunks c ON c.chunk_id = w.value "  # noqa: S608
            f"CROSS JOIN documents d ON d.id = c.document_id WHERE c.workspace_id = ? AND {LIVE}",
            (json.dumps(list(chunk_ids)), workspace_id),
        )
        return {chunk.chunk_id: chunk for chunk in map(chunk_of_row, rows)}

    def statistics(self, transaction: Transaction) -> dict[str, Any]:
        """`orphan_vectors`: without their chunk, or without their space."""
        connection = connection_of(transaction)
        count = "SELECT count(*) FROM vectors"
        orphans = (
            f"{count} v LEFT JOIN chunks c ON c.chunk_id = v.chunk_id LEFT JOIN spaces s ON s.id = v.space_id "
            "WHERE c.chunk_id IS NULL OR s.id IS NULL"
        )
        return {
            "vectors": int(connection.execute(count).fetchone()[0]),
            "orphan_vectors": int(connection.execute(orphans).fetchone()[0]),
        }


def _remove(connection: sqlite3.Connection, rows: list[tuple[int, str]]) -> int:
    if rows:
        connection.execute(
            "DELETE FROM vectors WHERE id IN (SELECT value FROM json_each(?))", (json.dumps([row[0] for row in rows]),)
        )
        for space_id in {row[1] for row in rows}:
            connection.execute("UPDATE spaces SET removals = removals + 1 WHERE id = ?", (space_id,))
    return len(rows)
