"""What stands where on a page, newer versions of documents in the making, and a look-up of documents by their path.

Revision 0002, follows 0001. Tests: tests/integration/test_schema_fixtures.py.
"""

from __future__ import annotations

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_STATEMENTS = (
    "CREATE INDEX by_documents_workspace_id_path ON documents (workspace_id, path)",
    """CREATE TABLE layouts (
        id TEXT NOT NULL,
        document_id TEXT NOT NULL,
        workspace_id TEXT NOT NULL,
        version INTEGER NOT NULL,
        number INTEGER NOT NULL,
        headings TEXT NOT NULL,
        furniture TEXT NOT NULL,
        anchors TEXT NOT NULL,
        words TEXT NOT NULL,
        PRIMARY KEY (id)
    )""",
    "CREATE INDEX by_layouts_document_id_version_number ON layouts (document_id, version, number)",
    """CREATE TABLE replacements (
        id TEXT NOT NULL,
        workspace_id TEXT NOT NULL,
        version INTEGER NOT NULL,
        sha256 TEXT NOT NULL,
        name TEXT NOT NULL,
        bytes INTEGER NOT NULL,
        added_by TEXT,
        created_at REAL NOT NULL,
        PRIMARY KEY (id)
    )""",
    "CREATE INDEX by_replacements_sha256 ON replacements (sha256)",
)


def upgrade() -> None:
    for statement in _STATEMENTS:
        op.execute(statement)
