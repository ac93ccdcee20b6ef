"""`IngestWorkers`: claims ingestion and removal jobs and works them, a few at a time, until closed.

Who gets on: `ingest.workers` places take whatever is next (users take turns). Beside them one place takes small files only, in
batches, so they never wait for large ones; and two take jobs of users who have nothing running, so nobody waits for somebody
else's large files. A failing document is recorded and told; a failing place is a defect and logged, and it goes on. What is
running when the server stops stays claimed and is taken up again at the next start (`start` frees the claims of dead owners:
the folder's lock says that nobody else is alive). Tests: tests/integration/test_ingest_pipeline.py, test_ingest_fairness.py.
"""

from __future__ import annotations

import asyncio
from typing import Any, Final

import structlog
from msgspec import Struct

from antiphon.config.settings import Settings
from antiphon.core.errors import AntiphonError, Conflict, Internal, ShuttingDown
from antiphon.core.runtime import Runtime
from antiphon.ingest.blob_gate import BlobGate
from antiphon.ingest.embedding import EmbeddingStage
from antiphon.ingest.passwords import Passwords
from antiphon.ingest.pipeline import INGEST_JOB, IngestPipeline, OnEvent
from antiphon.ingest.removal import REMOVAL_KINDS, DocumentRemoval
from antiphon.ingest.work import DocumentGone
from antiphon.ingest.worker import ParserPool
from antiphon.storage.blobs.contract import BlobStore
from antiphon.storage.jobs.contract import Job, JobQueue
from antiphon.storage.lexical.contract import LexicalIndex
from antiphon.storage.records.contract import Store
from antiphon.storage.vectors.contract import VectorStore

LEASE_S: Final = 30.0
HEARTBEAT_S: Final = 1.0
"""Also how soon a job learns that it was cancelled elsewhere."""
BATCH: Final = 32
GUEST_PLACES: Final = 2
_KINDS: Final = (INGEST_JOB, *REMOVAL_KINDS)
_IDLE_S: Final = 2.0
"""Also how late a job that waits for its time may begin: nothing rings for those."""
_REMOVAL_RETRY_S: Final = 60.0
_AFTER_DEFECT_S: Final = 5.0
_log = structlog.get_logger(__name__)


class _Place(Struct, kw_only=True):
    """Where one job, or one batch, runs. What it takes: see the module."""

    light_only: bool = False
    idle_users_only: bool = False
    task: asyncio.Task[None] | None = None

    @property
    def free(self) -> bool:
        return self.task is None or self.task.done()


class _Running(Struct, kw_only=True, eq=False):
    """What runs for a document. Of a batch, `reading` is the document that the worker reads now; None: no batch. `stopped`:
    ended on purpose; the rest of the batch goes back to the queue."""

    jobs: list[Job]
    task: asyncio.Task[None] | None = None
    reading: str | None = None
    stopped: bool = False


class IngestWorkers:
    """`start` and `close` once each, in the loop. The pool is the caller's: started before, closed after."""

    def __init__(
        self,
        *,
        store: Store,
        jobs: JobQueue,
        blobs: BlobStore,
        index: LexicalIndex,
        pool: ParserPool,
        settings: Settings,
        runtime: Runtime,
        on_event: OnEvent,
        gate: BlobGate | None = None,
        passwords: Passwords | None = None,
        vectors: VectorStore | None = None,
        embedding: EmbeddingStage | None = None,
    ) -> None:
        self._jobs = jobs
        self._runtime = runtime
        self._owner = runtime.ids.new("job")
        self._passwords = passwords or Passwords()
        self._pipeline = IngestPipeline(
            store=store, jobs=jobs, blobs=blobs, index=index, pool=pool, settings=settings, runtime=runtime, on_event=on_event,
            passwords=self._passwords, vectors=vectors, embedding=embedding,
        )  # fmt: skip
        self._removal = DocumentRemoval(
            store=store, jobs=jobs, blobs=blobs, index=index, runtime=runtime, gate=gate or BlobGate(), vectors=vectors
        )  # fmt: skip
        self._places = [_Place() for _ in range(settings.ingest.workers)]
        self._places += [_Place(light_only=True), *(_Place(idle_users_only=True) for _ in range(GUEST_PLACES))]
        self._freed = asyncio.Event()
        self._dispatcher: asyncio.Task[None] | None = None
        self._running: dict[str, _Running] = {}

    async def start(self) -> None:
        await self._jobs.release_others(self._owner)
        self._dispatcher = self._runtime.scheduler.spawn(self._dispatch(), name="ingest")

    async def close(self) -> None:
        """Kills what is running; its jobs go on at the next start. Idempotent."""
        tasks = [task for task in (self._dispatcher, *(place.task for place in self._places)) if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._dispatcher = None

    def use_password(self, document_id: str, password: str) -> None:
        """For an encrypted document, from its next try on; kept in memory only."""
        self._passwords.keep(document_id, password)

    async def cancel(self, document_id: str) -> int:
        """Cancels the document's ingestion (not its removal) and kills its worker process at once; the number of jobs. What
        the document's row then says is the caller's."""
        cancelled = await self._jobs.cancel(document_id, kind=INGEST_JOB)
        if cancelled:
            self.stop(document_id)
        return cancelled

    def stop(self, document_id: str) -> None:
        """Kills the worker process that reads the document, if one does; what its row and jobs say is the caller's."""
        running = self._running.get(document_id)
        if running is not None and running.task is not None and running.reading in {None, document_id}:
            running.stopped = True
            running.task.cancel()

    async def overtaken(self, document_id: str, version: int) -> None:
        """Ends the work on versions before this one at once; their jobs would notice with their next slice."""
        running = self._running.get(document_id)
        if running is None:
            return
        old = [job for job in running.jobs if job.subject == document_id and int(job.payload.get("version") or version) < version]
        for job in old:
            self.stop(document_id)
            try:
                await self._jobs.finish(job)
            except Conflict:
                continue

    # --- places -------------------------------------------------------------------------------------------------------

    async def _dispatch(self) -> None:
        """The one claimer: gives free places what there is to do, then waits for jobs or places."""
        while True:
            try:
                self._freed.clear()
                given = False
                for place in self._places:
                    given = (place.free and await self._give(place)) or given
                if not given:
                    await self._wait()
            except ShuttingDown:
                return
            except Exception:  # noqa: BLE001 - the task boundary: a defect must not end ingestion for good
                _log.exception("ingest_dispatch_failed")
                await self._runtime.scheduler.sleep(_AFTER_DEFECT_S)

    async def _give(self, place: _Place) -> bool:
        jobs = await self._jobs.claim_some(
            kinds=_KINDS, owner=self._owner, lease_s=LEASE_S, most=BATCH, light_only=place.light_only,
            idle_users_only=place.idle_users_only,
        )  # fmt: skip
        if jobs:
            place.task = asyncio.create_task(self._work_on(jobs), name=f"ingest-{jobs[0].id}")
        return bool(jobs)

    async def _wait(self) -> None:
        waits: list[asyncio.Future[Any]] = [asyncio.ensure_future(self._freed.wait())]
        if any(place.free for place in self._places):
            waits.append(asyncio.ensure_future(self._jobs.wait(_IDLE_S, kinds=_KINDS)))
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()
            await asyncio.gather(*waits, return_exceptions=True)

    async def _work_on(self, jobs: list[Job]) -> None:
        try:
            await self._watched(jobs)
        except ShuttingDown:
            return
        except Exception:  # noqa: BLE001 - the task boundary: a defect must not take the place for good
            _log.exception("ingest_place_failed", jobs=[job.id for job in jobs])
            await self._runtime.scheduler.sleep(_AFTER_DEFECT_S)
        finally:
            self._freed.set()

    async def _watched(self, jobs: list[Job]) -> None:
        """Runs the jobs beside their heartbeat; a lost claim or a cancellation ends them."""
        batch = len(jobs) > 1 or bool(jobs[0].payload.get("light") and jobs[0].attempt == 1)
        running = _Running(jobs=jobs, reading="" if batch else None)
        task = asyncio.create_task(self._run_batch(running) if batch else self._run(jobs[0]), name=f"job-{jobs[0].id}")
        running.task = task
        for job in jobs:
            if job.kind == INGEST_JOB:
                self._running[job.subject] = running
        try:
            while not task.done():
                await asyncio.wait({task}, timeout=HEARTBEAT_S)
                if task.done():
                    break
                alive = await asyncio.gather(*(self._jobs.heartbeat(job, lease_s=LEASE_S) for job in jobs))
                if not any(alive):
                    task.cancel()
                    await asyncio.wait({task})
            if batch and (running.stopped or (not task.cancelled() and task.exception() is not None)):
                await asyncio.gather(*(self._put_back(job) for job in jobs))
            if not task.cancelled():
                task.result()
        finally:
            task.cancel()
            await asyncio.wait({task})
            for job in jobs:
                if self._running.get(job.subject) is running:
                    del self._running[job.subject]

    async def _run_batch(self, running: _Running) -> None:
        def reading(document_id: str) -> None:
            running.reading = document_id

        await self._pipeline.run_light(running.jobs, reading=reading)

    async def _run(self, job: Job) -> None:
        try:
            if job.kind in REMOVAL_KINDS:
                await self._removal.run(job)
            else:
                await self._pipeline.run(job)
        except DocumentGone:
            await self._finish(job)
        except (Conflict, ShuttingDown):
            return  # the claim is lost (cancelled, or taken over), or goes on at the next start
        except AntiphonError as error:
            await self._record(job, error)
        except Exception as error:  # noqa: BLE001 - the task boundary: becomes the document's failure
            _log.exception("job_failed", job=job.id, kind=job.kind, subject=job.subject)
            await self._record(
                job, Internal(f"A defect of ours ended the work ({type(error).__name__}); the log has the details.")
            )

    async def _put_back(self, job: Job) -> None:
        """A job whose batch was ended because of another one; those that are done, or cancelled, are not ours any more."""
        try:
            await self._jobs.fail(job, {"code": "interrupted", "message": "Read again, on its own."}, retry_after_s=0.0)
        except Conflict:
            return

    async def _finish(self, job: Job) -> None:
        try:
            await self._jobs.finish(job)
        except Conflict:
            return

    async def _record(self, job: Job, error: AntiphonError) -> None:
        try:
            if job.kind in REMOVAL_KINDS:
                told = {"code": error.code, "message": error.message}
                await self._jobs.fail(job, told, retry_after_s=_REMOVAL_RETRY_S)
            else:
                await self._pipeline.fail(job, error)
        except Conflict:
            return  # cancelled meanwhile
