"""`IngestHouse`: the ingestion rooms on a real store and real worker processes, without a server, for integration tests.

`add` puts a document in directly; `library` is the room that the API uses, with its jobs worked on. One workspace, `ws_1`.
Tests: tests/integration/test_ingest_*.py.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from antiphon.access.identity import Identity
from antiphon.config.settings import Ingest, RerankServer, Settings
from antiphon.core.errors import AntiphonError
from antiphon.core.ids import UserId
from antiphon.core.runtime import Runtime, system_runtime
from antiphon.ingest.blob_gate import BlobGate
from antiphon.ingest.document_work import DocumentWork
from antiphon.ingest.passwords import Passwords
from antiphon.ingest.worker import ParserPool
from antiphon.ingest.workers import IngestWorkers
from antiphon.library.arrivals import Added, Upload
from antiphon.library.documents import Documents
from antiphon.library.pages import Pages
from antiphon.models.embedders import Embedders
from antiphon.protocol.events import Event
from antiphon.retrieve.passage import Passage
from antiphon.server.meaning_rooms import MeaningRooms
from antiphon.storage.blobs.files import FileBlobStore
from antiphon.storage.jobs.contract import Job
from antiphon.storage.jobs.sqlite import SqliteJobQueue
from antiphon.storage.lexical.sqlite import SqliteLexicalIndex
from antiphon.storage.records.contract import Transaction
from antiphon.storage.records.rows import DOCUMENTS, WORKSPACES, DocumentRow, WorkspaceRow
from antiphon.storage.records.sqlite import SqliteStore
from antiphon.storage.sqlite.database import Database
from antiphon.storage.vectors.sqlite import SqliteVectorStore
from antiphon.testing.conformance.scopes import EVERYTHING

WORKSPACE = "ws_1"
WAIT_S = 25.0


@dataclass
class IngestHouse:
    runtime: Runtime
    store: SqliteStore
    jobs: SqliteJobQueue
    blobs: FileBlobStore
    index: SqliteLexicalIndex
    workers: IngestWorkers
    pool: ParserPool
    gate: BlobGate
    vectors: SqliteVectorStore
    meaning: MeaningRooms
    library: Documents
    pages: Pages
    events: list[tuple[str, Event]] = field(default_factory=list[tuple[str, Event]])

    @classmethod
    @asynccontextmanager
    async def open(
        cls, folder: Path, limits: Ingest | None = None, embedders: Embedders | None = None, rerank: RerankServer | None = None
    ) -> AsyncGenerator[IngestHouse]:
        """Workers run; the workspace is there."""
        runtime = system_runtime()
        settings = Settings(data_dir=folder, ingest=limits or Ingest(workers=2, timeout_s=20), rerank=rerank or RerankServer())
        pool = ParserPool(settings, runtime)
        pool.start()
        store = SqliteStore(Database.open(folder / "antiphon.db", runtime=runtime))
        jobs = SqliteJobQueue(store, runtime=runtime)
        blobs = FileBlobStore.at(folder / "blobs")
        index, gate, passwords = SqliteLexicalIndex(), BlobGate(), Passwords()
        events: list[tuple[str, Event]] = []

        def tell(workspace: str, event: Event) -> None:
            events.append((workspace, event))

        vectors = SqliteVectorStore()
        meaning = MeaningRooms(
            settings=settings, runtime=runtime, store=store, jobs=jobs, index=index, vectors=vectors,
            embedders=embedders or Embedders({}, runtime), on_event=tell,
        )  # fmt: skip
        workers = IngestWorkers(
            store=store, jobs=jobs, blobs=blobs, index=index, pool=pool, settings=settings, runtime=runtime,
            on_event=tell, gate=gate, passwords=passwords, vectors=vectors, embedding=meaning.stage,
        )  # fmt: skip
        library = Documents(
            store, jobs, DocumentWork(workers, meaning.workers), runtime, lambda _topics, event: events.append((WORKSPACE, event))
        )
        house = cls(
            runtime=runtime, store=store, jobs=jobs, blobs=blobs, index=index, workers=workers, pool=pool, gate=gate,
            vectors=vectors, meaning=meaning, library=library, pages=Pages(store, blobs, pool, passwords), events=events,
        )  # fmt: skip
        row = WorkspaceRow(id=WORKSPACE, slug="w", name="W", created_at=0.0)
        await store.write(lambda tx: tx.insert(WORKSPACES, row) if tx.get(WORKSPACES, EVERYTHING, WORKSPACE) is None else None)
        await workers.start()
        meaning.start()
        try:
            yield house
        finally:
            await meaning.close()
            await workers.close()
            await pool.close()
            await store.close()

    async def put(self, content: bytes, name: str, path: str = "") -> Upload:
        """Stores the content, as an upload does before its documents are made."""

        async def pieces() -> AsyncIterator[bytes]:
            yield content

        blob = await self.blobs.put(pieces(), max_bytes=0)
        return Upload(name=name, sha256=blob.sha256, size_bytes=blob.size_bytes, path=path)

    async def upload(self, content: bytes, name: str, path: str = "", *, user: str = "usr_1") -> Added:
        async with self.gate.uploading():
            (added,) = await self.library.add(person(user), EVERYTHING, WORKSPACE, [await self.put(content, name, path)])
        return added

    async def replace(self, document_id: str, content: bytes, name: str = "next.txt") -> Added:
        """What was stored for nothing goes again, as at the edge."""
        upload: Upload | None = None
        try:
            async with self.gate.uploading():
                upload = await self.put(content, name)
                return await self.library.replace(person(), EVERYTHING, document_id, upload)
        except AntiphonError:
            if upload is not None:
                await self.library.release([upload.sha256])
            raise

    async def add(self, content: bytes, name: str, *, user: str = "usr_1", **changes: Any) -> DocumentRow:
        """A row and its job, as they would be without the library."""
        upload = await self.put(content, name)
        now = self.runtime.clock.now()
        row = DocumentRow(
            id=self.runtime.ids.new("doc"), workspace_id=WORKSPACE, name=name, sha256=upload.sha256, bytes=upload.size_bytes,
            created_at=now, updated_at=now, **changes,
        )  # fmt: skip

        def insert(tx: Transaction) -> None:
            tx.insert(DOCUMENTS, row)
            self.jobs.enqueue(tx, self.job("ingest", row.id, user=user))

        await self.store.write(insert)
        return row

    def job(self, kind: str, document_id: str, *, user: str = "usr_1", **payload: Any) -> Job:
        return Job(
            id=self.runtime.ids.new("job"), kind=kind, user_id=user, workspace_id=WORKSPACE, subject=document_id,
            payload=payload, created_at=self.runtime.clock.now(),
        )  # fmt: skip

    async def row(self, document_id: str) -> DocumentRow | None:
        return await self.store.read(lambda tx: tx.get(DOCUMENTS, EVERYTHING, document_id))

    async def until(self, document_id: str, *states: str) -> DocumentRow:
        async with asyncio.timeout(WAIT_S):
            while True:
                row = await self.row(document_id)
                assert row is not None
                if row.state in states:
                    return row
                await self.runtime.scheduler.sleep(0.01)

    async def settled(self) -> None:
        """Returns when no job is queued or running."""
        left: list[Job] = []
        try:
            async with asyncio.timeout(WAIT_S):
                while left := await self._open_jobs():
                    await self.runtime.scheduler.sleep(0.01)
        except TimeoutError:
            raise AssertionError(f"These jobs do not end: {left}") from None

    async def _open_jobs(self) -> list[Job]:
        return [job for job in await self.jobs.list() if job.state in {"queued", "running"}]

    async def search(self, query: str) -> list[Passage]:
        return (await self.meaning.retriever.retrieve(EVERYTHING, [WORKSPACE], query, k=5)).passages

    async def delete(self, document_id: str) -> None:
        """As the library does, without its events."""

        def mark(tx: Transaction) -> None:
            tx.update(DOCUMENTS, EVERYTHING, document_id, deleted_at=self.runtime.clock.now(), state="deleting")
            self.jobs.enqueue(tx, self.job("remove_document", document_id))

        await self.store.write(mark)

    async def statistics(self) -> dict[str, Any]:
        """Of both indexes."""
        return await self.store.read(lambda tx: {**self.index.statistics(tx), **self.vectors.statistics(tx)})


def person(user: str = "usr_1") -> Identity:
    return Identity(user_id=UserId(user), name=user, credential="test")
