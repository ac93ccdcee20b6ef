"""Jobs in memory, in the transactions of the MemoryStore: a public test double. Tests: tests/conformance/test_jobs.py."""

from __future__ import annotations

import builtins
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import msgspec

from antiphon.core.errors import Conflict
from antiphon.core.runtime import Runtime
from antiphon.storage.jobs.bell import Bell, lost_claim
from antiphon.storage.jobs.contract import Job, JobState, Progress
from antiphon.storage.records.contract import Transaction, Urgency
from antiphon.storage.records.memory import MemoryStore, MemoryTransaction

T = TypeVar("T")
_SHELF = "jobs"
_TURNS = "job_turns"


class MemoryJobQueue:
    """See jobs.contract.JobQueue."""

    def __init__(self, store: MemoryStore, *, runtime: Runtime) -> None:
        self._store = store
        self._clock = runtime.clock
        self._bell = Bell(runtime.scheduler)

    def enqueue(self, transaction: Transaction, job: Job) -> None:
        ours = _ours(transaction)
        if job.id in ours.shelf(_SHELF):
            raise Conflict(f"There is already a job {job.id!r}.")
        _put(ours, job)
        ours.after_commit(lambda: self._bell.ring(job.kind))

    async def claim(self, *, kinds: tuple[str, ...], owner: str, lease_s: float) -> Job | None:
        jobs = await self.claim_some(kinds=kinds, owner=owner, lease_s=lease_s, most=1)
        return jobs[0] if jobs else None

    async def claim_some(
        self,
        *,
        kinds: tuple[str, ...],
        owner: str,
        lease_s: float,
        most: int,
        light_only: bool = False,
        idle_users_only: bool = False,
    ) -> builtins.list[Job]:
        heard = self._bell.listen(kinds)

        def claim(transaction: MemoryTransaction) -> builtins.list[Job]:
            return self._claim(transaction, kinds, owner, lease_s, most, light_only, idle_users_only)

        jobs = await self._store.write(claim)
        if not jobs:
            self._bell.found_nothing(heard)
        return jobs

    async def heartbeat(self, job: Job, *, lease_s: float) -> bool:
        def extend(transaction: MemoryTransaction) -> bool:
            present = self._held(transaction, job)
            if present is not None:
                _put(transaction, present, lease_until=self._clock.now() + lease_s)
            return present is not None

        return await self._store.write(extend)

    async def advance(
        self,
        job: Job,
        *,
        step: str,
        work: Callable[[Transaction], T],
        progress: Progress | None = None,
        urgency: Urgency = Urgency.INGEST,
    ) -> T:
        def mark(transaction: MemoryTransaction) -> T:
            self._settle(transaction, job, step=step)
            result = work(transaction)
            if progress is not None:
                self._settle(transaction, job, progress=dict(progress() if callable(progress) else progress))
            return result

        return await self._store.write(mark, urgency)

    async def finish(
        self, job: Job, *, work: Callable[[Transaction], None] | None = None, urgency: Urgency = Urgency.COMMAND
    ) -> None:
        def mark(transaction: MemoryTransaction) -> None:
            self._settle(transaction, job, state="done", owner=None, lease_until=None, error=None)
            if work is not None:
                work(transaction)

        await self._store.write(mark, urgency)

    async def fail(
        self,
        job: Job,
        error: Mapping[str, Any],
        *,
        retry_after_s: float | None = None,
        work: Callable[[Transaction], None] | None = None,
    ) -> None:
        state: JobState = "failed" if retry_after_s is None else "queued"
        not_before = self._clock.now() + (retry_after_s or 0.0)

        def mark(transaction: MemoryTransaction) -> None:
            self._settle(transaction, job, state=state, owner=None, lease_until=None, error=dict(error), not_before=not_before)
            if work is not None:
                work(transaction)
            if state == "queued":
                transaction.after_commit(self._bell.ring)

        await self._store.write(mark)

    async def cancel(self, subject: str, *, kind: str | None = None) -> int:
        return await self._store.write(lambda transaction: self.cancel_within(transaction, subject, kind=kind))

    def cancel_within(self, transaction: Transaction, subject: str, *, kind: str | None = None) -> int:
        ours = _ours(transaction)
        open_jobs = [job for job in _jobs(ours) if job.subject == subject and job.state in {"queued", "running"}]
        found = [job for job in open_jobs if kind in {None, job.kind}]
        for job in found:
            _put(ours, job, state="cancelled", owner=None, lease_until=None)
        return len(found)

    async def release_others(self, owner: str) -> int:
        def release(transaction: MemoryTransaction) -> int:
            found = [job for job in _jobs(transaction) if job.state == "running" and job.owner != owner]
            for job in found:
                _put(transaction, job, state="queued", owner=None, lease_until=None)
            transaction.after_commit(self._bell.ring)
            return len(found)

        return await self._store.write(release)

    async def wait(self, timeout_s: float, *, kinds: tuple[str, ...] = ()) -> None:
        await self._bell.wait(timeout_s, kinds)

    async def list(self, *, state: JobState | None = None, subject: str | None = None) -> builtins.list[Job]:
        def read(transaction: MemoryTransaction) -> builtins.list[Job]:
            found = [_copied(job) for job in _jobs(transaction) if state in {None, job.state} and subject in {None, job.subject}]
            return sorted(found, key=_age)

        return await self._store.read(read)

    def _claim(
        self,
        transaction: MemoryTransaction,
        kinds: tuple[str, ...],
        owner: str,
        lease_s: float,
        most: int,
        light_only: bool,
        idle_users_only: bool,
    ) -> builtins.list[Job]:
        now = self._clock.now()
        jobs = _jobs(transaction)
        busy = Counter(job.user_id for job in jobs if job.state == "running" and not _is_free(job, now))
        free = [
            job for job in jobs
            if job.kind in kinds and _is_free(job, now)
            and (_is_light(job) or not light_only) and not (idle_users_only and busy[job.user_id])
        ]  # fmt: skip
        if not free:
            return []
        turns: dict[str, int] = transaction.shelf(_TURNS)

        def rank(job: Job) -> tuple[int, int, float, str]:
            latest = max(turns.get(other.id, 0) for other in jobs if other.user_id == job.user_id)
            oldest = min(other.created_at for other in free if other.user_id == job.user_id)
            return busy[job.user_id], latest, oldest, job.user_id

        user_id = min(free, key=rank).user_id
        own = sorted((job for job in free if job.user_id == user_id), key=_age)
        light = [job for job in own if _is_light(job)][:most]
        chosen = light if own[0] in light else own[:1]
        turn = 1 + max(turns.values(), default=0)
        for job in chosen:
            transaction.put(_TURNS, job.id, turn)
        return [
            _copied(_put(transaction, job, state="running", owner=owner, lease_until=now + lease_s, attempt=job.attempt + 1))
            for job in chosen
        ]

    def _held(self, transaction: MemoryTransaction, job: Job) -> Job | None:
        """The job as stored, when the claim on it still holds."""
        present: Job | None = transaction.shelf(_SHELF).get(job.id)
        if present is None or present.state != "running" or _is_free(present, self._clock.now()):
            return None
        return present if (present.owner, present.attempt) == (job.owner, job.attempt) else None

    def _settle(self, transaction: MemoryTransaction, job: Job, **changes: Any) -> None:
        present = self._held(transaction, job)
        if present is None:
            raise lost_claim(job)
        _put(transaction, present, **changes)


def _is_free(job: Job, now: float) -> bool:
    if job.state == "queued":
        return job.not_before <= now
    return job.state == "running" and (job.lease_until or 0.0) <= now


def _is_light(job: Job) -> bool:
    return job.attempt == 0 and bool(job.payload.get("light"))


def _age(job: Job) -> tuple[float, str]:
    return job.created_at, job.id


def _jobs(transaction: MemoryTransaction) -> list[Job]:
    return list(transaction.shelf(_SHELF).values())


def _put(transaction: MemoryTransaction, job: Job, **changes: Any) -> Job:
    changed = _copied(msgspec.structs.replace(job, **changes))
    transaction.put(_SHELF, job.id, changed)
    return changed


def _copied(job: Job) -> Job:
    return msgspec.json.decode(msgspec.json.encode(job), type=Job)


def _ours(transaction: Transaction) -> MemoryTransaction:
    if not isinstance(transaction, MemoryTransaction):
        raise TypeError("This queue needs a transaction of the memory store.")
    return transaction
