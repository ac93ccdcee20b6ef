"""The suite of `JobQueue`. Subclass it with a fixture `case` that yields a `JobsCase` with an empty queue.

Users: tests/conformance/test_jobs.py.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import dataclass
from typing import Any

import msgspec
import pytest

from antiphon.core.errors import Conflict
from antiphon.storage.jobs.contract import Job, JobQueue
from antiphon.storage.records.contract import Store, Transaction
from antiphon.storage.records.rows import USERS, UserRow
from antiphon.testing.conformance.scopes import EVERYTHING
from antiphon.testing.simulated import SimulatedRuntime

LEASE_S = 30.0
KINDS = ("ingest",)


class PlannedFailure(Exception):
    """Raised inside a work by these tests."""


@dataclass(frozen=True, kw_only=True)
class JobsCase:
    """A queue, the store whose transactions it joins, and the clock both look at."""

    queue: JobQueue
    store: Store
    runtime: SimulatedRuntime

    async def add(self, *jobs: Job) -> None:
        def enqueue(transaction: Transaction) -> None:
            for job in jobs:
                self.queue.enqueue(transaction, job)

        await self.store.write(enqueue)

    async def claim(self, owner: str = "worker") -> Job | None:
        return await self.queue.claim(kinds=KINDS, owner=owner, lease_s=LEASE_S)

    async def must_claim(self, owner: str = "worker") -> Job:
        job = await self.claim(owner)
        assert job is not None
        return job

    async def users(self) -> list[str]:
        rows = await self.store.read(lambda transaction: transaction.find(USERS, EVERYTHING))
        return [row.id for row in rows]


def job(name: str, user: str = "ada", **fields: Any) -> Job:
    return msgspec.structs.replace(Job(id=name, kind="ingest", user_id=user, created_at=1.0), **fields)


def mark(name: str) -> Any:
    """A work that leaves a row."""

    def work(transaction: Transaction) -> str:
        transaction.insert(USERS, UserRow(id=name, name=name, created_at=1.0))
        return name

    return work


class JobQueueSuite:
    """The whole contract."""

    async def test_a_job_goes_its_way(self, case: JobsCase) -> None:
        await case.add(job("job_1", payload={"path": "a.pdf"}, workspace_id="ws", subject="doc_1"))
        claimed = await case.must_claim()
        assert (claimed.state, claimed.owner, claimed.attempt, claimed.payload) == ("running", "worker", 1, {"path": "a.pdf"})
        assert await case.claim() is None
        assert await case.queue.advance(claimed, step="parse", work=mark("parsed"), progress={"pages": 3}) == "parsed"
        (stored,) = await case.queue.list(state="running")
        assert (stored.step, stored.progress) == ("parse", {"pages": 3})
        await case.queue.advance(claimed, step="index", work=mark("indexed"))
        (stored,) = await case.queue.list(subject="doc_1")
        assert (stored.step, stored.progress) == ("index", {"pages": 3})
        await case.queue.finish(claimed, work=mark("finished"))
        assert await case.users() == ["finished", "indexed", "parsed"]
        (stored,) = await case.queue.list()
        assert (stored.state, stored.owner, stored.lease_until) == ("done", None, None)
        assert await case.claim() is None

    async def test_a_job_exists_exactly_when_its_transaction_does(self, case: JobsCase) -> None:
        def work(transaction: Transaction) -> None:
            case.queue.enqueue(transaction, job("job_1"))
            raise PlannedFailure

        with pytest.raises(PlannedFailure):
            await case.store.write(work)
        assert await case.queue.list() == []
        await case.add(job("job_1"))
        with pytest.raises(Conflict):
            await case.add(job("job_1"))

    async def test_only_the_asked_kinds(self, case: JobsCase) -> None:
        await case.add(job("job_1", kind="remove"))
        assert await case.claim() is None
        assert await case.queue.claim(kinds=("x", "remove"), owner="worker", lease_s=LEASE_S) is not None

    async def test_within_a_user_the_oldest_first(self, case: JobsCase) -> None:
        await case.add(
            job("job_c", created_at=2.0), job("job_b", created_at=1.0), job("job_a", created_at=3.0), job("job_d", created_at=1.0)
        )
        assert [(await case.must_claim()).id for _ in range(4)] == ["job_b", "job_d", "job_c", "job_a"]

    async def test_users_take_turns(self, case: JobsCase) -> None:
        await case.add(*(job(f"ada_{n}", "ada", created_at=float(n)) for n in range(10)))
        await case.add(job("bo_1", "bo", created_at=50.0), job("bo_2", "bo", created_at=51.0), job("cy_1", "cy", created_at=60.0))
        order: list[str] = []
        for _ in range(6):
            claimed = await case.must_claim()
            order.append(claimed.user_id)
            await case.queue.finish(claimed)
        assert order == ["ada", "bo", "cy", "ada", "bo", "ada"]

    async def test_a_user_with_running_jobs_lets_others_go_first(self, case: JobsCase) -> None:
        await case.add(*(job(f"ada_{n}", "ada") for n in range(3)), *(job(f"bo_{n}", "bo") for n in range(3)))
        first, second = await case.must_claim(), await case.must_claim()
        assert {first.user_id, second.user_id} == {"ada", "bo"}
        of_bo = first if first.user_id == "bo" else second
        await case.queue.finish(of_bo)
        assert (await case.must_claim()).user_id == "bo"

    async def test_no_job_is_claimed_twice(self, case: JobsCase) -> None:
        await case.add(*(job(f"job_{n}", f"user_{n % 3}") for n in range(12)))
        claims = await asyncio.gather(*(case.claim(f"worker_{n}") for n in range(20)))
        names = Counter(claimed.id for claimed in claims if claimed is not None)
        assert len(names) == 12
        assert set(names.values()) == {1}

    async def claim_some(self, case: JobsCase, most: int = 3, **only: bool) -> list[str]:
        jobs = await case.queue.claim_some(kinds=KINDS, owner="worker", lease_s=LEASE_S, most=most, **only)
        return [claimed.id for claimed in jobs]

    async def test_light_jobs_come_together(self, case: JobsCase) -> None:
        light = {"light": True}
        await case.add(*(job(f"job_{n}", created_at=float(n), payload=light) for n in range(5)), job("job_5", created_at=5.0))
        await case.add(
            job("bo_1", "bo", created_at=-1.0, payload=light), job("other", created_at=0.0, kind="remove", payload=light)
        )
        assert await self.claim_some(case) == ["bo_1"]
        assert await self.claim_some(case) == ["job_0", "job_1", "job_2"]
        assert await self.claim_some(case) == ["job_3", "job_4"]
        assert await self.claim_some(case) == ["job_5"]
        assert await self.claim_some(case) == []

    async def test_a_heavy_job_comes_alone_and_in_its_turn(self, case: JobsCase) -> None:
        await case.add(
            job("heavy", created_at=1.0), *(job(f"light_{n}", created_at=2.0, payload={"light": True}) for n in range(4))
        )
        assert await self.claim_some(case, light_only=True) == ["light_0", "light_1", "light_2"]
        assert await self.claim_some(case) == ["heavy"]
        assert await self.claim_some(case, light_only=True) == ["light_3"]
        assert await self.claim_some(case, light_only=True) == []

    async def test_a_job_that_was_tried_is_light_no_more(self, case: JobsCase) -> None:
        await case.add(job("job_1", payload={"light": True}), job("job_2", payload={"light": True}))
        first = (await case.queue.claim_some(kinds=KINDS, owner="worker", lease_s=LEASE_S, most=1))[0]
        await case.queue.fail(first, {"code": "x"}, retry_after_s=0.0)
        assert await self.claim_some(case, light_only=True) == ["job_2"]
        assert await self.claim_some(case) == ["job_1"]

    async def test_only_users_who_have_nothing_running(self, case: JobsCase) -> None:
        await case.add(job("ada_1", "ada"), job("ada_2", "ada"), job("bo_1", "bo", created_at=9.0))
        assert await self.claim_some(case, idle_users_only=True) == ["ada_1"]
        assert await self.claim_some(case, idle_users_only=True) == ["bo_1"]
        assert await self.claim_some(case, idle_users_only=True) == []
        assert await self.claim_some(case) == ["ada_2"]

    async def test_a_lapsed_lease_is_taken_over_and_fenced(self, case: JobsCase) -> None:
        await case.add(job("job_1"))
        dead = await case.must_claim("dead")
        await case.queue.advance(dead, step="parse", work=mark("parsed"), progress={"n": 1})
        await case.runtime.advance(LEASE_S - 1)
        assert await case.claim("alive") is None
        await case.runtime.advance(2)
        alive = await case.must_claim("alive")
        assert (alive.attempt, alive.step, alive.progress) == (2, "parse", {"n": 1})
        for late in (
            case.queue.advance(dead, step="index", work=mark("doubled")),
            case.queue.finish(dead, work=mark("doubled")),
            case.queue.fail(dead, {"code": "x"}, work=mark("doubled")),
        ):
            with pytest.raises(Conflict):
                await late
        assert not await case.queue.heartbeat(dead, lease_s=LEASE_S)
        assert await case.users() == ["parsed"]
        await case.queue.finish(alive)

    async def test_the_same_owner_is_fenced_by_its_attempt(self, case: JobsCase) -> None:
        await case.add(job("job_1"))
        first = await case.must_claim("worker")
        await case.runtime.advance(LEASE_S + 1)
        await case.must_claim("worker")
        with pytest.raises(Conflict):
            await case.queue.advance(first, step="parse", work=mark("doubled"))

    async def test_a_lapsed_lease_marks_nothing_even_when_nobody_took_it(self, case: JobsCase) -> None:
        await case.add(job("job_1"))
        claimed = await case.must_claim()
        await case.runtime.advance(LEASE_S + 1)
        assert not await case.queue.heartbeat(claimed, lease_s=LEASE_S)
        with pytest.raises(Conflict):
            await case.queue.advance(claimed, step="parse", work=mark("late"))
        assert await case.users() == []

    async def test_a_heartbeat_extends_the_lease(self, case: JobsCase) -> None:
        await case.add(job("job_1"))
        claimed = await case.must_claim()
        for _ in range(4):
            await case.runtime.advance(LEASE_S - 1)
            assert await case.queue.heartbeat(claimed, lease_s=LEASE_S)
        assert await case.claim("other") is None
        await case.queue.finish(claimed)

    async def test_a_step_and_its_mark_are_one(self, case: JobsCase) -> None:
        await case.add(job("job_1"))
        claimed = await case.must_claim()

        def work(transaction: Transaction) -> None:
            mark("half")(transaction)
            raise PlannedFailure

        with pytest.raises(PlannedFailure):
            await case.queue.advance(claimed, step="parse", work=work)
        (stored,) = await case.queue.list()
        assert stored.step == ""
        assert await case.users() == []

    async def test_failing_for_now_and_for_good(self, case: JobsCase) -> None:
        await case.add(job("job_1"))
        claimed = await case.must_claim()
        await case.queue.fail(claimed, {"code": "timeout"}, retry_after_s=10.0)
        (stored,) = await case.queue.list(state="queued")
        assert stored.error == {"code": "timeout"}
        assert await case.claim() is None
        await case.runtime.advance(10.0)
        again = await case.must_claim()
        assert again.attempt == 2
        await case.queue.fail(again, {"code": "broken"}, work=mark("told"))
        (stored,) = await case.queue.list(state="failed")
        assert stored.error == {"code": "broken"}
        assert await case.users() == ["told"]
        await case.runtime.advance(1000.0)
        assert await case.claim() is None

    async def test_cancelling(self, case: JobsCase) -> None:
        await case.add(*(job(f"job_{n}", subject="doc_1") for n in range(3)), job("job_9", subject="doc_2", created_at=9.0))
        done = await case.must_claim()
        await case.queue.finish(done)
        running = await case.must_claim()
        assert await case.queue.cancel("doc_1") == 2
        assert not await case.queue.heartbeat(running, lease_s=LEASE_S)
        with pytest.raises(Conflict):
            await case.queue.advance(running, step="parse", work=mark("late"))
        assert (await case.must_claim()).id == "job_9"
        assert await case.queue.cancel("doc_1") == 0
        assert sorted(stored.state for stored in await case.queue.list(subject="doc_1")) == ["cancelled", "cancelled", "done"]

    async def test_cancelling_one_kind_of_work_on_a_subject(self, case: JobsCase) -> None:
        await case.add(job("job_1", subject="doc_1"), job("job_2", subject="doc_1", kind="other"))
        assert await case.queue.cancel("doc_1", kind="other") == 1
        assert [(stored.id, stored.state) for stored in await case.queue.list(subject="doc_1")] == [
            ("job_1", "queued"),
            ("job_2", "cancelled"),
        ]

    async def test_a_start_frees_the_claims_of_the_dead(self, case: JobsCase) -> None:
        await case.add(job("job_1"), job("job_2"), job("job_3"))
        dead, mine = await case.must_claim("dead"), await case.must_claim("me")
        assert await case.queue.release_others("me") == 1
        assert await case.queue.heartbeat(mine, lease_s=LEASE_S)
        taken = await case.must_claim("me")
        assert (taken.id, taken.attempt) == (dead.id, 2)

    async def test_waiting_ends_with_the_next_job(self, case: JobsCase) -> None:
        assert await case.claim() is None
        waiting = asyncio.ensure_future(case.queue.wait(60.0))
        await case.runtime.scheduler.settle()
        assert not waiting.done()
        await case.add(job("job_1"))
        await asyncio.wait_for(waiting, 5.0)
        assert await case.claim() is not None

    async def test_a_job_between_claim_and_wait_is_not_missed(self, case: JobsCase) -> None:
        assert await case.claim() is None
        await case.add(job("job_1"), job("job_2"))
        assert await case.claim("other") is not None
        await asyncio.wait_for(case.queue.wait(60.0), 5.0)
        assert await case.claim() is not None

    async def test_workers_of_other_kinds_neither_wake_nor_deafen_each_other(self, case: JobsCase) -> None:
        async def claim(kind: str) -> Job | None:
            return await case.queue.claim(kinds=(kind,), owner="me", lease_s=LEASE_S)

        assert (await claim("ingest"), await claim("other")) == (None, None)
        waiting = asyncio.ensure_future(case.queue.wait(60.0, kinds=("other",)))
        await case.runtime.scheduler.settle()
        await case.add(job("job_1", kind="ingest"))
        await case.runtime.scheduler.settle()
        assert not waiting.done(), "woken by a job of another kind"
        assert await claim("other") is None
        await asyncio.wait_for(case.queue.wait(60.0, kinds=("ingest",)), 5.0)
        await case.add(job("job_2", kind="other"))
        await asyncio.wait_for(waiting, 5.0)

    async def test_waiting_ends_with_the_time(self, case: JobsCase) -> None:
        assert await case.claim() is None
        waiting = asyncio.ensure_future(case.queue.wait(60.0))
        await case.runtime.advance(59.0)
        assert not waiting.done()
        await case.runtime.advance(1.0)
        await asyncio.wait_for(waiting, 5.0)
