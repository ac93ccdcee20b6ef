"""The first schema: all tables of the first release. Frozen: a later change is a revision of its own.

Revision 0001, follows nothing. Tests: tests/integration/test_schema_fixtures.py.
"""

from __future__ import annotations

from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_STATEMENTS = (
    """CREATE TABLE chunks (
        chunk_id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
        document_id TEXT NOT NULL,
        workspace_id TEXT NOT NULL,
        version INTEGER NOT NULL,
        ordinal INTEGER NOT NULL,
        page INTEGER NOT NULL,
        anchor TEXT,
        start INTEGER NOT NULL,
        "end" INTEGER NOT NULL,
        text TEXT NOT NULL,
        heading_path TEXT NOT NULL,
        tokeniser_version TEXT NOT NULL,
        tokens TEXT NOT NULL
    )""",
    "CREATE INDEX by_chunks_document_id_version ON chunks (document_id, version)",
    """CREATE TABLE commands (
        id TEXT NOT NULL,
        user_id TEXT NOT NULL,
        verb TEXT NOT NULL,
        fingerprint TEXT NOT NULL,
        result TEXT NOT NULL,
        created_at REAL NOT NULL,
        PRIMARY KEY (id)
    )""",
    "CREATE INDEX by_commands_created_at ON commands (created_at)",
    """CREATE TABLE documents (
        id TEXT NOT NULL,
        workspace_id TEXT NOT NULL,
        name TEXT NOT NULL,
        path TEXT NOT NULL,
        tags TEXT NOT NULL,
        state TEXT NOT NULL,
        searchable BOOLEAN NOT NULL,
        error TEXT,
        media_type TEXT NOT NULL,
        bytes INTEGER NOT NULL,
        sha256 TEXT NOT NULL,
        version INTEGER NOT NULL,
        pages INTEGER,
        pages_ready INTEGER NOT NULL,
        passages INTEGER NOT NULL,
        progress TEXT,
        title TEXT NOT NULL,
        outline TEXT NOT NULL,
        added_by TEXT,
        created_at REAL NOT NULL,
        updated_at REAL NOT NULL,
        deleted_at REAL,
        PRIMARY KEY (id)
    )""",
    "CREATE INDEX by_documents_sha256 ON documents (sha256)",
    "CREATE INDEX by_documents_state ON documents (state)",
    "CREATE INDEX by_documents_workspace_id_created_at_id ON documents (workspace_id, created_at, id)",
    "CREATE INDEX by_documents_workspace_id_sha256 ON documents (workspace_id, sha256)",
    """CREATE TABLE flows (
        id TEXT NOT NULL,
        workspace_id TEXT NOT NULL,
        slug TEXT NOT NULL,
        name TEXT NOT NULL,
        version INTEGER NOT NULL,
        definition TEXT NOT NULL,
        created_at REAL NOT NULL,
        updated_at REAL NOT NULL,
        PRIMARY KEY (id)
    )""",
    "CREATE UNIQUE INDEX unique_flows_workspace_id_slug ON flows (workspace_id, slug)",
    """CREATE TABLE jobs (
        id TEXT NOT NULL,
        kind TEXT NOT NULL,
        user_id TEXT NOT NULL,
        workspace_id TEXT,
        subject TEXT NOT NULL,
        payload TEXT NOT NULL,
        state TEXT NOT NULL,
        step TEXT NOT NULL,
        progress TEXT NOT NULL,
        attempt INTEGER NOT NULL,
        owner TEXT,
        lease_until REAL,
        not_before REAL NOT NULL,
        error TEXT,
        created_at REAL NOT NULL,
        turn INTEGER NOT NULL,
        PRIMARY KEY (id)
    )""",
    "CREATE INDEX by_jobs_state_user_id ON jobs (state, user_id, created_at, id)",
    "CREATE INDEX by_jobs_subject ON jobs (subject)",
    "CREATE INDEX by_jobs_turn ON jobs (turn)",
    "CREATE INDEX by_jobs_user_id_turn ON jobs (user_id, turn)",
    """CREATE TABLE keys (
        id TEXT NOT NULL,
        name TEXT NOT NULL,
        user_id TEXT NOT NULL,
        secret_hash TEXT NOT NULL,
        workspace_id TEXT,
        role TEXT,
        created_at REAL NOT NULL,
        last_used_at REAL,
        revoked_at REAL,
        PRIMARY KEY (id)
    )""",
    "CREATE INDEX by_keys_user_id ON keys (user_id)",
    "CREATE UNIQUE INDEX unique_keys_secret_hash ON keys (secret_hash)",
    """CREATE TABLE lexical_tables (
        workspace_id TEXT NOT NULL,
        number INTEGER NOT NULL,
        PRIMARY KEY (workspace_id),
        UNIQUE (number)
    )""",
    """CREATE TABLE log_batches (
        id INTEGER NOT NULL,
        created_at REAL NOT NULL,
        data BLOB NOT NULL,
        PRIMARY KEY (id)
    )""",
    "CREATE INDEX by_log_batches_created_at ON log_batches (created_at)",
    """CREATE TABLE log_state (
        id INTEGER NOT NULL CHECK (id = 1),
        epoch TEXT NOT NULL,
        clean INTEGER NOT NULL,
        PRIMARY KEY (id)
    )""",
    """CREATE TABLE log_topics (
        topic TEXT NOT NULL,
        epoch TEXT NOT NULL,
        head INTEGER NOT NULL,
        PRIMARY KEY (topic)
    )
     WITHOUT ROWID""",
    """CREATE TABLE logins (
        id TEXT NOT NULL,
        user_id TEXT NOT NULL,
        secret_hash TEXT NOT NULL,
        created_at REAL NOT NULL,
        expires_at REAL NOT NULL,
        revoked_at REAL,
        PRIMARY KEY (id)
    )""",
    "CREATE INDEX by_logins_user_id ON logins (user_id)",
    "CREATE UNIQUE INDEX unique_logins_secret_hash ON logins (secret_hash)",
    """CREATE TABLE members (
        id TEXT NOT NULL,
        workspace_id TEXT NOT NULL,
        user_id TEXT NOT NULL,
        role TEXT NOT NULL,
        created_at REAL NOT NULL,
        PRIMARY KEY (id)
    )""",
    "CREATE INDEX by_members_user_id ON members (user_id)",
    "CREATE INDEX by_members_workspace_id ON members (workspace_id)",
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
        created_at REAL NOT NULL,
        PRIMARY KEY (id)
    )""",
    "CREATE INDEX by_messages_run_id ON messages (run_id)",
    "CREATE INDEX by_messages_session_id_client_id ON messages (session_id, client_id)",
    "CREATE UNIQUE INDEX unique_messages_session_id_ordinal ON messages (session_id, ordinal)",
    """CREATE TABLE outbox (
        id TEXT NOT NULL,
        topics TEXT NOT NULL,
        body TEXT NOT NULL,
        created_at REAL NOT NULL,
        PRIMARY KEY (id)
    )""",
    "CREATE INDEX by_outbox_created_at ON outbox (created_at)",
    """CREATE TABLE pages (
        id TEXT NOT NULL,
        document_id TEXT NOT NULL,
        workspace_id TEXT NOT NULL,
        version INTEGER NOT NULL,
        number INTEGER NOT NULL,
        text TEXT NOT NULL,
        width_pt REAL,
        height_pt REAL,
        PRIMARY KEY (id)
    )""",
    "CREATE INDEX by_pages_document_id_version_number ON pages (document_id, version, number)",
    """CREATE TABLE runs (
        id TEXT NOT NULL,
        session_id TEXT,
        workspace_id TEXT NOT NULL,
        author_id TEXT NOT NULL,
        kind TEXT NOT NULL,
        flow_id TEXT,
        model TEXT NOT NULL,
        message_id TEXT,
        user_message_id TEXT,
        state TEXT NOT NULL,
        attempt INTEGER NOT NULL,
        parent_run_id TEXT,
        owner TEXT,
        lease_until REAL,
        stop_requested_by TEXT,
        error TEXT,
        record TEXT NOT NULL,
        created_at REAL NOT NULL,
        started_at REAL,
        finished_at REAL,
        PRIMARY KEY (id)
    )""",
    "CREATE INDEX by_runs_message_id ON runs (message_id)",
    "CREATE INDEX by_runs_session_id_created_at_id ON runs (session_id, created_at, id)",
    "CREATE INDEX by_runs_state ON runs (state)",
    "CREATE INDEX by_runs_workspace_id_created_at_id ON runs (workspace_id, created_at, id)",
    """CREATE TABLE sessions (
        id TEXT NOT NULL,
        workspace_id TEXT NOT NULL,
        author_id TEXT NOT NULL,
        title TEXT NOT NULL,
        visibility TEXT NOT NULL,
        pinned BOOLEAN NOT NULL,
        name TEXT,
        leaf_message_id TEXT,
        created_at REAL NOT NULL,
        updated_at REAL NOT NULL,
        PRIMARY KEY (id)
    )""",
    "CREATE INDEX by_sessions_author_id_updated_at_id ON sessions (author_id, updated_at, id)",
    "CREATE INDEX by_sessions_workspace_id_updated_at_id ON sessions (workspace_id, updated_at, id)",
    """CREATE UNIQUE INDEX unique_sessions_workspace_id_author_id_name ON sessions (workspace_id, author_id, name) WHERE name IS NOT NULL""",
    """CREATE TABLE users (
        id TEXT NOT NULL,
        name TEXT NOT NULL,
        password_hash TEXT,
        server_owner BOOLEAN NOT NULL,
        suspended BOOLEAN NOT NULL,
        created_at REAL NOT NULL,
        PRIMARY KEY (id)
    )""",
    "CREATE UNIQUE INDEX unique_users_name ON users (name)",
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
        PRIMARY KEY (id)
    )""",
    "CREATE UNIQUE INDEX unique_workspaces_slug ON workspaces (slug)",
)


def upgrade() -> None:
    for statement in _STATEMENTS:
        op.execute(statement)
