"""`inspect_storage`: counts of what the data folder holds, and of what in it belongs to nothing any more (`doctor --storage`).

Read only, also while a server uses the folder; a document being removed at that moment may show as an orphan for as long
as its job takes. Tests: tests/unit/storage/test_inspection.py.
"""

from __future__ import annotations

import sqlite3
from pathlib import Path

from msgspec import Struct

from antiphon.core.errors import NotFound
from antiphon.storage.archive import BLOBS_NAME, DATABASE_NAME
from antiphon.storage.lexical.sqlite import SqliteLexicalIndex
from antiphon.storage.records.sqlite import SqliteTransaction
from antiphon.storage.sqlite.connections import connect_reader
from antiphon.storage.sqlite.readers import consistent
from antiphon.storage.vectors.sqlite import SqliteVectorStore

PROBLEMS = (
    "orphan_chunks",
    "stale_chunks",
    "ghost_rows",
    "unindexed_chunks",
    "orphan_vectors",
    "orphan_pages",
    "orphan_blobs",
    "missing_blobs",
)


_REFERRED = """
    SELECT sha256, deleted_at IS NULL AS live FROM documents WHERE sha256 != ''
    UNION SELECT r.sha256, d.deleted_at IS NULL FROM replacements r JOIN documents d ON d.id = r.id
"""


class Inspection(Struct, frozen=True, kw_only=True):
    """`counts`: by name. `problems`: those of `PROBLEMS` that are not 0. `integrity`: SQLite's own words, `ok` when sound."""

    counts: dict[str, int]
    problems: list[str]
    integrity: str

    @property
    def sound(self) -> bool:
        return not self.problems and self.integrity == "ok"


def inspect_storage(data_dir: Path) -> Inspection:
    """Blocking. Raises NotFound when there is no database."""
    if not (data_dir / DATABASE_NAME).is_file():
        raise NotFound(f"There is no Antiphon data in {str(data_dir)!r}; give another folder with --data-dir.")
    connection = connect_reader(data_dir / DATABASE_NAME)
    try:
        return consistent(connection, lambda reading: _inspect(reading, data_dir / BLOBS_NAME))
    finally:
        connection.close()


def _inspect(connection: sqlite3.Connection, blobs: Path) -> Inspection:
    transaction = SqliteTransaction(connection, writable=False)
    found = {**SqliteLexicalIndex().statistics(transaction), **SqliteVectorStore().statistics(transaction)}
    counts = {name: int(value) for name, value in found.items()}
    for table in ("workspaces", "sessions", "messages", "runs", "documents", "pages"):
        counts[table] = connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0]  # noqa: S608 - a fixed list of names
    counts["orphan_pages"] = connection.execute(
        "SELECT count(*) FROM pages p LEFT JOIN documents d ON d.id = p.document_id WHERE d.id IS NULL"
    ).fetchone()[0]
    referred = {str(row[0]) for row in connection.execute(_REFERRED)}
    live = connection.execute(f"SELECT sha256 FROM ({_REFERRED}) WHERE live").fetchall()  # noqa: S608 - a constant
    stored = {path.parent.name + path.name for path in blobs.glob("??/*")} if blobs.is_dir() else set[str]()
    counts["blobs"] = len(stored)
    counts["orphan_blobs"] = len(stored - referred)
    counts["missing_blobs"] = len({str(sha256) for (sha256,) in live} - stored)
    integrity = str(connection.execute("PRAGMA quick_check(1)").fetchone()[0])
    return Inspection(counts=counts, problems=[name for name in PROBLEMS if counts.get(name)], integrity=integrity)
