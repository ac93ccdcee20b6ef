"""The tables of the one SQLite file: those of the records, read off their rows, and those of jobs, chunks and the log.

A change here needs a revision in migrations/versions, HEAD raised, and `scripts/make_schema_fixture.py` run once.
FTS5 tables are made at run time, one a workspace (storage/lexical). Tests: tests/integration/test_schema_fixtures.py.
"""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy import (
    REAL,
    Boolean,
    CheckConstraint,
    Column,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    PrimaryKeyConstraint,
    String,
    Table,
    Text,
    and_,
    text,
)
from sqlalchemy.dialects import sqlite
from sqlalchemy.schema import CreateIndex, CreateTable
from sqlalchemy.types import TypeEngine

from antiphon.storage.records import rows
from antiphon.storage.records.columns import ColumnKind, columns_of
from antiphon.storage.records.contract import unique_columns

HEAD: Final = "0007"
"""The schema's present revision; equal to the newest in migrations/versions (tested)."""

_TYPES: dict[ColumnKind, type[TypeEngine[Any]]] = {
    ColumnKind.TEXT: Text,
    ColumnKind.INTEGER: Integer,
    ColumnKind.REAL: REAL,
    ColumnKind.BOOLEAN: Boolean,
    ColumnKind.LIST: Text,
    ColumnKind.OBJECT: Text,
}
_ASKED: dict[str, tuple[tuple[str, ...], ...]] = {
    "logins": (("user_id",),),
    "keys": (("user_id",),),
    "members": (("user_id",), ("workspace_id",)),
    "sessions": (("workspace_id", "updated_at", "id"), ("author_id", "updated_at", "id")),
    "messages": (("run_id",), ("session_id", "client_id")),
    "runs": (("state",), ("session_id", "created_at", "id"), ("workspace_id", "created_at", "id"), ("message_id",)),
    "queue": (("session_id", "position", "id"),),
    "commands": (("created_at",),),
    "documents": (
        ("workspace_id", "created_at", "id"),
        ("workspace_id", "sha256"),
        ("workspace_id", "path"),
        ("sha256",),
        ("state",),
    ),
    "pages": (("document_id", "version", "number"),),
    "layouts": (("document_id", "version", "number"),),
    "replacements": (("sha256",),),
    "web_pages": (("workspace_id", "url"), ("workspace_id", "asked_url"), ("watch_id",)),
    "crawls": (("workspace_id", "created_at", "id"), ("watch_id",)),
    "crawl_pages": (("crawl_id", "outcome", "ordinal"), ("document_id",)),
    "watches": (("workspace_id", "created_at", "id"), ("next_due",)),
    "watch_files": (("watch_id",),),
    "outbox": (("created_at",),),
    "recipes": (("workspace_id", "recipe"),),
}
"""What is looked up often, beside ids and unique columns."""


def _record_table(metadata: MetaData, table: rows.Table[Any]) -> Table:
    columns = [
        Column(column.name, _TYPES[column.kind], primary_key=column.name == "id", nullable=column.nullable)
        for column in columns_of(table).values()
    ]
    made = Table(table.name, metadata, *columns)
    for names in unique_columns(table):
        present = [made.c[name].is_not(None) for name in names if made.c[name].nullable]
        Index(
            f"unique_{table.name}_{'_'.join(names)}",
            *(made.c[name] for name in names),
            unique=True,
            sqlite_where=and_(*present) if present else None,
        )
    for names in _ASKED.get(table.name, ()):
        Index(f"by_{table.name}_{'_'.join(names)}", *(made.c[name] for name in names))
    return made


metadata: Final = MetaData()
RECORDS: Final[dict[str, Table]] = {table.name: _record_table(metadata, table) for table in rows.TABLES}

JOBS: Final = Table(
    "jobs", metadata,
    Column("id", Text, primary_key=True, nullable=False),
    Column("kind", Text, nullable=False),
    Column("user_id", Text, nullable=False),
    Column("workspace_id", Text),
    Column("subject", Text, nullable=False),
    Column("payload", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("step", Text, nullable=False),
    Column("progress", Text, nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("owner", Text),
    Column("lease_until", REAL),
    Column("not_before", REAL, nullable=False),
    Column("error", Text),
    Column("created_at", REAL, nullable=False),
    Column("turn", Integer, nullable=False, comment="the number of the latest claim, counting all claims; 0 never"),
    Index("by_jobs_state_user_id", "state", "user_id", "created_at", "id"),
    Index("by_jobs_user_id_turn", "user_id", "turn"),
    Index("by_jobs_turn", "turn"),
    Index("by_jobs_subject", "subject"),
)  # fmt: skip
CHUNKS: Final = Table(
    "chunks", metadata,
    Column("chunk_id", Integer, primary_key=True, nullable=False),
    Column("document_id", Text, nullable=False),
    Column("workspace_id", Text, nullable=False),
    Column("version", Integer, nullable=False),
    Column("ordinal", Integer, nullable=False),
    Column("page", Integer, nullable=False),
    Column("anchor", Text),
    Column("start", Integer, nullable=False),
    Column("end", Integer, nullable=False),
    Column("text", Text, nullable=False),
    Column("heading_path", Text, nullable=False),
    Column("tokeniser_version", Text, nullable=False),
    Column("tokens", Text, nullable=False),
    Index("by_chunks_document_id_version", "document_id", "version"),
    sqlite_autoincrement=True,
)  # fmt: skip
LEXICAL_TABLES: Final = Table(
    "lexical_tables", metadata,
    Column("workspace_id", Text, primary_key=True, nullable=False),
    Column("number", Integer, nullable=False, unique=True),
)  # fmt: skip
VECTORS: Final = Table(
    "vectors", metadata,
    Column("id", Integer, primary_key=True, nullable=False),
    Column("space_id", Text, nullable=False),
    Column("chunk_id", Integer, nullable=False),
    Column("document_id", Text, nullable=False),
    Column("version", Integer, nullable=False),
    Column("half", LargeBinary, nullable=False),
    Index("unique_vectors_chunk_id_space_id", "chunk_id", "space_id", unique=True),
    Index("by_vectors_space_id", "space_id"),
    Index("by_vectors_document_id_version", "document_id", "version"),
    sqlite_autoincrement=True,
)  # fmt: skip
LOG_BATCHES: Final = Table(
    "log_batches", metadata,
    Column("id", Integer, primary_key=True, nullable=False),
    Column("created_at", REAL, nullable=False),
    Column("data", LargeBinary, nullable=False),
    Index("by_log_batches_created_at", "created_at"),
)  # fmt: skip
LOG_TOPICS: Final = Table(
    "log_topics", metadata,
    Column("topic", Text, primary_key=True, nullable=False),
    Column("epoch", Text, nullable=False),
    Column("head", Integer, nullable=False),
    sqlite_with_rowid=False,
)  # fmt: skip
LOG_STATE: Final = Table(
    "log_state", metadata,
    Column("id", Integer, CheckConstraint(text("id = 1")), primary_key=True, nullable=False),
    Column("epoch", Text, nullable=False),
    Column("clean", Integer, nullable=False),
)  # fmt: skip
ALEMBIC_VERSION: Final = Table(
    "alembic_version", metadata,
    Column("version_num", String(32), nullable=False),
    PrimaryKeyConstraint("version_num", name="alembic_version_pkc"),
)  # fmt: skip


def statements() -> list[str]:
    """The DDL of a new file."""
    dialect = sqlite.dialect()
    made: list[str] = []
    for table in metadata.sorted_tables:
        made.append(str(CreateTable(table).compile(dialect=dialect)))
        made.extend(
            str(CreateIndex(index).compile(dialect=dialect)) for index in sorted(table.indexes, key=lambda i: str(i.name))
        )
    return made
