"""The schedule of watches on a clock that stands still until told, on every record store: due, back-off, pause, jitter."""

from __future__ import annotations

import pytest

from antiphon.access.identity import Identity
from antiphon.access.scope import Action, Scope, scope, system_scope
from antiphon.commands.services import Services
from antiphon.core.errors import Conflict
from antiphon.library.watching.endings import SyncEndings
from antiphon.library.watching.schedule import JITTER, next_due
from antiphon.storage.records.rows import CRAWLS, WATCHES, WatchRow
from antiphon.testing.simulated import simulated_runtime

ALL = system_scope("test")
HOUR_S = 3600.0


class Room:
    def __init__(self, services: Services, owner: Identity, reach: Scope, workspace_id: str) -> None:
        self.services, self.owner, self.reach, self.workspace_id = services, owner, reach, workspace_id
        self.endings = SyncEndings(services.jobs, services.runtime, services.settings)

    async def watch(self, url: str = "http://example.org/d/", **fields: object) -> WatchRow:
        return await self.services.watches.add(self.owner, self.reach, self.workspace_id, url=url, interval_s=HOUR_S, **fields)  # type: ignore[arg-type]

    async def row(self, watch: WatchRow) -> WatchRow:
        return await self.services.watches.get(self.reach, watch.id)

    async def end(self, watch: WatchRow, error: dict[str, str] | None = None) -> WatchRow:
        """As the crawl's last step does."""
        running = (await self.row(watch)).running
        assert running is not None

        def end(tx) -> None:
            tx.update(CRAWLS, ALL, running, state="done", error=error)
            self.endings.crawl_ended(tx, tx.get(CRAWLS, ALL, running))

        await self.services.store.write(end)
        return await self.row(watch)

    async def due_within(self, seconds: float) -> int:
        self.services.runtime.clock.pass_time(seconds)  # type: ignore[attr-defined]
        return await self.services.watches.begin_due()


@pytest.fixture
async def room(services: Services) -> Room:
    owner = await services.accounts.owner_identity()
    workspace = await services.workspaces.create(owner, name="W")
    return Room(services, owner, await scope(owner, Action.MANAGE, services.accounts), workspace.id)


async def test_a_watch_is_due_once_in_its_interval(room: Room):
    watch = await room.watch()
    assert watch.running is not None
    assert await room.due_within(10 * HOUR_S) == 0, "a second sync beside the first"
    ended = await room.end(watch)
    assert (ended.running, ended.last and ended.last["state"]) == (None, "ok")
    assert await room.due_within(HOUR_S * (1 - JITTER) - 1) == 0
    assert await room.due_within(HOUR_S * 2 * JITTER + 1) == 1
    assert await room.due_within(0) == 0
    with pytest.raises(Conflict):
        await room.services.watches.sync(room.owner, room.reach, watch.id)


async def test_failures_wait_longer_and_success_forgets_them(room: Room):
    watch = await room.watch()
    waits: list[float] = []
    for _ in range(4):
        ended = await room.end(watch, {"code": "url_unreachable", "message": "Away."})
        waits.append((ended.next_due - room.services.runtime.clock.now()) / HOUR_S)
        assert await room.due_within(waits[-1] * HOUR_S + 1) == 1
    assert ended.failures == 4
    assert all(2**n * (1 - JITTER) <= wait <= 2**n * (1 + JITTER) for n, wait in enumerate(waits, start=1))
    assert (await room.end(watch)).failures == 0


async def test_the_wait_has_an_end():
    runtime = simulated_runtime(3)
    most = max(next_due(runtime, HOUR_S, failures, most_s=10 * HOUR_S) for failures in range(100)) - runtime.clock.now()
    assert 9 * HOUR_S <= most <= 11 * HOUR_S
    assert len({next_due(runtime, HOUR_S, 0, most_s=10 * HOUR_S) for _ in range(50)}) > 40, "together for ever"


async def test_a_paused_watch_is_not_due(room: Room):
    watch = await room.watch()
    await room.end(watch)
    await room.services.watches.change(room.reach, watch.id, paused=True)
    assert await room.due_within(100 * HOUR_S) == 0
    await room.services.watches.change(room.reach, watch.id, paused=False)
    assert await room.due_within(HOUR_S * (1 + JITTER) + 1) == 1


async def test_many_that_are_due_are_begun_the_longest_due_first(room: Room):
    watches = [await room.watch(f"http://example.org/{n}/") for n in range(25)]
    for watch in watches:
        await room.end(watch)
    assert (await room.due_within(2 * HOUR_S), await room.due_within(0), await room.due_within(0)) == (20, 5, 0)


async def test_watches_of_a_deleted_workspace_go(room: Room):
    watch = await room.watch()
    await room.end(watch)
    await room.services.workspaces.delete(room.reach, room.workspace_id)
    assert await room.due_within(2 * HOUR_S) == 0
    assert await room.services.store.read(lambda tx: tx.count(WATCHES, ALL)) == 0
