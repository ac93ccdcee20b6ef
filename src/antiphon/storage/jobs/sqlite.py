"""Jobs as rows of the one SQLite file: claims, leases and fences in its transactions.

Who is next: among the users with something to do, the one with the fewest running jobs, then the one served longest
ago; of that user's jobs the oldest. Tests: tests/conformance/test_jobs.py.
"""

from __future__ import annotations

import builtins
import sqlite3
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import msgspec

from antiphon.core.errors import Conflict
from antiphon.core.runtime import Runtime
from antiphon.storage.jobs.bell import Bell, lost_claim
from antiphon.storage.jobs.contract import Job, JobState, Progress
from antiphon.storage.records.contract import Transaction, Urgency
from antiphon.storage.records.sqlite import SqliteStore, SqliteTransaction

T = TypeVar("T")

_COLUMNS = "id, kind, user_id, workspace_id, subject, payload, state, step, progress, attempt, owner, lease_until, not_before, error, created_at"
_LIGHT = "attempt = 0 AND json_extract(payload, '$.light') = 1"
_FREE = f"""
    kind IN (SELECT value FROM json_each(:kinds)) AND (NOT :light_only OR {_LIGHT})
    AND (state = 'queued' AND not_before <= :now OR state = 'running' AND lease_until <= :now)
"""  # noqa: S608 - constants of this file
_NEXT_USER = f"""
    SELECT user_id FROM (SELECT DISTINCT user_id FROM jobs WHERE {_FREE}) AS candidate
    WHERE NOT :idle_users_only OR NOT EXISTS
        (SELECT 1 FROM jobs AS r WHERE r.user_id = candidate.user_id AND r.state = 'running' AND r.lease_until > :now)
    ORDER BY
        (SELECT count(*) FROM jobs AS r WHERE r.user_id = candidate.user_id AND r.state = 'running' AND r.lease_until > :now),
        (SELECT max(turn) FROM jobs AS r WHERE r.user_id = candidate.user_id),
        (SELECT min(created_at) FROM jobs WHERE {_FREE} AND user_id = candidate.user_id),
        user_id
    LIMIT 1
"""  # noqa: S608 - constants of this file
_NEXT_JOB = f"SELECT id FROM jobs WHERE {_FREE} AND user_id = :user_id ORDER BY created_at, id LIMIT 1"  # noqa: S608
_MORE_LIGHT = f"""
    SELECT id FROM jobs WHERE state = 'queued' AND user_id = :user_id AND {_LIGHT} AND not_before <= :now
        AND kind IN (SELECT value FROM json_each(:kinds)) ORDER BY created_at, id LIMIT :most
"""  # noqa: S608 - constants of this file
_TAKE = """
    UPDATE jobs SET state = 'running', owner = :owner, lease_until = :now + :lease_s, attempt = attempt + 1,
        turn = 1 + (SELECT max(turn) FROM jobs)
    WHERE id IN (SELECT value FROM json_each(:ids))
"""
_MINE = "id = :id AND state = 'running' AND owner = :owner AND attempt = :attempt AND lease_until > :now"


class SqliteJobQueue:
    """See jobs.contract.JobQueue."""

    def __init__(self, store: SqliteStore, *, runtime: Runtime) -> None:
        self._store = store
        self._clock = runtime.clock
        self._bell = Bell(runtime.scheduler)

    def enqueue(self, transaction: Transaction, job: Job) -> None:
        ours = _ours(transaction)
        values = {**msgspec.structs.asdict(job), "payload": _json(job.payload), "progress": _json(job.progress)}
        values["error"] = None if job.error is None else _json(job.error)
        try:
            ours.connection.execute(
                f"INSERT INTO jobs ({_COLUMNS}, turn) VALUES "  # noqa: S608 - constants of this file
                "(:id, :kind, :user_id, :workspace_id, :subject, :payload, :state, :step, :progress, :attempt, :owner, "
                ":lease_until, :not_before, :error, :created_at, 0)",
                values,
            )
        except sqlite3.IntegrityError:
            raise Conflict(f"There is already a job {job.id!r}.") from None
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
        values = {
            "kinds": _json(kinds), "owner": owner, "lease_s": lease_s, "now": self._clock.now(), "most": most,
            "light_only": light_only, "idle_users_only": idle_users_only,
        }  # fmt: skip
        jobs = await self._store.write(lambda transaction: _claim(transaction.connection, values))
        if not jobs:
            self._bell.found_nothing(heard)
        return jobs

    async def heartbeat(self, job: Job, *, lease_s: float) -> bool:
        values = {**self._claim_of(job), "lease_s": lease_s}

        def extend(transaction: SqliteTransaction) -> bool:
            sql = f"UPDATE jobs SET lease_until = :now + :lease_s WHERE {_MINE}"  # noqa: S608 - constants of this file
            return transaction.connection.execute(sql, values).rowcount > 0

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
        known = None if progress is None or callable(progress) else _json(dict(progress))

        def mark(transaction: SqliteTransaction) -> T:
            self._settle(transaction, job, "step = :step, progress = coalesce(:progress, progress)", step=step, progress=known)
            result = work(transaction)
            if callable(progress):
                self._settle(transaction, job, "progress = :progress", progress=_json(dict(progress())))
            return result

        return await self._store.write(mark, urgency)

    async def finish(
        self, job: Job, *, work: Callable[[Transaction], None] | None = None, urgency: Urgency = Urgency.COMMAND
    ) -> None:
        def mark(transaction: SqliteTransaction) -> None:
            self._settle(transaction, job, "state = 'done', owner = NULL, lease_until = NULL, error = NULL")
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

        def mark(transaction: SqliteTransaction) -> None:
            changes = "state = :state, owner = NULL, lease_until = NULL, error = :error, not_before = :not_before"
            self._settle(transaction, job, changes, state=state, error=_json(dict(error)), not_before=not_before)
            if work is not None:
                work(transaction)
            if state == "queued":
                transaction.after_commit(self._bell.ring)

        await self._store.write(mark)

    async def cancel(self, subject: str, *, kind: str | None = None) -> int:
        return await self._store.write(lambda transaction: self.cancel_within(transaction, subject, kind=kind))

    def cancel_within(self, transaction: Transaction, subject: str, *, kind: str | None = None) -> int:
        return (
            _ours(transaction)
            .connection.execute(
                "UPDATE jobs SET state = 'cancelled', owner = NULL, lease_until = NULL "
                "WHERE subject = ? AND state IN ('queued', 'running') AND (? IS NULL OR kind = ?)",
                (subject, kind, kind),
            )
            .rowcount
        )

    async def release_others(self, owner: str) -> int:
        def release(transaction: SqliteTransaction) -> int:
            freed = transaction.connection.execute(
                "UPDATE jobs SET state = 'queued', owner = NULL, lease_until = NULL WHERE state = 'running' AND owner != ?",
                (owner,),
            ).rowcount
            transaction.after_commit(self._bell.ring)
            return freed

        return await self._store.write(release)

    async def wait(self, timeout_s: float, *, kinds: tuple[str, ...] = ()) -> None:
        await self._bell.wait(timeout_s, kinds)

    async def list(self, *, state: JobState | None = None, subject: str | None = None) -> builtins.list[Job]:
        def read(transaction: SqliteTransaction) -> builtins.list[Job]:
            rows = transaction.connection.execute(
                f"SELECT {_COLUMNS} FROM jobs WHERE (:state IS NULL OR state = :state) "  # noqa: S608 - constants of this file
                "AND (:subject IS NULL OR subject = :subject) ORDER BY created_at, id",
                {"state": state, "subject": subject},
            )
            return [_job(row) for row in rows]

        return await self._store.read(read)

    def _claim_of(self, job: Job) -> dict[str, Any]:
        return {"id": job.id, "owner": job.owner, "attempt": job.attempt, "now": self._clock.now()}

    def _settle(self, transaction: SqliteTransaction, job: Job, changes: str, **values: Any) -> None:
        """Changes the job when the claim still holds; raises Conflict otherwise."""
        sql = f"UPDATE jobs SET {changes} WHERE {_MINE}"  # noqa: S608 - constants of this file
        if transaction.connection.execute(sql, {**values, **self._claim_of(job)}).rowcount == 0:
            raise lost_claim(job)


def _claim(connection: sqlite3.Connection, values: dict[str, Any]) -> list[Job]:
    user = connection.execute(_NEXT_USER, values).fetchone()
    if user is None:
        return []
    values = {**values, "user_id": user[0]}
    (first,) = connection.execute(_NEXT_JOB, values).fetchone()
    ids = [first]
    if values["most"] > 1:
        light = [row[0] for row in connection.execute(_MORE_LIGHT, values)]
        ids = light if first in light else ids
    values["ids"] = _json(ids)
    connection.execute(_TAKE, values)
    sql = f"SELECT {_COLUMNS} FROM jobs WHERE id IN (SELECT value FROM json_each(?)) ORDER BY created_at, id"  # noqa: S608
    return [_job(row) for row in connection.execute(sql, (values["ids"],))]


def _ours(transaction: Transaction) -> SqliteTransaction:
    if not isinstance(transaction, SqliteTransaction):
        raise TypeError("This queue needs a transaction of the SQLite store.")
    return transaction


def _job(values: tuple[Any, ...]) -> Job:
    fields = dict(zip(Job.__struct_fields__, values, strict=True))
    for name in ("payload", "progress", "error"):
        if fields[name] is not None:
            fields[name] = msgspec.json.decode(fields[name])
    return Job(**fields)


def _json(value: Any) -> str:
    return msgspec.json.encode(value).decode()
