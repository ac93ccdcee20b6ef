"""`JobQueue`: contract for durable work (ingestion, removal, later evaluation). Backends: memory.py, sqlite.py.

A job's step and its mark commit in one transaction (`advance` is given the work), so a repeat does nothing. A claim has
an owner, a lease and a fence (`attempt`): a worker whose lease lapsed can't mark steps any more.
Conformance: antiphon.testing.conformance.jobs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Literal, Protocol, TypeVar

from msgspec import Struct

from antiphon.storage.records.contract import Transaction, Urgency

T = TypeVar("T")
JobState = Literal["queued", "running", "done", "failed", "cancelled"]


class Job(Struct, frozen=True, kw_only=True):
    """`step` is the last finished step's name ("" none); `progress` is what that step left for the next."""

    id: str
    kind: str
    user_id: str
    workspace_id: str | None = None
    subject: str = ""
    payload: dict[str, Any] = {}
    state: JobState = "queued"
    step: str = ""
    progress: dict[str, Any] = {}
    attempt: int = 0
    owner: str | None = None
    lease_until: float | None = None
    not_before: float = 0.0
    error: dict[str, Any] | None = None
    created_at: float = 0.0


Progress = Mapping[str, Any] | Callable[[], Mapping[str, Any]]
"""What is noted with a step; a function is asked in the transaction, after the work."""


class JobQueue(Protocol):
    def enqueue(self, transaction: Transaction, job: Job) -> None:
        """Adds the job inside the caller's transaction: it exists exactly when the rest of it does."""
        ...

    async def claim(self, *, kinds: tuple[str, ...], owner: str, lease_s: float) -> Job | None:
        """The next job whose lease is free: users take turns, within a user the oldest first. None: nothing to do."""
        ...

    async def claim_some(
        self,
        *,
        kinds: tuple[str, ...],
        owner: str,
        lease_s: float,
        most: int,
        light_only: bool = False,
        idle_users_only: bool = False,
    ) -> list[Job]:
        """As `claim`; when the next job is light (`payload["light"]`, never claimed before), further light ones of its user come
        with it, `most` in all. `light_only`: nothing else. `idle_users_only`: of users who have no running job. []: nothing to
        do."""
        ...

    async def heartbeat(self, job: Job, *, lease_s: float) -> bool:
        """Extends the lease. False: the claim is lost, or the job was cancelled; stop working."""
        ...

    async def advance(
        self,
        job: Job,
        *,
        step: str,
        work: Callable[[Transaction], T],
        progress: Progress | None = None,
        urgency: Urgency = Urgency.INGEST,
    ) -> T:
        """Commits `work` and the mark of the finished step together. Raises Conflict when the claim is lost."""
        ...

    async def finish(
        self, job: Job, *, work: Callable[[Transaction], None] | None = None, urgency: Urgency = Urgency.COMMAND
    ) -> None: ...

    async def fail(
        self,
        job: Job,
        error: Mapping[str, Any],
        *,
        retry_after_s: float | None = None,
        work: Callable[[Transaction], None] | None = None,
    ) -> None:
        """`retry_after_s` None: for good."""
        ...

    async def cancel(self, subject: str, *, kind: str | None = None) -> int:
        """Cancels all queued and running jobs of the subject (of that kind, when given); the number of them."""
        ...

    def cancel_within(self, transaction: Transaction, subject: str, *, kind: str | None = None) -> int:
        """As `cancel`, inside the caller's transaction."""
        ...

    async def release_others(self, owner: str) -> int:
        """Frees all claims of other owners; the number of them. For a start that holds the folder's lock: nobody else
        can be alive."""
        ...

    async def wait(self, timeout_s: float, *, kinds: tuple[str, ...] = ()) -> None:
        """Returns when something may have been enqueued since the last claim of these kinds that found nothing (none given: of
        any), or after the time-out."""
        ...

    async def list(self, *, state: JobState | None = None, subject: str | None = None) -> list[Job]: ...
