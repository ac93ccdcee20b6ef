"""Brings a file to the present schema: `prepare_schema`, called by `Database.open` before anything else reads it.

A normal start is one SELECT; Alembic is imported only when there is something to migrate. A new file is made from
schema.py directly (tests/integration/test_schema_fixtures.py: equal to what the revisions make).
"""

from __future__ import annotations

import sqlite3

from antiphon.core.errors import Unsupported
from antiphon.storage.sqlite.migrations.upgrade import upgrade
from antiphon.storage.sqlite.schema import HEAD, statements


def prepare_schema(connection: sqlite3.Connection) -> None:
    """Raises Unsupported, and changes nothing, for a file of a newer schema or of another program."""
    stored = stored_revision(connection)
    if stored == HEAD:
        return
    if stored is not None and not is_known(stored):
        raise Unsupported(
            f"The data folder was written by a newer Antiphon (schema {stored!r}, this one knows up to {HEAD!r}); "
            "install that version, or restore a backup of this one."
        )
    if stored is not None:
        upgrade(connection, stored)
        return
    if connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
        raise Unsupported("The database file was not made by Antiphon; give another data folder.")
    _create(connection)


def stored_revision(connection: sqlite3.Connection) -> str | None:
    """None: the file has no Antiphon schema."""
    if connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'alembic_version'").fetchone() is None:
        return None
    row = connection.execute("SELECT version_num FROM alembic_version").fetchone()
    return str(row[0]) if row is not None else None


def is_known(revision: str) -> bool:
    """Whether this version can open a file of that schema. Revisions are numbered: `0001`, `0002`, ..."""
    return revision.isdigit() and int(revision) <= int(HEAD)


def _create(connection: sqlite3.Connection) -> None:
    connection.execute("BEGIN IMMEDIATE")
    try:
        for statement in statements():
            connection.execute(statement)
        connection.execute("INSERT INTO alembic_version (version_num) VALUES (?)", (HEAD,))
    except BaseException:
        connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")
