"""A data folder of every schema there ever was opens with the present code, and everything in it is read back."""

from __future__ import annotations

import json
import re
import shutil
import sqlite3
from pathlib import Path
from typing import Any

import msgspec
import pytest

from antiphon.core.errors import Unsupported
from antiphon.core.runtime import system_runtime
from antiphon.storage.blobs.files import FileBlobStore
from antiphon.storage.jobs.sqlite import SqliteJobQueue
from antiphon.storage.records.rows import DOCUMENTS, TABLES
from antiphon.storage.records.sqlite import SqliteStore
from antiphon.storage.sqlite.connections import connect_writer
from antiphon.storage.sqlite.database import FILE_NAME, Database
from antiphon.storage.sqlite.migrations.upgrade import script_directory, upgrade
from antiphon.storage.sqlite.revisions import is_known, stored_revision
from antiphon.storage.sqlite.schema import HEAD
from antiphon.testing.conformance.scopes import EVERYTHING

FIXTURES = Path(__file__).parent.parent / "fixtures" / "schema"
REVISIONS = sorted(script.revision for script in script_directory().walk_revisions())


@pytest.fixture(params=REVISIONS)
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    source = FIXTURES / request.param
    assert source.is_dir(), f"revision {request.param} has no fixture: run scripts/make_schema_fixture.py"
    return Path(shutil.copytree(source, tmp_path / "data"))


def expected(folder: Path) -> dict[str, list[dict[str, Any]]]:
    return json.loads((folder / "expected.json").read_text())


def schema_of(connection: sqlite3.Connection) -> list[tuple[str, ...]]:
    rows = connection.execute("SELECT type, name, coalesce(sql, '') FROM sqlite_master ORDER BY type, name")
    return [
        (kind, name, re.sub(r"\s+", " ", sql).replace("( ", "(").replace(" )", ")").replace(" ,", ",").strip())
        for kind, name, sql in rows
    ]


def test_every_revision_has_a_fixture_and_the_newest_is_the_head() -> None:
    assert sorted(path.name for path in FIXTURES.iterdir()) == REVISIONS
    assert REVISIONS[-1] == HEAD
    assert all(is_known(revision) for revision in REVISIONS)


async def test_records_are_read_back(folder: Path) -> None:
    store = SqliteStore(Database.open(folder / FILE_NAME, runtime=system_runtime()))
    for table in TABLES:
        rows = await store.read(lambda transaction, table=table: transaction.find(table, EVERYTHING))
        wanted = expected(folder).get(table.name, [])  # a table of a later revision
        assert [row.id for row in rows] == [fields["id"] for fields in wanted]
        for row, fields in zip(rows, wanted, strict=True):
            assert msgspec.convert(msgspec.to_builtins(row), table.row) == row, "a value has another type than its column"
            for name, stored in fields.items():
                value = getattr(row, name)
                assert (value if not isinstance(value, list | dict) else json.loads(msgspec.json.encode(value))) == (
                    json.loads(stored) if isinstance(value, list | dict) else stored
                ), (table.name, name)
    await store.close()


async def test_the_other_tables_and_originals_are_read_back(folder: Path) -> None:
    database = Database.open(folder / FILE_NAME, runtime=system_runtime())
    store = SqliteStore(database)
    (job,) = await SqliteJobQueue(store, runtime=system_runtime()).list()
    assert (job.id, job.step, job.payload) == ("job_1", "parse", {"n": 1})
    for name in ("chunks", "lexical_tables", "log_batches", "log_topics", "log_state", "vectors"):
        count = await database.read(
            lambda connection, name=name: connection.execute(f"SELECT count(*) FROM {name}").fetchone()[0]
        )
        assert count == len(expected(folder).get(name, []))  # a table of a later revision
    (document,) = await store.read(lambda transaction: transaction.find(DOCUMENTS, EVERYTHING))
    original = FileBlobStore.at(folder / "blobs").local_path(document.sha256).read_bytes()
    assert len(original) == document.bytes
    await store.close()


async def test_an_upgraded_file_equals_a_new_one(folder: Path, tmp_path: Path) -> None:
    await Database.open(folder / FILE_NAME, runtime=system_runtime()).close()
    await Database.open(tmp_path / "new.db", runtime=system_runtime()).close()
    upgraded, new = sqlite3.connect(folder / FILE_NAME), sqlite3.connect(tmp_path / "new.db")
    assert schema_of(upgraded) == schema_of(new)
    assert stored_revision(upgraded) == stored_revision(new) == HEAD
    upgraded.close()
    new.close()


async def test_all_revisions_together_make_the_present_schema(tmp_path: Path) -> None:
    migrated = connect_writer(tmp_path / "migrated.db")
    upgrade(migrated, None)
    await Database.open(tmp_path / "new.db", runtime=system_runtime()).close()
    new = sqlite3.connect(tmp_path / "new.db")
    assert schema_of(migrated) == schema_of(new), "schema.py and the revisions differ: write a revision"
    assert stored_revision(migrated) == HEAD
    migrated.close()
    new.close()


def test_a_newer_schema_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / FILE_NAME
    folder = shutil.copytree(FIXTURES / HEAD, tmp_path / "data")
    connection = sqlite3.connect(folder / FILE_NAME)
    connection.execute("UPDATE alembic_version SET version_num = '9999'")
    connection.commit()
    connection.close()
    with pytest.raises(Unsupported, match="newer Antiphon"):
        Database.open(folder / FILE_NAME, runtime=system_runtime())
    connection = sqlite3.connect(folder / FILE_NAME)
    assert stored_revision(connection) == "9999"
    connection.close()
    assert not path.exists()


def test_a_file_of_another_program_is_refused(tmp_path: Path) -> None:
    connection = sqlite3.connect(tmp_path / FILE_NAME)
    connection.execute("CREATE TABLE theirs (id)")
    connection.commit()
    connection.close()
    with pytest.raises(Unsupported, match="not made by Antiphon"):
        Database.open(tmp_path / FILE_NAME, runtime=system_runtime())
