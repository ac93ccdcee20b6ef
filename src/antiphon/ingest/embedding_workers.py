"""`EmbeddingWorkers`: claims the jobs that make vectors (documents', workspaces'), works a few at a time until closed.

Beside IngestWorkers, so that a slow or silent embedder never keeps a document from being read. Users take turns, and a long job
goes back to the queue after some seconds. Start it after IngestWorkers, whose start frees the claims of dead owners.
Tests: tests/integration/test_dense_ingestion.py, test_reindexing.py.
"""

from __future__ import annotations

import asyncio
from typing import Final

import structlog

from antiphon.core.errors import AntiphonError, Conflict, Internal, ShuttingDown
from antiphon.core.runtime import Runtime
from antiphon.ingest.embedding import EMBED_JOB, FIRST_RETRY_S, LONGEST_RETRY_S, EmbeddingRun
from antiphon.ingest.reindexing import INDEX_JOB, Reindexing
from antiphon.ingest.work import DocumentGone
from antiphon.storage.jobs.contract import Job, JobQueue

PLACES: Final = 2
LEASE_S: Final = 30.0
HEARTBEAT_S: Final = 1.0
_KINDS: Final = (EMBED_JOB, INDEX_JOB)
_IDLE_S: Final = 0.5
"""The bell of the queue is IngestWorkers' too: a ring may be heard there first."""
_AFTER_DEFECT_S: Final = 5.0
_log = structlog.get_logger(__name__)


class EmbeddingWorkers:
    """`start` and `close` once each, in the loop."""

    def __init__(self, *, jobs: JobQueue, run: EmbeddingRun, reindexing: Reindexing, runtime: Runtime) -> None:
        self._jobs = jobs
        self._run = run
        self._reindexing = reindexing
        self._runtime = runtime
        self._owner = ""
        self._places: list[asyncio.Task[None]] = []
        self._working: dict[str, asyncio.Task[bool]] = {}

    def start(self) -> None:
        self._owner = self._runtime.ids.new("job")
        for number in range(PLACES):
            self._places.append(self._runtime.scheduler.spawn(self._place(), name=f"embedding-{number}"))

    async def close(self) -> None:
        """Ends what is running; its jobs go on at the next start. Idempotent."""
        for task in self._places:
            task.cancel()
        await asyncio.gather(*self._places, return_exceptions=True)
        self._places.clear()

    def stop(self, subject: str) -> None:
        """Ends the work on a document or workspace at once, the request to its embedder included; its jobs were cancelled."""
        task = self._working.get(subject)
        if task is not None:
            task.cancel()

    async def _place(self) -> None:
        while True:
            try:
                job = await self._jobs.claim(kinds=_KINDS, owner=self._owner, lease_s=LEASE_S)
                if job is None:
                    await self._jobs.wait(_IDLE_S)
                else:
                    await self._watched(job)
            except ShuttingDown:
                return
            except Exception:  # noqa: BLE001 - the task boundary: a defect must not take the place for good
                _log.exception("embedding_place_failed")
                await self._runtime.scheduler.sleep(_AFTER_DEFECT_S)

    async def _watched(self, job: Job) -> None:
        """Runs the job beside its heartbeat; a lost claim or a cancellation ends it."""
        task = asyncio.create_task(self._worked(job), name=f"job-{job.id}")
        self._working[job.subject] = task
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
            await asyncio.wait({task})
            if self._working.get(job.subject) is task:
                del self._working[job.subject]

    async def _worked(self, job: Job) -> bool:
        try:
            return await (self._reindexing.run(job) if job.kind == INDEX_JOB else self._run.run(job))
        except DocumentGone:
            await self._finish(job)
        except (Conflict, ShuttingDown):
            return False  # the claim is lost (cancelled, or taken over), or goes on at the next start
        except AntiphonError as error:
            await self._record(job, error)
        except Exception as error:  # noqa: BLE001 - the task boundary: becomes what the document says, and is tried again
            _log.exception("job_failed", job=job.id, kind=job.kind, subject=job.subject)
            await self._record(
                job, Internal(f"A defect of ours ended the work ({type(error).__name__}); the log has the details.")
            )
        return False

    async def _finish(self, job: Job) -> None:
        try:
            await self._jobs.finish(job)
        except Conflict:
            return

    async def _record(self, job: Job, error: AntiphonError) -> None:
        try:
            if job.kind == EMBED_JOB:
                await self._run.fail(job, error)
            else:
                wait_s = min(FIRST_RETRY_S * 2 ** min(job.attempt, 6), LONGEST_RETRY_S)
                await self._jobs.fail(job, {"code": error.code, "message": error.message}, retry_after_s=wait_s)
                self._reindexing.tell_waiting(job.subject, error.message)
        except Conflict:
            return
