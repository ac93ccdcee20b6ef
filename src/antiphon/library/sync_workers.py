"""`SyncWorkers`: claims crawls and folder syncs and works them, a few at a time; and the clock that begins watches when they are due.

`start` after ingestion's (which frees the claims of dead owners), `close` before the stores. What runs when the server stops stays
claimed and goes on at the next start. A failing crawl is recorded with it; a failing place is a defect, logged, and goes on.
Tests: tests/integration/test_crawl.py, test_crawl_crash.py, test_watches.py.
"""

from __future__ import annotations

import asyncio
from typing import Final

import structlog

from antiphon.config.settings import Settings
from antiphon.core.errors import AntiphonError, Conflict, Internal, ShuttingDown
from antiphon.core.runtime import Runtime
from antiphon.library.watching.folder_sync import FOLDER_JOB, FolderSync
from antiphon.library.watching.watches import Watches
from antiphon.library.web.beginning import CRAWL_JOB
from antiphon.library.web.crawler import Crawler
from antiphon.storage.jobs.contract import Job, JobQueue

KINDS: Final = (CRAWL_JOB, FOLDER_JOB)
LEASE_S: Final = 30.0
HEARTBEAT_S: Final = 1.0
"""Also how soon a crawl learns that it was cancelled."""
CLOCK_S: Final = 5.0
"""How late a watch may begin."""
_IDLE_S: Final = 5.0
_AFTER_DEFECT_S: Final = 5.0
_log = structlog.get_logger(__name__)


class SyncWorkers:
    def __init__(
        self, *, jobs: JobQueue, crawler: Crawler, folders: FolderSync, watches: Watches, settings: Settings, runtime: Runtime
    ) -> None:  # fmt: skip
        self._jobs = jobs
        self._crawler = crawler
        self._folders = folders
        self._watches = watches
        self._places = settings.crawl.workers
        self._runtime = runtime
        self._owner = runtime.ids.new("job")
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        spawn = self._runtime.scheduler.spawn
        self._tasks = [spawn(self._place(), name=f"sync-{number}") for number in range(self._places)]
        self._tasks.append(spawn(self._clock(), name="watches"))

    async def close(self) -> None:
        """Ends what is running; its jobs go on at the next start. Idempotent."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks = []

    async def _place(self) -> None:
        while True:
            try:
                job = await self._jobs.claim(kinds=KINDS, owner=self._owner, lease_s=LEASE_S)
                if job is None:
                    await self._jobs.wait(_IDLE_S, kinds=KINDS)
                else:
                    await self._watched(job)
            except ShuttingDown:
                return
            except Exception:  # noqa: BLE001 - the task boundary: a defect must not end the place for good
                _log.exception("sync_place_failed")
                await self._runtime.scheduler.sleep(_AFTER_DEFECT_S)

    async def _clock(self) -> None:
        while True:
            try:
                await self._watches.begin_due()
            except ShuttingDown:
                return
            except Exception:  # noqa: BLE001 - the task boundary: a defect must not stop the clock
                _log.exception("watch_clock_failed")
            await self._runtime.scheduler.sleep(CLOCK_S)

    async def _watched(self, job: Job) -> None:
        """Runs the job beside its heartbeat; a lost claim or a cancellation ends it."""
        task = asyncio.create_task(self._run(job), name=f"job-{job.id}")
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

    async def _run(self, job: Job) -> None:
        worker = self._crawler if job.kind == CRAWL_JOB else self._folders
        try:
            await worker.run(job)
        except (Conflict, ShuttingDown):
            return  # the claim is lost (cancelled, or taken over), or goes on at the next start
        except Exception as error:  # noqa: BLE001 - the task boundary: becomes the failure of the crawl or sync
            _log.exception("sync_failed", job=job.id, kind=job.kind, subject=job.subject)
            told = error if isinstance(error, AntiphonError) else Internal(
                f"A defect of ours ended the work ({type(error).__name__}); the log has the details."
            )  # fmt: skip
            try:
                await worker.fail(job, told)
            except (Conflict, ShuttingDown):
                return
