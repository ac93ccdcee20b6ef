"""Messages have siblings, steers and feedback, and questions may wait for the answer before them.

Revision 0007, follows 0006. `messages` is made anew, because a column that is added gets another place than in a new file.
Tests: tests/integration/test_schema_fixtures.py.
"""

from __future__ import annotations

from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

_KEPT = (
    "id, session_id, workspace_id, ordinal, parent_id, role, content, state, run_id, author_id, author_name, client_id, "
    "attachments, sources, citations, usage, error, stopped_by, refusal, suggestions"
)
_STATEMENTS = (
    "ALTER TABLE messages RENAME TO messages_before",
    """CREATE TABLE messages (
        id TEXT NOT NULL,
        session_id TEXT NOT NULL,
        workspace_id TEXT NOT NULL,
        ordinal INTEGER NOT NULL,
        parent_id TEXT,
        role TEXT NOT NULL,
        content TEXT NOT NULL,
        state TEXT NOT NULL,
        run_id TEXT,
        author_id TEXT,
        author_name TEXT,
        client_id TEXT,
        attachments TEXT NOT NULL,
        sources TEXT NOT NULL,
        citations TEXT NOT NULL,
        usage TEXT,
        error TEXT,
        stopped_by TEXT,
        siblings TEXT NOT NULL,
        steer_count INTEGER NOT NULL,
        steers TEXT NOT NULL,
        feedback TEXT NOT NULL,
        created_at REAL NOT NULL,
        refusal TEXT,
        suggestions TEXT,
        PRIMARY KEY (id)
    )""",
    (
        f"INSERT INTO messages ({_KEPT}, siblings, steer_count, steers, feedback, created_at) "  # noqa: S608 - names of this file
        f"SELECT {_KEPT}, '[]', 0, '[]', '[]', created_at FROM messages_before ORDER BY id"
    ),
    "DROP TABLE messages_before",
    "CREATE INDEX by_messages_run_id ON messages (run_id)",
    "CREATE INDEX by_messages_session_id_client_id ON messages (session_id, client_id)",
    "CREATE UNIQUE INDEX unique_messages_session_id_ordinal ON messages (session_id, ordinal)",
    """CREATE TABLE queue (
        id TEXT NOT NULL,
        session_id TEXT NOT NULL,
        workspace_id TEXT NOT NULL,
        author_id TEXT NOT NULL,
        author_name TEXT NOT NULL,
        content TEXT NOT NULL,
        attachments TEXT NOT NULL,
        model TEXT NOT NULL,
        message_id TEXT NOT NULL,
        user_message_id TEXT NOT NULL,
        client_id TEXT,
        asked TEXT NOT NULL,
        position REAL NOT NULL,
        created_at REAL NOT NULL,
        PRIMARY KEY (id)
    )""",
    "CREATE INDEX by_queue_session_id_position_id ON queue (session_id, position, id)",
)


def upgrade() -> None:
    for statement in _STATEMENTS:
        op.execute(statement)
