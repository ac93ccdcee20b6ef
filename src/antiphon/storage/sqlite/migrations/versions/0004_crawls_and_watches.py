"""What documents were fetched from, crawls of the web, and watched folders and addresses.

Revision 0004, follows 0003. Tests: tests/integration/test_schema_fixtures.py.
"""

from __future__ import annotations

from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

_STATEMENTS = (
    """CREATE TABLE crawl_pages (
        id TEXT NOT NULL,
        crawl_id TEXT NOT NULL,
        workspace_id TEXT NOT NULL,
        ordinal INTEGER NOT NULL,
        url TEXT NOT NULL,
        depth INTEGER NOT NULL,
        outcome TEXT NOT NULL,
        document_id TEXT,
        PRIMARY KEY (id)
    )""",
    "CREATE INDEX by_crawl_pages_crawl_id_outcome_ordinal ON crawl_pages (crawl_id, outcome, ordinal)",
    "CREATE INDEX by_crawl_pages_document_id ON crawl_pages (document_id)",
    """CREATE TABLE crawls (
        id TEXT NOT NULL,
        workspace_id TEXT NOT NULL,
        url TEXT NOT NULL,
        depth INTEGER NOT NULL,
        sitemap TEXT NOT NULL,
        tags TEXT NOT NULL,
        watch_id TEXT,
        state TEXT NOT NULL,
        found INTEGER NOT NULL,
        counts TEXT NOT NULL,
        cut BOOLEAN NOT NULL,
        error TEXT,
        added_by TEXT NOT NULL,
        created_at REAL NOT NULL,
        finished_at REAL,
        PRIMARY KEY (id)
    )""",
    "CREATE INDEX by_crawls_watch_id ON crawls (watch_id)",
    "CREATE INDEX by_crawls_workspace_id_created_at_id ON crawls (workspace_id, created_at, id)",
    """CREATE TABLE watch_files (
        id TEXT NOT NULL,
        watch_id TEXT NOT NULL,
        workspace_id TEXT NOT NULL,
        path TEXT NOT NULL,
        stamp TEXT NOT NULL,
        sha256 TEXT NOT NULL,
        document_id TEXT NOT NULL,
        PRIMARY KEY (id)
    )""",
    "CREATE INDEX by_watch_files_watch_id ON watch_files (watch_id)",
    """CREATE TABLE watches (
        id TEXT NOT NULL,
        workspace_id TEXT NOT NULL,
        kind TEXT NOT NULL,
        address TEXT NOT NULL,
        depth INTEGER NOT NULL,
        sitemap TEXT NOT NULL,
        tags TEXT NOT NULL,
        delete_missing BOOLEAN NOT NULL,
        interval_s REAL NOT NULL,
        paused BOOLEAN NOT NULL,
        next_due REAL NOT NULL,
        running TEXT,
        failures INTEGER NOT NULL,
        last TEXT,
        added_by TEXT NOT NULL,
        created_at REAL NOT NULL,
        updated_at REAL NOT NULL,
        PRIMARY KEY (id)
    )""",
    "CREATE INDEX by_watches_next_due ON watches (next_due)",
    "CREATE INDEX by_watches_workspace_id_created_at_id ON watches (workspace_id, created_at, id)",
    """CREATE TABLE web_pages (
        id TEXT NOT NULL,
        workspace_id TEXT NOT NULL,
        url TEXT NOT NULL,
        asked_url TEXT NOT NULL,
        etag TEXT NOT NULL,
        last_modified TEXT NOT NULL,
        fetched_at REAL,
        watch_id TEXT,
        PRIMARY KEY (id)
    )""",
    "CREATE INDEX by_web_pages_watch_id ON web_pages (watch_id)",
    "CREATE INDEX by_web_pages_workspace_id_asked_url ON web_pages (workspace_id, asked_url)",
    "CREATE INDEX by_web_pages_workspace_id_url ON web_pages (workspace_id, url)",
)


def upgrade() -> None:
    for statement in _STATEMENTS:
        op.execute(statement)
