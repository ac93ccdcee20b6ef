"""Runs the missing Alembic revisions on an open connection. Called by storage/sqlite/revisions.py only.

Tests: tests/integration/test_schema_fixtures.py.
"""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import create_engine
from sqlalchemy.pool import StaticPool

from antiphon.storage.sqlite.schema import HEAD

if TYPE_CHECKING:
    from alembic.script import ScriptDirectory


def script_directory() -> ScriptDirectory:
    from alembic.script import ScriptDirectory  # heavy, see `upgrade`

    return ScriptDirectory(str(Path(__file__).parent))


def upgrade(connection: sqlite3.Connection, stored: str | None, target: str = HEAD) -> None:
    """All revisions after `stored` (None: all) up to `target`, all or none. `stored` must be known to this version."""
    # Alembic takes 0.2 s and 15 MB to import: only a start after an upgrade needs it.
    from alembic.migration import MigrationContext
    from alembic.operations import Operations

    script = script_directory()
    missing = list(script.iterate_revisions(target, stored or "base"))[::-1]
    engine = create_engine("sqlite://", creator=lambda: connection, poolclass=StaticPool)
    connection.execute("BEGIN IMMEDIATE")
    try:
        with engine.connect() as adapted:
            context = MigrationContext.configure(adapted)
            with Operations.context(context):
                for revision in missing:
                    revision.module.upgrade()
                    context.stamp(script, revision.revision)
            adapted.commit()
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
    if connection.in_transaction:
        connection.execute("COMMIT")
