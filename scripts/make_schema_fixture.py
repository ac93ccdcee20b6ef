"""Makes tests/fixtures/schema/{HEAD}/: a small data folder of the present schema with rows in every table.

Run once for every new revision (`python scripts/make_schema_fixture.py`), commit the folder, never make it again: it
stands for the folders people have. tests/integration/test_schema_fixtures.py opens it with all later code.
`--ddl` prints the statements of the present schema instead, for writing the revision.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import shutil
import sqlite3
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from antiphon.core.runtime import system_runtime
from antiphon.storage.blobs.files import FileBlobStore
from antiphon.storage.jobs.contract import Job
from antiphon.storage.jobs.sqlite import SqliteJobQueue
from antiphon.storage.records import rows
from antiphon.storage.records.contract import Transaction
from antiphon.storage.records.sqlite import SqliteStore
from antiphon.storage.sqlite.database import FILE_NAME, Database
from antiphon.storage.sqlite.schema import HEAD, metadata, statements

FIXTURES = Path(__file__).parent.parent / "tests" / "fixtures" / "schema"
PAGE_BYTES = 1024
ORIGINAL = "# Handbook\n\nThe pump is serviced every 500 hours.\n\n# 手册\n\n水泵每500小时维护一次。\n".encode()


def records(sha256: str) -> list[tuple[rows.Table[Any], rows.Row]]:
    then, user, space = 1_795_000_000.5, "usr_ada", "ws_plant"
    source = {"n": 1, "document_id": "doc_handbook", "title": "Handbook", "text": "The pump is serviced every 500 hours."}
    answer = "The pump is serviced every 500 hours. [1]"
    return [
        (rows.USERS, rows.UserRow(id=user, name="Ada 阿达", password_hash="$argon2id$x", server_owner=True, created_at=then)),
        (rows.USERS, rows.UserRow(id="usr_bo", name="Bo", suspended=True, created_at=then)),
        (rows.LOGINS, rows.LoginRow(id="lgn_1", user_id=user, secret_hash="ab" * 32, created_at=then, expires_at=then + 9)),
        (rows.KEYS, rows.KeyRow(id="key_1", name="ci", user_id=user, secret_hash="cd" * 32, workspace_id=space, created_at=then)),
        (rows.WORKSPACES, rows.WorkspaceRow(id=space, slug="plant", name="Plant 工厂", mode="open", k=8, temperature=0.2,
            fallbacks=["lab/qwen3", "extractive"], created_at=then)),
        (rows.MEMBERS, rows.MemberRow(id=f"{space}:{user}", workspace_id=space, user_id=user, role="owner", created_at=then)),
        (rows.SESSIONS, rows.SessionRow(
            id="ses_1", workspace_id=space, author_id=user, title="Pump", visibility="workspace", pinned=True, name="test_123",
            leaf_message_id="msg_2", created_at=then, updated_at=then + 1)),
        (rows.MESSAGES, rows.MessageRow(
            id="msg_1", session_id="ses_1", workspace_id=space, ordinal=1, role="user", content="How often? 多久?", author_id=user,
            author_name="Ada 阿达", client_id="c-1", created_at=then)),
        (rows.MESSAGES, rows.MessageRow(
            id="msg_2", session_id="ses_1", workspace_id=space, ordinal=2, parent_id="msg_1", role="assistant", content=answer,
            state="stopped", run_id="run_1", sources=[source], citations=[{"n": 1, "start": 38, "end": 41}],
            usage={"input_tokens": 12, "output_tokens": 9}, stopped_by=user, siblings=["msg_2", "msg_3"],
            steer_count=1, steers=[{"id": "c-2", "content": "In hours.", "offset": 4}], feedback=[{"author": {"id": user}, "rating": "good"}],
            created_at=then + 1)),
        (rows.RUNS, rows.RunRow(
            id="run_1", session_id="ses_1", workspace_id=space, author_id=user, model="extractive", message_id="msg_2",
            user_message_id="msg_1", state="stopped", owner="log_1", record={"nodes": [{"id": "retrieve", "ms": 3.5}]},
            created_at=then, started_at=then, finished_at=then + 1)),
        (rows.QUEUE, rows.QueueRow(
            id="run_2", session_id="ses_1", workspace_id=space, author_id=user, author_name="Ada 阿达", content="And then? 然后呢?",
            model="extractive", message_id="msg_4", user_message_id="msg_3", client_id="c-3", asked={"workspace_ids": [space]},
            position=1.5, created_at=then + 2)),
        (rows.COMMANDS, rows.CommandRow(
            id=f"{user}:c-1", user_id=user, verb="chat_message", fingerprint="ef" * 32, result={"run_id": "run_1"}, created_at=then)),
        (rows.DOCUMENTS, rows.DocumentRow(
            id="doc_handbook", workspace_id=space, name="handbook.md", path="guides", tags=["pump", "水泵"], state="ready",
            searchable=True, media_type="text/markdown", bytes=len(ORIGINAL), sha256=sha256, pages=1, pages_ready=1, passages=1,
            title="Handbook", outline=[{"title": "Handbook", "start": 0}], added_by=user, created_at=then, updated_at=then)),
        (rows.PAGES, rows.PageRow(
            id="doc_handbook:1:1", document_id="doc_handbook", workspace_id=space, version=1, number=1, text=ORIGINAL.decode(),
            width_pt=595.0, height_pt=842.0)),
        (rows.LAYOUTS, rows.LayoutRow(
            id="doc_handbook:1:1", document_id="doc_handbook", workspace_id=space, version=1, number=1,
            headings=[{"title": "Handbook", "level": 1, "start": 2}], furniture=[[0, 1]], anchors=[["line:1", 0, 10]],
            words=[[2, 10, 72.0, 40.5, 120.0, 52.0]])),
        (rows.REPLACEMENTS, rows.ReplacementRow(
            id="doc_handbook", workspace_id=space, version=2, sha256=sha256, name="handbook.md", bytes=len(ORIGINAL), added_by=user,
            created_at=then)),
        (rows.WEB_PAGES, rows.WebPageRow(
            id="doc_handbook", workspace_id=space, url="https://example.org/handbook.md", asked_url="http://example.org/handbook",
            etag='"v1"', last_modified="Fri, 20 Nov 2026 10:00:00 GMT", fetched_at=then, watch_id="wat_1")),
        (rows.CRAWLS, rows.CrawlRow(
            id="crl_1", workspace_id=space, url="https://example.org/", depth=2, sitemap="auto", tags=["site"], watch_id="wat_1",
            found=3, counts={"added": 1}, added_by=user, created_at=then)),
        (rows.CRAWL_PAGES, rows.CrawlPageRow(
            id="crl_1:0", crawl_id="crl_1", workspace_id=space, ordinal=1, url="https://example.org/", depth=0, outcome="added",
            document_id="doc_handbook")),
        (rows.WATCHES, rows.WatchRow(
            id="wat_1", workspace_id=space, kind="url", address="https://example.org/", depth=2, sitemap="auto", tags=["site"],
            delete_missing=True, interval_s=3600.0, next_due=then + 3600, running="crl_1", failures=1,
            last={"state": "failed", "at": "2026-11-20T10:00:00Z"}, added_by=user, created_at=then, updated_at=then)),
        (rows.WATCH_FILES, rows.WatchFileRow(
            id="wat_1:0", watch_id="wat_1", workspace_id=space, path="plant/a.txt", stamp="12-1-1-1", sha256=sha256,
            document_id="doc_handbook")),
        (rows.OUTBOX, rows.OutboxRow(id="evt_1", topics=["session:ses_1", "run:run_1"], body='{"type":"complete"}', created_at=then)),
        (rows.FLOWS, rows.FlowRow(
            id="flow_1", workspace_id=space, slug="summary", name="Summary", definition={"nodes": [{"id": "q"}], "edges": []},
            created_at=then, updated_at=then)),
        (rows.PROVIDERS, rows.ProviderRow(
            id="prov_1", slug="lab", label="Lab 实验室", base_url="http://127.0.0.1:11434/v1", key_sealed="v1.AAAA.BBBB", key_hint="…9f3a",
            models=[{"name": "qwen3", "context_window": 8192}], default_model="qwen3", context_window=8192, fallbacks=["extractive"],
            preferred=True, created_at=then, updated_at=then)),
        (rows.SPACES, rows.SpaceRow(
            id="space_1", workspace_id=space, embedder="server", label="m at host:80", fingerprint="ab12", dimension=2,
            embedding={"model": "m", "dimension": 2}, state="serving", removals=1, created_at=then)),
        (rows.INDEX_SETTINGS, rows.IndexSettingsRow(id=space, workspace_id=space, chunk_characters=500, embedder="server")),
        (rows.RECIPES, rows.RecipeRow(id="doc_handbook", workspace_id=space, recipe="1/1/1/900/0")),
    ]  # fmt: skip


def fill_others(connection: sqlite3.Connection) -> None:
    connection.execute(
        "INSERT INTO chunks VALUES (7, 'doc_handbook', 'ws_plant', 1, 1, 1, NULL, 12, 49, ?, '[\"Handbook\"]', 'words-1', ?)",
        ("The pump is serviced every 500 hours.", "the pump is servic everi 500 hour"),
    )
    connection.execute("INSERT INTO vectors VALUES (5, 'space_1', 7, 'doc_handbook', 1, ?)", (b"\x00\x3c\x00\x00",))
    connection.execute("INSERT INTO lexical_tables VALUES ('ws_plant', 1)")
    connection.execute("INSERT INTO log_batches VALUES (3, 1795000000.5, ?)", (b"\x92\x90\x90",))
    connection.execute("INSERT INTO log_topics VALUES ('session:ses_1', 'log_1', 41)")
    connection.execute("INSERT INTO log_state VALUES (1, 'log_1', 1)")


async def make(folder: Path) -> None:
    async def original() -> AsyncIterator[bytes]:
        yield ORIGINAL

    blob = await FileBlobStore.at(folder / "blobs").put(original(), max_bytes=0)
    runtime = system_runtime()
    store = SqliteStore(Database.open(folder / FILE_NAME, runtime=runtime))
    jobs = SqliteJobQueue(store, runtime=runtime)

    def fill(transaction: Transaction) -> None:
        for table, row in records(blob.sha256):
            transaction.insert(table, row)
        jobs.enqueue(
            transaction, Job(id="job_1", kind="ingest", user_id="usr_ada", subject="doc_handbook", payload={"n": 1}, step="parse")
        )

    await store.write(fill)
    await store.database.submit(fill_others)
    expected = await store.database.read(dumped)
    await store.close()
    (folder / "expected.json").write_text(json.dumps(expected, ensure_ascii=False, indent=1, sort_keys=True) + "\n")
    shrink(folder / FILE_NAME)


def dumped(connection: sqlite3.Connection) -> dict[str, list[dict[str, Any]]]:
    tables: dict[str, list[dict[str, Any]]] = {}
    for table in metadata.sorted_tables:
        cursor = connection.execute(f'SELECT * FROM "{table.name}" ORDER BY 1')
        names = [column[0] for column in cursor.description]
        tables[table.name] = [
            {name: value.hex() if isinstance(value, bytes) else value for name, value in zip(names, row, strict=True)}
            for row in cursor
        ]
    empty = [name for name, found in tables.items() if not found]
    if empty:
        raise SystemExit(f"No rows in {empty}: add some to this script.")
    return tables


def shrink(path: Path) -> None:
    """Small pages: the file is kept in the repository for good."""
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA journal_mode = DELETE")
    connection.execute(f"PRAGMA page_size = {PAGE_BYTES}")
    connection.execute("VACUUM")
    connection.close()


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--ddl", action="store_true", help="print the statements of the present schema")
    arguments.add_argument("--replace", action="store_true", help="make it again (before the revision is released only)")
    options = arguments.parse_args()
    if options.ddl:
        print(";\n".join(statement.strip() for statement in statements()))
        return
    folder = FIXTURES / HEAD
    if folder.exists() and not options.replace:
        sys.exit(f"{folder} is there already: a fixture is made once.")
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    asyncio.run(make(folder))
    print(f"made {folder}")


if __name__ == "__main__":
    main()
