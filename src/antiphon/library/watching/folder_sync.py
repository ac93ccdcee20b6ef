"""`FolderSync`: brings the documents of a watched folder up to what the folder holds: new, changed, moved and missing files.

As `antiphon ingest FOLDER` does it, but at the server, and only files that were written to are read. What was seen of each file is
committed with its document, so a sync that was killed goes on where it was. Only documents that the watch made are ever deleted,
and none when the folder could not be seen whole, or is empty. Tests: tests/integration/test_watches.py.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import PurePosixPath
from typing import BinaryIO, Final

from anyio import to_thread

from antiphon.access.identity import Identity
from antiphon.access.scope import system_scope
from antiphon.config.settings import Settings
from antiphon.core.errors import AntiphonError, Conflict, ShuttingDown, TooLarge
from antiphon.core.failpoints import failpoint
from antiphon.core.ids import UserId
from antiphon.core.runtime import Runtime
from antiphon.ingest.blob_gate import BlobGate
from antiphon.library.arrivals import Added, Arrivals, Overtaken, Upload, document_at
from antiphon.library.removal import mark_removed, release_unreferenced
from antiphon.library.watching.endings import SyncEndings
from antiphon.library.watching.folder_scan import FolderScan, FoundFile, open_file, roots_of, scan_folder, watched_folder
from antiphon.protocol.events import DocumentDeleted, DocumentProgress, Event
from antiphon.storage.blobs.contract import BlobStore
from antiphon.storage.jobs.contract import Job, JobQueue
from antiphon.storage.records.contract import Store, Transaction
from antiphon.storage.records.rows import DOCUMENTS, WATCH_FILES, WATCHES, WORKSPACES, DocumentRow, WatchFileRow, WatchRow

FOLDER_JOB: Final = "sync_folder"
FILES_AT_ONCE: Final = 16
"""They become documents in one transaction."""
_DELETED_AT_ONCE: Final = 50
_MOST_DETAILS: Final = 20
_READ_BYTES: Final = 2**18
_ASKED_AT_ONCE: Final = 500
_EVERYTHING: Final = system_scope("watches: jobs act for the server")
_EMPTY: Final = "The folder is empty, which may mean that it is not mounted: nothing was deleted."


@dataclass(kw_only=True, slots=True)
class _Course:
    """A sync at work. `kept`: what is known of files, by path; `gone`: of it what is not in the folder any more."""

    job: Job
    watch: WatchRow
    scan: FolderScan
    kept: dict[str, WatchFileRow]
    gone: dict[str, WatchFileRow]
    counts: dict[str, int]
    details: list[str] = field(default_factory=list[str])

    def count(self, outcome: str, by: int = 1) -> None:
        self.counts[outcome] = self.counts.get(outcome, 0) + by

    def failed(self, path: str, why: str) -> None:
        self.count("failed")
        if len(self.details) < _MOST_DETAILS:
            self.details.append(f"{path}: {why}")


@dataclass(frozen=True, kw_only=True, slots=True)
class _Read:
    found: FoundFile
    stamp: str
    upload: Upload


class FolderSync:
    """Without state between syncs; one per process."""

    def __init__(
        self,
        *,
        store: Store,
        jobs: JobQueue,
        blobs: BlobStore,
        gate: BlobGate,
        endings: SyncEndings,
        work: Overtaken,
        settings: Settings,
        runtime: Runtime,
        on_event: Callable[[str, Event], None],
    ) -> None:
        self._store = store
        self._jobs = jobs
        self._blobs = blobs
        self._gate = gate
        self._endings = endings
        self._work = work
        self._settings = settings
        self._runtime = runtime
        self._on_event = on_event
        self._arrivals = Arrivals(jobs, runtime)

    async def run(self, job: Job) -> None:
        """To its end, finished or failed. Raises Conflict when the claim is lost, and ShuttingDown."""
        watch = await self._store.read(lambda tx: _wanted(tx, job))
        if watch is None:
            await self._jobs.finish(job)
            return
        try:
            course = await self._survey(job, watch)
            await self._send_changed(course)
            await self._delete_missing(course)
        except (Conflict, ShuttingDown):
            raise
        except AntiphonError as error:
            await self.fail(job, error)
            return
        failpoint("sync.before_end")
        await self._end(course)

    async def fail(self, job: Job, error: AntiphonError) -> None:
        """Ends the sync; the watch says why, and tries again later. Raises Conflict."""
        told = {"code": error.code, "message": error.message}
        events: list[tuple[str, Event]] = []

        def mark(tx: Transaction) -> None:
            watch = _wanted(tx, job)
            if watch is not None:
                events.append((watch.workspace_id, self._endings.record(tx, watch, {}, error=told)))

        await self._jobs.fail(job, told, work=mark)
        for workspace_id, event in events:
            self._on_event(workspace_id, event)

    # --- steps ----------------------------------------------------------------------------------------------------------

    async def _survey(self, job: Job, watch: WatchRow) -> _Course:
        folder = await to_thread.run_sync(watched_folder, watch.address, roots_of(self._settings.watch.roots))
        scan = await to_thread.run_sync(lambda: scan_folder(folder, most=self._settings.watch.files))
        rows = await self._store.read(lambda tx: tx.find(WATCH_FILES, _EVERYTHING, {"watch_id": watch.id}))
        kept = {row.path: row for row in rows}
        here = {found.known_as for found in scan.files}
        counts = {str(name): int(number) for name, number in job.progress.get("counts", {}).items()}
        return _Course(
            job=job, watch=watch, scan=scan, kept=kept, gone={path: row for path, row in kept.items() if path not in here}, counts=counts
        )  # fmt: skip

    async def _send_changed(self, course: _Course) -> None:
        live = await self._live({row.document_id for row in course.kept.values() if row.document_id})
        changed: list[FoundFile] = []
        for found in course.scan.files:
            known = course.kept.get(found.known_as)
            if known is not None and known.stamp == found.stamp and known.document_id in live:
                course.count("unchanged")
            else:
                changed.append(found)
        for start in range(0, len(changed), FILES_AT_ONCE):
            await self._send(course, changed[start : start + FILES_AT_ONCE])
            failpoint("sync.after_files")

    async def _send(self, course: _Course, files: Sequence[FoundFile]) -> None:
        stored: list[_Read] = []
        try:
            async with self._gate.uploading():
                for found in files:
                    try:
                        stored.append(await self._stored(found))
                    except (OSError, TooLarge) as error:
                        course.failed(found.known_as, str(error))
                if not stored:
                    return

                def commit(tx: Transaction) -> list[Added]:
                    return [self._commit(tx, course, read) for read in stored]

                counts = dict(course.counts)
                added = await self._jobs.advance(course.job, step="files", work=commit, progress={"counts": counts})
        finally:
            await release_unreferenced(self._store, self._jobs, self._runtime, [read.upload.sha256 for read in stored])
        for read, entry in zip(stored, added, strict=True):
            course.count("unchanged" if entry.change == "unchanged" else entry.change)
            if entry.change == "replaced":
                await self._work.overtaken(entry.row.id, entry.version)
            if entry.row.state == "queued":
                self._on_event(course.watch.workspace_id, DocumentProgress(document_id=entry.row.id, stage="queued"))
            course.gone = {
                path: row for path, row in course.gone.items() if row.document_id != entry.row.id or path == read.found.known_as
            }

    async def _stored(self, found: FoundFile) -> _Read:
        file, stamp = await to_thread.run_sync(open_file, found)
        try:
            blob = await self._blobs.put(_chunks(file), max_bytes=self._settings.limits.upload_bytes)
        finally:
            file.close()
        upload = Upload(
            name=PurePosixPath(found.known_as).name, sha256=blob.sha256, size_bytes=blob.size_bytes, path=found.known_as
        )
        # A file that was written to while it was read has no stamp that will fit: it is read again the next time.
        return _Read(found=found, stamp=stamp if stamp == found.stamp else "", upload=upload)

    def _commit(self, tx: Transaction, course: _Course, read: _Read) -> Added:
        watch, path = course.watch, read.found.known_as
        moved = self._moved(tx, course, read)
        if moved is not None:
            added = Added(row=moved, change="unchanged", version=moved.version)
        else:
            added = self._arrivals.add(tx, _person(watch), _EVERYTHING, watch.workspace_id, read.upload, list(watch.tags))
        row = WatchFileRow(
            id=file_id(watch.id, path), watch_id=watch.id, workspace_id=watch.workspace_id, path=path, stamp=read.stamp,
            sha256=read.upload.sha256, document_id="" if added.change == "duplicate" else added.row.id,
        )  # fmt: skip
        tx.delete(WATCH_FILES, _EVERYTHING, {"id": row.id})
        tx.insert(WATCH_FILES, row)
        return added

    def _moved(self, tx: Transaction, course: _Course, read: _Read) -> DocumentRow | None:
        """The document of a file that was here under another name; it takes the new one."""
        path = read.found.known_as
        if path in course.kept or document_at(tx, _EVERYTHING, course.watch.workspace_id, path, read.upload.name) is not None:
            return None
        for old in course.gone.values():
            if old.sha256 != read.upload.sha256 or not old.document_id:
                continue
            row = tx.get(DOCUMENTS, _EVERYTHING, old.document_id)
            if row is None or row.deleted_at is not None or row.sha256 != read.upload.sha256:
                continue
            now = self._runtime.clock.now()
            tx.update(DOCUMENTS, _EVERYTHING, row.id, path=path, name=read.upload.name, updated_at=now)
            tx.delete(WATCH_FILES, _EVERYTHING, {"id": old.id})
            return tx.get(DOCUMENTS, _EVERYTHING, row.id)
        return None

    async def _delete_missing(self, course: _Course) -> None:
        """What is gone is forgotten only when its document is deleted: without `delete_missing` it may be wanted later."""
        if not course.watch.delete_missing or not course.gone or course.scan.unreadable:
            return
        if not course.scan.files:
            course.details.append(_EMPTY)
            course.count("failed")
            return
        gone = list(course.gone.values())
        for start in range(0, len(gone), _DELETED_AT_ONCE):
            batch = gone[start : start + _DELETED_AT_ONCE]

            def delete(tx: Transaction, batch: Sequence[WatchFileRow] = batch) -> list[str]:
                return [row.document_id for row in batch if self._deleted(tx, course, row)]

            deleted = await self._jobs.advance(course.job, step="missing", work=delete, progress={"counts": course.counts})
            course.count("deleted", len(deleted))
            for document_id in deleted:
                self._on_event(course.watch.workspace_id, DocumentDeleted(document_id=document_id))

    def _deleted(self, tx: Transaction, course: _Course, file: WatchFileRow) -> bool:
        tx.delete(WATCH_FILES, _EVERYTHING, {"id": file.id})
        row = tx.get(DOCUMENTS, _EVERYTHING, file.document_id) if file.document_id else None
        if row is None or row.deleted_at is not None or row.path != file.path:
            return False
        mark_removed(tx, _EVERYTHING, self._jobs, self._runtime, row, by=course.watch.added_by)
        return True

    async def _end(self, course: _Course) -> None:
        details = [*course.details, *(f"{name}: it can't be read." for name in course.scan.unreadable[:_MOST_DETAILS])]
        if course.scan.unreadable:
            course.count("failed", len(course.scan.unreadable))
        events: list[Event] = []

        def finish(tx: Transaction) -> None:
            watch = _wanted(tx, course.job)
            if watch is not None:
                events.append(self._endings.record(tx, watch, course.counts, error=None, details=details[:_MOST_DETAILS]))

        await self._jobs.finish(course.job, work=finish)
        for event in events:
            self._on_event(course.watch.workspace_id, event)

    async def _live(self, document_ids: set[str]) -> set[str]:
        """Those of the documents that are there."""
        ids, live = sorted(document_ids), set[str]()
        for start in range(0, len(ids), _ASKED_AT_ONCE):
            where = {"id": ("in", ids[start : start + _ASKED_AT_ONCE]), "deleted_at": None}
            live |= {row.id for row in await self._store.read(lambda tx, where=where: tx.find(DOCUMENTS, _EVERYTHING, where))}
        return live


def file_id(watch_id: str, path: str) -> str:
    return f"{watch_id}:{sha256(path.encode()).hexdigest()[:32]}"


def _wanted(tx: Transaction, job: Job) -> WatchRow | None:
    """The watch, when this sync is the one it waits for, and its workspace is there."""
    watch = tx.get(WATCHES, _EVERYTHING, job.subject)
    if watch is None or watch.running != job.id:
        return None
    space = tx.get(WORKSPACES, _EVERYTHING, watch.workspace_id)
    return None if space is None or space.deleted_at is not None else watch


def _person(watch: WatchRow) -> Identity:
    return Identity(user_id=UserId(watch.added_by), name="", credential="watch")


async def _chunks(file: BinaryIO) -> AsyncIterator[bytes]:
    while piece := await to_thread.run_sync(file.read, _READ_BYTES):
        yield piece
