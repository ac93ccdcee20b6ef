"""`IngestWorkers`: claims ingestion and removal jobs and works them, a few at a time, until closed.

A failing document is recorded and told; a failing loop is a defect and logged, and the loop goes on. What is running when
the server stops stays claimed and is taken up again at the next start (`start` frees the claims of dead owners: the
folder's lock says that nobody else is alive). Tests: tests/integration/test_ingest_pipeline.py.
"""

from __future__ import annotations

import asyncio
from typing import Final

import structlog

from antiphon.config.settings import Settings
from antiphon.core.errors import AntiphonError, Conflict, Internal, ShuttingDown
from antiphon.core.runtime import Runtime
from antiphon.ingest.blob_gate import BlobGate
from antiphon.ingest.pipeline import INGEST_JOB, DocumentGone, IngestPipeline, OnEvent
from antiphon.ingest.removal import REMOVAL_JOB, DocumentRemoval
from antiphon.ingest.worker import ParserPool
from antiphon.storage.blobs.contract import BlobStore
from antiphon.storage.jobs.contract import Job, JobQueue
from antiphon.storage.lexical.contract import LexicalIndex
from antiphon.storage.records.contract import Store

LEASE_S: Final = 30.0
HEARTBEAT_S: Final = 1.0
"""Also how soon a job learns that it was cancelled elsewhere."""
_IDLE_S: Final = 60.0
_AFTER_DEFECT_S: Final = 5.0
_log = structlog.get_logger(__name__)


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
    ) -> None:
        self._jobs = jobs
        self._runtime = runtime
        self._count = settings.ingest.workers
        self._owner = runtime.ids.new("job")
        self._pipeline = IngestPipeline(
            store=store, jobs=jobs, blobs=blobs, index=index, pool=pool, settings=settings, runtime=runtime, on_event=on_event
        )  # fmt: skip
        self._removal = DocumentRemoval(
            store=store, jobs=jobs, blobs=blobs, index=index, runtime=runtime, gate=gate or BlobGate()
        )  # fmt: skip
        self._loops: list[asyncio.Task[None]] = []
        self._running: dict[str, asyncio.Task[None]] = {}
        self._passwords: dict[str, str] = {}

    async def start(self) -> None:
        await self._jobs.release_others(self._owner)
        for number in range(self._count):
            self._loops.append(self._runtime.scheduler.spawn(self._work_on(), name=f"ingest-{number}"))

    async def close(self) -> None:
        """Kills what is running; its jobs go on at the next start. Idempotent."""
        for task in (*self._loops, *self._running.values()):
            task.cancel()
        await asyncio.gather(*self._loops, *self._running.values(), return_exceptions=True)
        self._loops.clear()

    def use_password(self, document_id: str, password: str) -> None:
        """For the next try of an encrypted document; kept in memory only, until that try ends."""
        self._passwords[document_id] = password

    async def cancel(self, document_id: str) -> int:
        """Cancels the document's ingestion (not its removal) and kills its worker process at once; the number of jobs. What
        the document's row then says is the caller's."""
        cancelled = await self._jobs.cancel(document_id, kind=INGEST_JOB)
        task = self._running.get(document_id)
        if task is not None and cancelled:
            task.cancel()
        return cancelled

    async def _work_on(self) -> None:
        while True:
            try:
                job = await self._jobs.claim(kinds=(INGEST_JOB, REMOVAL_JOB), owner=self._owner, lease_s=LEASE_S)
                if job is None:
                    await self._jobs.wait(_IDLE_S)
                    continue
                await self._watched(job)
            except ShuttingDown:
                return
            except Exception:  # noqa: BLE001 - the task boundary: a defect must not end ingestion for good
                _log.exception("ingest_loop_failed")
                await self._runtime.scheduler.sleep(_AFTER_DEFECT_S)

    async def _watched(self, job: Job) -> None:
        """Runs the job beside its heartbeat; a lost claim or a cancellation ends it."""
        task = asyncio.create_task(self._run(job), name=f"job-{job.id}")
        self._running[job.subject] = task
        try:
            while not task.done():
                await asyncio.wait({task}, timeout=HEARTBEAT_S)
                if not task.done() and not await self._jobs.heartbeat(job, lease_s=LEASE_S):
                    task.cancel()
                    await asyncio.wait({task})
            if not task.cancelled():
                task.result()
        finally:
            task.cancel()
            if self._running.get(job.subject) is task:
                del self._running[job.subject]

    async def _run(self, job: Job) -> None:
        try:
            if job.kind == REMOVAL_JOB:
                await self._removal.run(job)
            else:
                await self._pipeline.run(job, password=self._passwords.get(job.subject))
        except DocumentGone:
            await self._jobs.finish(job)
        except (Conflict, ShuttingDown):
            return  # the claim is lost (cancelled, or taken over), or goes on at the next start
        except AntiphonError as error:
            await self._record(job, error)
        except Exception as error:  # noqa: BLE001 - the task boundary: becomes the document's failure
            _log.exception("job_failed", job=job.id, kind=job.kind, subject=job.subject)
            await self._record(
                job, Internal(f"A defect of ours ended the work ({type(error).__name__}); the log has the details.")
            )
        finally:
            self._passwords.pop(job.subject, None)

    async def _record(self, job: Job, error: AntiphonError) -> None:
        try:
            if job.kind == REMOVAL_JOB:
                told = {"code": error.code, "message": error.message}
                await self._jobs.fail(job, told, retry_after_s=_IDLE_S)
            else:
                await self._pipeline.fail(job, error)
        except Conflict:
            return  # cancelled meanwhile
