"""Opens everything that lies in the data folder, in the order that a crash at any point leaves sound.

Used by composition.py. `Stores.close` is the reverse. Tests: tests/integration/live/test_process.py.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from antiphon.config.settings import Settings
from antiphon.core.runtime import Runtime
from antiphon.storage.blobs.files import FileBlobStore
from antiphon.storage.event_log.sqlite import SqliteEventLog
from antiphon.storage.jobs.sqlite import SqliteJobQueue
from antiphon.storage.lexical.sqlite import SqliteLexicalIndex
from antiphon.storage.lock import FolderLock
from antiphon.storage.records.sqlite import SqliteStore
from antiphon.storage.restore import finish_restore
from antiphon.storage.sqlite.database import FILE_NAME, Database
from antiphon.storage.vectors.sqlite import SqliteVectorStore


@dataclass(frozen=True, kw_only=True, slots=True)
class Stores:
    lock: FolderLock
    database: Database
    store: SqliteStore
    log: SqliteEventLog
    jobs: SqliteJobQueue
    blobs: FileBlobStore
    index: SqliteLexicalIndex
    vectors: SqliteVectorStore

    @classmethod
    async def open(cls, settings: Settings, runtime: Runtime) -> Stores:
        """Raises FolderInUse when another process owns the folder."""
        folder: Path = settings.data_dir
        lock = FolderLock.acquire(folder)
        try:
            finish_restore(folder)  # one that was killed half-way
            database = Database.open(folder / FILE_NAME, runtime=runtime)
            log = await SqliteEventLog.open(
                database, runtime=runtime, batch_ms=settings.log.batch_ms, ring_entries=settings.log.ring_entries,
                ring_bytes=settings.log.ring_bytes, replay_s=settings.runs.replay_s,
            )  # fmt: skip
            store = SqliteStore(database)
            return cls(
                lock=lock, database=database, store=store, log=log, jobs=SqliteJobQueue(store, runtime=runtime),
                blobs=FileBlobStore.at(folder / "blobs"), index=SqliteLexicalIndex(), vectors=SqliteVectorStore(),
            )  # fmt: skip
        except BaseException:
            lock.release()
            raise

    async def close(self) -> None:
        await self.log.close()
        await self.database.close()
        self.lock.release()
