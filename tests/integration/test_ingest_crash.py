"""kill -9 at every fail-point of ingestion and removal: the next start goes on, nothing is doubled, nothing is left over."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from reportlab.pdfgen import canvas

STEPS = """
import asyncio, json, sys
from pathlib import Path
from antiphon.access.scope import system_scope
from antiphon.config.settings import Settings
from antiphon.core.failpoints import arm
from antiphon.core.runtime import system_runtime
from antiphon.ingest.worker import ParserPool
from antiphon.ingest.workers import IngestWorkers
from antiphon.storage.blobs.files import FileBlobStore
from antiphon.storage.jobs.contract import Job
from antiphon.storage.jobs.sqlite import SqliteJobQueue
from antiphon.storage.lexical.sqlite import SqliteLexicalIndex
from antiphon.storage.records.rows import DOCUMENTS, PAGES, REPLACEMENTS, DocumentRow, ReplacementRow
from antiphon.storage.records.sqlite import SqliteStore
from antiphon.storage.sqlite.database import Database

ALL = system_scope("test")

async def main(folder, do, failpoint):
    runtime = system_runtime()
    settings = Settings(data_dir=folder)
    pool = ParserPool(settings, runtime)
    pool.start()
    store = SqliteStore(Database.open(folder / "antiphon.db", runtime=runtime))
    jobs = SqliteJobQueue(store, runtime=runtime)
    blobs = FileBlobStore.at(folder / "blobs")
    index = SqliteLexicalIndex()
    parsed = []
    read = pool.read
    def counted(*arguments, **keywords):
        parsed.append(1)
        return read(*arguments, **keywords)
    pool.read = counted
    workers = IngestWorkers(store=store, jobs=jobs, blobs=blobs, index=index, pool=pool, settings=settings, runtime=runtime,
                            on_event=lambda workspace, event: None)
    def enqueue(tx, kind, **payload):
        jobs.enqueue(tx, Job(id=runtime.ids.new("job"), kind=kind, user_id="usr_1", workspace_id="ws_1", subject="doc_1",
                             payload=payload, created_at=runtime.clock.now()))
    if do.startswith("add"):
        async def pieces():
            yield (folder / "given").read_bytes()
        blob = await blobs.put(pieces(), max_bytes=0)
        def add(tx):
            if do == "add version":
                tx.insert(REPLACEMENTS, ReplacementRow(id="doc_1", workspace_id="ws_1", version=2, sha256=blob.sha256, name="b",
                                                       bytes=1, created_at=0.0))
                enqueue(tx, "ingest", version=2, sha256=blob.sha256)
                return
            tx.insert(DOCUMENTS, DocumentRow(id="doc_1", workspace_id="ws_1", name="a.txt", sha256=blob.sha256,
                                             created_at=0.0, updated_at=0.0))
            enqueue(tx, "ingest", **({"light": True} if do == "add light" else {}))
        await store.write(add)
    if do == "delete":
        def delete(tx):
            tx.update(DOCUMENTS, ALL, "doc_1", deleted_at=1.0, searchable=False, state="deleting")
            enqueue(tx, "remove_document")
        await store.write(delete)
    arm(failpoint or None)
    await workers.start()
    while [job for job in await jobs.list() if job.state in {"queued", "running"}]:
        await asyncio.sleep(0.01)
    def told(tx):
        row = tx.get(DOCUMENTS, ALL, "doc_1")
        postings, total = index.postings(tx, "ws_1", ["lighthous", "ship"])
        ids = [chunk.chunk_id for chunk in index.chunks_of(tx, ALL, "doc_1")]
        return {"highest_id": max(ids, default=0), "state": row and row.state, "passages": row and row.passages, "version": row and row.version, "outline": row and len(row.outline), "pages": tx.count(PAGES, ALL),
                "postings": postings, "total": total, **index.statistics(tx)}
    result = await store.read(told)
    result["blobs"], result["parsed"] = len(await blobs.list()), len(parsed)
    print(json.dumps(result))
    await workers.close()
    await pool.close()
    await store.close()

asyncio.run(main(Path(sys.argv[1]), sys.argv[2], sys.argv[3]))
"""


TEXT = ("The lighthouse keeper counts the ships. " * 2000).encode()


def book(path: Path, pages: int) -> bytes:
    """A PDF that is cut in several windows, with headings that bookmarks name."""
    drawing = canvas.Canvas(str(path))
    for number in range(1, pages + 1):
        drawing.bookmarkPage(f"p{number}")
        drawing.addOutlineEntry(f"Chapter {number}", f"p{number}", 0)
        drawing.drawString(72, 800, f"Chapter {number}")
        for line in range(40):
            drawing.drawString(
                72, 770 - 18 * line, f"The lighthouse keeper counts ship number {line} on page {number} and is content."
            )
        drawing.showPage()
    drawing.save()
    return path.read_bytes()


def run(folder: Path, do: str, failpoint: str = "") -> dict[str, Any] | None:
    """What the folder holds when all jobs are done; None when the process was killed."""
    done = subprocess.run(
        [sys.executable, "-c", STEPS, str(folder), do, failpoint], capture_output=True, text=True, timeout=60, check=False,
        env={**os.environ},
    )  # fmt: skip
    if done.returncode == -signal.SIGKILL:
        return None
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def is_whole(found: dict[str, Any], pages: int = 1) -> bool:
    chunks = found["chunks"]
    return (
        found["state"] == "ready"
        and chunks > 50
        and found["passages"] == chunks == found["total"] == found["postings"]["lighthous"]
        and found["pages"] == pages
        and not found["ghost_rows"] + found["unindexed_chunks"] + found["orphan_chunks"]
    )


@pytest.mark.parametrize(
    ("failpoint", "parses_again"),
    [
        ("ingest.after_claim", 1),
        ("ingest.after_parse", 0),
        ("ingest.after_slice", 0),
        ("ingest.after_slice:2", 0),
        ("ingest.after_index", 0),
        ("ingest.after_ready", 0),
    ],
)
def test_a_killed_ingestion_goes_on_at_its_last_finished_step(tmp_path: Path, failpoint: str, parses_again: int) -> None:
    (tmp_path / "given").write_bytes(TEXT)
    assert run(tmp_path, "add", failpoint) is None
    found = run(tmp_path, "go on")
    assert found is not None
    assert is_whole(found), found
    assert found["parsed"] == parses_again
    assert found["highest_id"] == found["chunks"]  # ids are never used again: nothing was indexed twice


@pytest.mark.parametrize("slices", [1, 2, 3, 4, 5, 6])
def test_a_book_that_was_cut_off_between_its_windows_is_whole_afterwards(tmp_path: Path, slices: int) -> None:
    content = book(tmp_path / "given", 60)
    assert run(tmp_path, "add", f"ingest.after_slice:{slices}") is None
    found = run(tmp_path, "go on")
    assert found is not None
    (whole_folder := tmp_path / "whole").mkdir()
    (whole_folder / "given").write_bytes(content)
    whole = run(whole_folder, "add")
    assert whole is not None
    for one in (found, whole):
        assert is_whole(one, 60), one
        assert one["outline"] == 60
        assert one["highest_id"] == one["chunks"]
    assert found["chunks"] == whole["chunks"]


def test_a_killed_batch_of_small_files_goes_on(tmp_path: Path) -> None:
    (tmp_path / "given").write_bytes(TEXT[:60_000])
    assert run(tmp_path, "add light", "ingest.after_claim") is None
    found = run(tmp_path, "go on")
    assert found is not None
    assert is_whole(found), found


@pytest.mark.parametrize(
    "failpoint", ["ingest.after_claim", "ingest.after_parse", "ingest.after_slice", "ingest.after_index", "ingest.after_ready"]
)
def test_a_killed_replacement_takes_over_at_the_next_start(tmp_path: Path, failpoint: str) -> None:
    (tmp_path / "given").write_bytes(b"The lighthouse is closed.")
    assert run(tmp_path, "add") is not None
    (tmp_path / "given").write_bytes(TEXT)
    assert run(tmp_path, "add version", failpoint) is None
    found = run(tmp_path, "go on")
    assert found is not None
    assert is_whole(found), found
    assert (found["version"], found["stale_chunks"], found["blobs"]) == (2, 0, 1)


def test_a_killed_removal_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "given").write_bytes(TEXT)
    whole = run(tmp_path, "add")
    assert whole is not None
    assert is_whole(whole), whole
    assert run(tmp_path, "delete", "document.after_delete") is None
    found = run(tmp_path, "go on")
    assert found is not None
    assert (found["state"], found["chunks"], found["pages"], found["blobs"], found["total"]) == (None, 0, 0, 0, 0)
    assert found["ghost_rows"] == 0
