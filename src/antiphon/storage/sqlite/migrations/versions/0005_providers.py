"""Stored providers of models; temperature and models to go over to, of a workspace.

Revision 0005, follows 0004. Tests: tests/integration/test_schema_fixtures.py.
"""

from __future__ import annotations

from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

_WORKSPACE_COLUMNS = "id, slug, name, model, instructions, mode, k, language, created_at, deleted_at"
_STATEMENTS = (
    """CREATE TABLE providers (
        id TEXT NOT NULL,
        slug TEXT NOT NULL,
        label TEXT NOT NULL,
        kind TEXT NOT NULL,
        base_url TEXT,
        key_sealed TEXT,
        key_hint TEXT,
        models TEXT NOT NULL,
        default_model TEXT,
        context_window INTEGER,
        fallbacks TEXT NOT NULL,
        preferred BOOLEAN NOT NULL,
        enabled BOOLEAN NOT NULL,
        created_at REAL NOT NULL,
        updated_at REAL NOT NULL,
        PRIMARY KEY (id)
    )""",
    "CREATE UNIQUE INDEX unique_providers_slug ON providers (slug)",
    # Made anew: a column that SQLite adds would stand behind the primary key, unlike in a new file.
    "DROP INDEX unique_workspaces_slug",
    "ALTER TABLE workspaces RENAME TO workspaces_before",
    """CREATE TABLE workspaces (
        id TEXT NOT NULL,
        slug TEXT NOT NULL,
        name TEXT NOT NULL,
        model TEXT,
        instructions TEXT NOT NULL,
        mode TEXT NOT NULL,
        k INTEGER NOT NULL,
        language TEXT,
        created_at REAL NOT NULL,
        deleted_at REAL,
        temperature REAL,
        fallbacks TEXT,
        PRIMARY KEY (id)
    )""",
    f"INSERT INTO workspaces ({_WORKSPACE_COLUMNS}) SELECT {_WORKSPACE_COLUMNS} FROM workspaces_before",  # noqa: S608
    "DROP TABLE workspaces_before",
    "CREATE UNIQUE INDEX unique_workspaces_slug ON workspaces (slug)",
)


def upgrade() -> None:
    for statement in _STATEMENTS:
        op.execute(statement)
