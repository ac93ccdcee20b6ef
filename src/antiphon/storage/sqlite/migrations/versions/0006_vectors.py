"""Vectors of chunks and their spaces, how each workspace is indexed, and what each document's chunks were made by.

Revision 0006, follows 0005. Tests: tests/integration/test_schema_fixtures.py.
"""

from __future__ import annotations

from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

_STATEMENTS = (
    """CREATE TABLE index_settings (
        id TEXT NOT NULL,
        workspace_id TEXT NOT NULL,
        chunk_characters INTEGER,
        overlap_characters INTEGER,
        embedder TEXT,
        halted BOOLEAN NOT NULL,
        PRIMARY KEY (id)
    )""",
    """CREATE TABLE recipes (
        id TEXT NOT NULL,
        workspace_id TEXT NOT NULL,
        recipe TEXT NOT NULL,
        PRIMARY KEY (id)
    )""",
    "CREATE INDEX by_recipes_workspace_id_recipe ON recipes (workspace_id, recipe)",
    """CREATE TABLE spaces (
        id TEXT NOT NULL,
        workspace_id TEXT NOT NULL,
        embedder TEXT NOT NULL,
        label TEXT NOT NULL,
        fingerprint TEXT NOT NULL,
        dimension INTEGER NOT NULL,
        embedding TEXT NOT NULL,
        state TEXT NOT NULL,
        removals INTEGER NOT NULL,
        created_at REAL NOT NULL,
        PRIMARY KEY (id)
    )""",
    "CREATE UNIQUE INDEX unique_spaces_workspace_id_fingerprint ON spaces (workspace_id, fingerprint)",
    """CREATE TABLE vectors (
        id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
        space_id TEXT NOT NULL,
        chunk_id INTEGER NOT NULL,
        document_id TEXT NOT NULL,
        version INTEGER NOT NULL,
        half BLOB NOT NULL
    )""",
    "CREATE INDEX by_vectors_document_id_version ON vectors (document_id, version)",
    "CREATE INDEX by_vectors_space_id ON vectors (space_id)",
    "CREATE UNIQUE INDEX unique_vectors_chunk_id_space_id ON vectors (chunk_id, space_id)",
)


def upgrade() -> None:
    for statement in _STATEMENTS:
        op.execute(statement)
