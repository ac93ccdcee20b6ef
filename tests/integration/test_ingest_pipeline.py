"""Ingestion and removal with real stores and real worker processes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from reportlab.lib.pdfencrypt import StandardEncryption
from reportlab.pdfgen import canvas

from antiphon.access.scope import system_scope
from antiphon.config.settings import Ingest, Settings
from antiphon.core.runtime import system_runtime
from antiphon.ingest.blob_gate import BlobGate
from antiphon.ingest.worker import ParserPool
from antiphon.ingest.workers import IngestWorkers
from antiphon.protocol.events import DocumentFailed, DocumentProgress, DocumentReady, Event
from antiphon.retrieve.lexical import LexicalRetriever
from antiphon.sample.documents import sample_documents
from antiphon.storage.blobs.files import FileBlobStore
from antiphon.storage.jobs.contract import Job
from antiphon.storage.jobs.sqlite import SqliteJobQueue
from antiphon.storage.lexical.sqlite import SqliteLexicalIndex
from antiphon.storage.records.rows import DOCUMENTS, PAGES, DocumentRow
from antiphon.storage.records.sqlite import SqliteStore
from antiphon.storage.sqlite.database import Database

EVERYTHING = system_scope("test")
RUNTIME = system_runtime()


@dataclass
class House:
    store: SqliteStore
    jobs: SqliteJobQueue
    blobs: FileBlobStore
    index: SqliteLexicalIndex
    workers: IngestWorkers
    gate: BlobGate
    events: list[tuple[str, Event]] = field(default_factory=list)

    async def add(self, content: bytes, name: str, **changes: Any) -> DocumentRow:
        async def pieces() -> AsyncIterator[bytes]:
            yield content

        blob = await self.blobs.put(pieces(), max_bytes=0)
        now = RUNTIME.clock.now()
        row = DocumentRow(
            id=RUNTIME.ids.new("doc"), workspace_id="ws_1", name=name, sha256=blob.sha256, bytes=blob.size_bytes,
            created_at=now, updated_at=now, **changes,
        )  # fmt: skip

        def insert(tx: Any) -> None:
            tx.insert(DOCUMENTS, row)
            self.jobs.enqueue(tx, self.job("ingest", row.id))

        await self.store.write(insert)
        return row

    def job(self, kind: str, document_id: str, **payload: Any) -> Job:
        return Job(
            id=RUNTIME.ids.new("job"), kind=kind, user_id="usr_1", workspace_id="ws_1", subject=document_id,
            payload=payload, created_at=RUNTIME.clock.now(),
        )  # fmt: skip

    async def row(self, document_id: str) -> DocumentRow | None:
        return await self.store.read(lambda tx: tx.get(DOCUMENTS, EVERYTHING, document_id))

    async def until(self, document_id: str, *states: str) -> DocumentRow:
        async with asyncio.timeout(30):
            while True:
                row = await self.row(document_id)
                assert row is not None
                if row.state in states:
                    return row
                await asyncio.sleep(0.01)

    async def settled(self) -> None:
        """Returns when no job is queued or running."""
        async with asyncio.timeout(30):
            while [job for job in await self.jobs.list() if job.state in {"queued", "running"}]:
                await asyncio.sleep(0.01)

    async def search(self, query: str) -> list[Any]:
        retriever = LexicalRetriever(self.store, self.index, RUNTIME)
        return (await retriever.retrieve(EVERYTHING, ["ws_1"], query, k=5)).passages

    async def delete(self, document_id: str) -> None:
        def mark(tx: Any) -> None:
            tx.update(DOCUMENTS, EVERYTHING, document_id, deleted_at=RUNTIME.clock.now(), state="deleting")
            self.jobs.enqueue(tx, self.job("remove_document", document_id))

        await self.store.write(mark)


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    settings = Settings(data_dir=tmp_path, ingest=Ingest(workers=2, timeout_s=20))
    pool = ParserPool(settings, RUNTIME)
    pool.start()
    store = SqliteStore(Database.open(tmp_path / "antiphon.db", runtime=RUNTIME))
    jobs = SqliteJobQueue(store, runtime=RUNTIME)
    blobs = FileBlobStore.at(tmp_path / "blobs")
    index, gate = SqliteLexicalIndex(), BlobGate()
    events: list[tuple[str, Event]] = []
    workers = IngestWorkers(
        store=store, jobs=jobs, blobs=blobs, index=index, pool=pool, settings=settings, runtime=RUNTIME,
        on_event=lambda workspace, event: events.append((workspace, event)), gate=gate,
    )  # fmt: skip
    house = House(store=store, jobs=jobs, blobs=blobs, index=index, workers=workers, gate=gate, events=events)
    await workers.start()
    yield house
    await workers.close()
    await pool.close()
    await store.close()


async def statistics(house: House) -> dict[str, Any]:
    return await house.store.read(house.index.statistics)


async def test_the_sample_documents_become_ready_and_answer(house: House) -> None:
    rows = [await house.add(path.read_bytes(), path.name) for path in sample_documents()]
    ready = [await house.until(row.id, "ready", "failed") for row in rows]
    assert [row.state for row in ready] == ["ready"] * len(rows), [row.error for row in ready]
    assert all(row.searchable and row.passages > 3 and row.progress is None for row in ready)
    handbook = ready[0]
    assert (handbook.media_type, handbook.pages, handbook.pages_ready) == ("application/pdf", 11, 11)
    assert handbook.title == "Lindenbrook Employee Handbook"
    assert {"title": "3.1 Asking for leave", "level": 2, "page": 4}.items() <= handbook.outline[11].items()
    for question, words in [
        ("How many days can I work from home?", "up to three days a week"),
        ("年休假有多少天？", "七天带薪年休假"),
        ("What does error E21 mean?", "coil is interrupted"),
        ("恒温箱多久校准一次？", "温度校准周期为十二个月"),
    ]:
        passages = await house.search(question)
        assert words in "".join(passage.text for passage in passages[:2]).replace("\n", " "), question
    best = (await house.search("How many days of leave may be carried over?"))[0]
    page = await house.store.read(lambda tx: tx.get(PAGES, EVERYTHING, f"{best.document_id}:{best.version}:{best.page}"))
    assert page is not None
    assert page.text[best.start : best.end] == best.text
    kinds = {type(event) for workspace, event in house.events if workspace == "ws_1"}
    assert kinds == {DocumentProgress, DocumentReady}
    counts = await statistics(house)
    assert counts["orphan_chunks"] == counts["ghost_rows"] == counts["unindexed_chunks"] == 0


async def test_a_markdown_passage_has_an_anchor_and_no_page(house: House) -> None:
    row = await house.add(b"# Snow\n\nIntro.\n\n## Shovels\n\nShovels are red.\n", "snow.md")
    ready = await house.until(row.id, "ready", "failed")
    assert (ready.title, ready.pages) == ("Snow", 1)
    (passage,) = [passage for passage in await house.search("shovels") if "red" in passage.text]
    assert passage.page is None
    assert passage.anchor == "line:5"
    assert passage.media_type == "text/markdown"


async def test_what_cant_be_read_fails_with_a_sentence(house: House) -> None:
    broken = await house.add(b"%PDF-1.7 nothing else", "broken.pdf")
    program = await house.add(b"\x7fELF" + bytes(100), "notes.txt")
    for row, code in [(broken, "bad_request"), (program, "unsupported")]:
        failed = await house.until(row.id, "ready", "failed")
        assert failed.state == "failed"
        assert failed.error is not None
        assert failed.error["code"] == code
        assert failed.error["message"].endswith(".")
        assert not failed.searchable
    assert sum(isinstance(event, DocumentFailed) for _, event in house.events) == 2


async def test_an_encrypted_pdf_asks_for_its_password_and_opens_with_it(house: House, tmp_path: Path) -> None:
    path = tmp_path / "locked.pdf"
    page = canvas.Canvas(str(path), encrypt=StandardEncryption("sesame", canPrint=0))
    page.drawString(100, 700, "The cave is full of treasure.")
    page.save()
    row = await house.add(path.read_bytes(), "locked.pdf")
    failed = await house.until(row.id, "ready", "failed")
    assert failed.error is not None
    assert failed.error["code"] == "password_required"
    house.workers.use_password(row.id, "sesame")
    await house.store.write(lambda tx: house.jobs.enqueue(tx, house.job("ingest", row.id)))
    ready = await house.until(row.id, "ready")
    assert (ready.passages, ready.error) == (1, None)


async def test_a_deleted_document_leaves_nothing(house: House) -> None:
    text = "The heron stands in the reeds. " * 400
    row = await house.add(text.encode(), "heron.txt")
    twin = await house.add(text.encode(), "twin.txt")
    for document in (row, twin):
        await house.until(document.id, "ready")
    await house.delete(row.id)
    assert {passage.document_id for passage in await house.search("heron")} == {twin.id}
    await house.settled()
    assert await house.row(row.id) is None
    assert await house.store.read(lambda tx: tx.count(PAGES, EVERYTHING, {"document_id": row.id})) == 0
    assert await house.blobs.list() == [row.sha256]  # the twin still refers to it
    await house.delete(twin.id)
    await house.settled()
    assert await house.blobs.list() == []
    counts = await statistics(house)
    assert (counts["chunks"], counts["ghost_rows"]) == (0, 0)


async def test_a_blob_stays_while_an_upload_is_under_way(house: House) -> None:
    row = await house.add(b"Short text about otters.", "otters.txt")
    await house.until(row.id, "ready")
    async with house.gate.uploading():
        await house.delete(row.id)
        async with asyncio.timeout(10):
            while not [job for job in await house.jobs.list(subject=row.id) if job.not_before > RUNTIME.clock.now()]:
                await asyncio.sleep(0.01)
        assert await house.blobs.list() == [row.sha256]


async def test_a_new_version_takes_over_when_it_is_ready(house: House) -> None:
    row = await house.add(b"The meeting is on Monday in room seven.", "plan.txt")
    await house.until(row.id, "ready")

    async def pieces() -> AsyncIterator[bytes]:
        yield b"The meeting is on Friday in room nine."

    blob = await house.blobs.put(pieces(), max_bytes=0)
    job = house.job("ingest", row.id, version=2, sha256=blob.sha256)
    await house.store.write(lambda tx: house.jobs.enqueue(tx, job))
    await house.settled()
    ready = await house.row(row.id)
    assert ready is not None
    assert (ready.version, ready.sha256, ready.state) == (2, blob.sha256, "ready")
    (passage,) = await house.search("meeting")
    assert "Friday" in passage.text
    assert (await statistics(house))["stale_chunks"] == 0


async def test_cancelling_kills_the_worker_and_leaves_nothing_searchable(house: House) -> None:
    text = "\n\n".join(f"Paragraph {n} tells about the number {n * 7}. It is long enough." for n in range(40_000))
    row = await house.add(text.encode(), "long.txt")
    await house.until(row.id, "parsing", "indexing")
    assert await house.workers.cancel(row.id) == 1
    await house.settled()
    (job,) = await house.jobs.list(subject=row.id)
    assert job.state == "cancelled"
    await asyncio.sleep(0.1)
    before = await statistics(house)
    await asyncio.sleep(0.3)
    assert await statistics(house) == before


async def test_a_document_deleted_while_it_is_read_leaves_nothing(house: House) -> None:
    text = "\n\n".join(f"Paragraph {n} tells about the number {n * 7}. It is long enough." for n in range(20_000))
    row = await house.add(text.encode(), "long.txt")
    await house.until(row.id, "indexing")
    await house.delete(row.id)
    await house.settled()
    assert await house.row(row.id) is None
    counts = await statistics(house)
    assert (counts["chunks"], counts["ghost_rows"]) == (0, 0)
    assert await house.blobs.list() == []
