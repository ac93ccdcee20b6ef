"""`LiveCore`: a whole server but its HTTP, in process, on a simulated clock and a gated database, with clients to watch it.

Everything between the socket and the file is the product's own: endpoint, hub, subscriptions, commands, runs, log, records.
What is simulated: time, the wire (`Wire`), the order in which database works finish, the model and the retriever. A `Ledger`
notes what must never happen (docs/protocol.md section 8). Users: tests/properties/test_live_core.py, tests/unit/runs.
"""

from __future__ import annotations

import asyncio
import shutil
import sqlite3
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

from starlette.requests import Request
from starlette.websockets import WebSocket

from antiphon.access.identity import Identity, Role
from antiphon.access.scope import system_scope
from antiphon.commands.catalogue import all_commands
from antiphon.commands.rate_limits import TokenBuckets
from antiphon.commands.table import CommandTable
from antiphon.commands.topics import Topics
from antiphon.config.settings import Settings
from antiphon.conversations.sessions import Sessions
from antiphon.core.ids import IdFactory, UserId, WorkspaceId
from antiphon.core.tick import TickQueue
from antiphon.flows.plan import plan
from antiphon.plugins.manager import load_plugins
from antiphon.retrieve.passage import Retrieved
from antiphon.runs.assistant import default_assistant
from antiphon.runs.engine import RunEngine, RunLimits
from antiphon.runs.executor import Executor
from antiphon.runs.nodes import builtin
from antiphon.runs.pacing import LoadGauge
from antiphon.runs.recovery import recover_runs
from antiphon.runs.waiting import WaitingQuestions
from antiphon.storage.event_log.contract import Entry
from antiphon.storage.event_log.sqlite import SqliteEventLog
from antiphon.storage.jobs.memory import MemoryJobQueue
from antiphon.storage.records.memory import MemoryStore
from antiphon.storage.records.rows import SESSIONS, USERS, WORKSPACES, SessionRow, UserRow, WorkspaceRow
from antiphon.storage.records.sqlite import SqliteStore
from antiphon.storage.sqlite.database import FILE_NAME, Database
from antiphon.testing.flows import FixedRetriever, sample_passage
from antiphon.testing.gated_database import GatedDatabase
from antiphon.testing.ledger import Ledger
from antiphon.testing.models import DirectedChat, ScriptedModels
from antiphon.testing.simulated import SimulatedClock, SimulatedRandom, SimulatedRuntime, SimulatedScheduler
from antiphon.testing.wire import Wire
from antiphon.testing.world import services_on
from antiphon.transports.hub import Hub, HubLimits
from antiphon.transports.realtime import RealtimeEndpoint
from antiphon.transports.socket_session import SocketHouse
from antiphon.transports.subscription import ReplayLimits

USER = Identity(user_id=UserId("usr_ada"), name="Ada", credential="local")
WORKSPACE_ID = WorkspaceId("ws_1")
SESSION_IDS = tuple(f"ses_{name * 29}" for name in "AB")
SETTINGS = Settings(data_dir=Path("unused"))


class _OneOwner:
    """Rights of a world with one user in one workspace: the hub's, the commands' and the handshake's."""

    async def roles_of(self, user_id: UserId, /) -> Mapping[WorkspaceId, Role]:
        del user_id
        return {WORKSPACE_ID: Role.OWNER}

    async def is_still_valid(self, identity: Identity, /) -> bool:
        del identity
        return True

    async def may_subscribe(self, identity: Identity, topic: str, /) -> bool:
        del identity, topic
        return True

    def check_origin(self, websocket: WebSocket) -> None: ...

    async def identify(self, websocket: WebSocket) -> Identity | None:
        del websocket
        return USER

    async def identify_request(self, request: Request) -> Identity:
        del request
        return USER

    async def identify_token(self, token: str) -> Identity:
        del token
        return USER


class WatchedLog(SqliteEventLog):
    """Tells the ledger what is appended. `killed`: its process is dead, nothing is appended any more."""

    watcher: Callable[[str, list[Entry]], None] | None = None

    def kill(self) -> None:
        self._closed = True

    def _record(self, body: bytes, places: list[Entry], event_id: str | None) -> None:
        if self.watcher is not None:
            self.watcher(self.epoch, places)
        super()._record(body, places, event_id)


class _Scheduler(SimulatedScheduler):
    """After each timer the world settles, database works included when they go by themselves."""

    def __init__(self, clock: SimulatedClock, settle: Callable[[], Coroutine[Any, Any, None]], ledger: Ledger) -> None:
        super().__init__(clock)
        self._settle_world = settle
        self._ledger = ledger

    async def settle(self, rounds: int = 0) -> None:
        del rounds
        await self._settle_world()

    def spawn(self, work: Coroutine[Any, Any, None], *, name: str) -> asyncio.Task[None]:
        task = super().spawn(work, name=name)
        task.add_done_callback(self._ledger.task_ended)
        return task


class LiveProcess:
    """One incarnation of the server: what a crash takes away."""

    def __init__(self, core: LiveCore) -> None:
        self.core = core
        self.runtime = core.new_runtime()
        self.database = cast("GatedDatabase", GatedDatabase.open(core.path, runtime=self.runtime))
        self.database.gated = True
        self.store = SqliteStore(self.database)
        self.log: WatchedLog | None = None
        self.sealed = 0

    async def start(self) -> None:
        core, runtime = self.core, self.runtime
        log = await WatchedLog.open(
            self.database, runtime=runtime, batch_ms=50, ring_entries=core.ring_entries, ring_bytes=2**20, replay_s=core.replay_s
        )
        self.log = cast("WatchedLog", log)
        self.log.watcher = core.ledger.appended
        self.database.log_written = lambda: core.ledger.stored(log.epoch, self.database)
        core.ledger.opened(log.epoch, unclean=log.unclean)
        self.sealed = await recover_runs(self.store, log, runtime)
        self.ticks = TickQueue(runtime.scheduler)
        plugins = load_plugins([], builtin=[builtin], entry_points=False)
        assistant = plan(default_assistant(), plugins.catalogue())
        models = ScriptedModels({"directed": core.model})
        self.engine = RunEngine(
            store=self.store, log=log, executor=Executor(plugins.implementations(), runtime), plan=lambda _workspace: assistant,
            retriever=core.retriever, models=models, runtime=runtime, ticks=self.ticks, gauge=LoadGauge(runtime),
            limits=RunLimits(max_runs=core.max_runs, timeout_s=core.timeout_s, checkpoint_s=1.0),
        )  # fmt: skip
        self.rights = rights = _OneOwner()
        self.waiting = WaitingQuestions(
            store=self.store, log=log, engine=self.engine, models=models, memberships=rights, runtime=runtime,
            history_messages=SETTINGS.runs.history_messages, owner="test",
        )  # fmt: skip
        services = services_on(self.store, MemoryJobQueue(MemoryStore(), runtime=runtime), runtime, settings=SETTINGS)
        services = replace(
            services, log=log, runs=self.engine, models=models, retriever=core.retriever,
            sessions=Sessions(self.store, runtime, log.append, services.changes), waiting=self.waiting,
        )  # fmt: skip
        self.hub = Hub(
            runtime=runtime, ticks=self.ticks, log=log, rights=rights, has_active_run=lambda _topic: True,
            limits=HubLimits(
                connections=0, connections_per_user=0, idle_s=0, ping_s=1e9, pong_timeout_s=1e9, slow_reader_s=1e9, recheck_s=1e9
            ),
        )  # fmt: skip
        topics = Topics(
            store=self.store, runs=self.engine, memberships=rights, head_now=log.head_now, max_bytes=SETTINGS.limits.outbound_frame_bytes
        )  # fmt: skip
        self.sockets = house = SocketHouse(
            hub=self.hub, commands=CommandTable(all_commands(), services=services, memberships=rights), topics=topics, gate=rights,
            replay=core.replay_limits, pending_bytes=2**20, frame_bytes=2**18, max_subscriptions=0, hello_timeout_s=5,
            heartbeat_ms=25_000, frames=TokenBuckets(runtime.clock, per_minute=0), count_resume=core.count_resume,
        )  # fmt: skip
        self.endpoint = RealtimeEndpoint(house)
        await self.waiting.load()

    async def close(self) -> None:
        """In the order of `House.close`."""
        await self.waiting.close()
        await self.engine.shutdown(grace_s=0)
        await self.hub.stop()
        assert self.log is not None
        await self.log.close()
        await self.database.close()


class LiveCore:
    """`auto`: database works go through by themselves whenever the world settles; otherwise only by `step`."""

    def __init__(
        self, folder: Path, *, seed: int = 0, max_runs: int = 0, timeout_s: float = 0, ring_entries: int = 8192,
        replay_s: float = 600.0, replay_limits: ReplayLimits | None = None,
    ) -> None:  # fmt: skip
        self.path = folder / FILE_NAME
        self.auto = True
        self.ledger = Ledger()
        self.max_runs, self.timeout_s, self.ring_entries, self.replay_s = max_runs, timeout_s, ring_entries, replay_s
        self.replay_limits = replay_limits or ReplayLimits(frames=300, bytes=2**18)
        self.clock, self._random = SimulatedClock(), SimulatedRandom(seed)
        self.model = DirectedChat()
        self.retriever = FixedRetriever(Retrieved(passages=[sample_passage(n) for n in (1, 2, 3)], coverage=1.0))
        self.resumes: dict[str, int] = {"replay": 0, "snapshot": 0, "live": 0}
        self.process: LiveProcess | None = None
        self._serving: set[asyncio.Task[None]] = set()

    def new_runtime(self) -> SimulatedRuntime:
        return SimulatedRuntime(
            clock=self.clock, random=self._random, ids=IdFactory(self.clock, self._random),
            scheduler=_Scheduler(self.clock, self.settle, self.ledger),
        )  # fmt: skip

    def count_resume(self, mode: str) -> None:
        self.resumes[mode] += 1

    @property
    def running(self) -> LiveProcess:
        assert self.process is not None, "no process runs"
        return self.process

    # --- time and order -------------------------------------------------------------------------------------------------

    async def settle(self) -> None:
        await quiet()
        while self.auto and self.process is not None and await self.process.database.step():
            await quiet()

    async def step(self, choice: int) -> None:
        """Lets one database work go one step."""
        await quiet()
        await self.running.database.step(choice)
        await self.settle()

    async def advance(self, seconds: float) -> None:
        await self.running.runtime.advance(seconds)
        await self.settle()

    async def finish(self, task: asyncio.Task[Any], *, steps: int | None = None) -> bool:
        """Brings a task to its end, or, with `steps`, as far as so many database steps bring it: False then."""
        process = self.running
        while True:
            await quiet()
            if task.done():
                task.result()
                return True
            if steps is not None:
                if steps == 0:
                    return False
                steps -= 1
            if await process.database.step():
                continue
            wait = process.runtime.scheduler.next_due_s
            if wait is not None and not process.database.closed:
                await process.runtime.advance(wait)
            else:
                await asyncio.wait([task], timeout=0.01)

    # --- starts and ends --------------------------------------------------------------------------------------------------

    async def start(self, *, steps: int | None = None) -> bool:
        """Opens the data folder as the server does. With `steps`: crashes after so many database steps, if that is sooner."""
        self.process = LiveProcess(self)
        starting = asyncio.get_running_loop().create_task(self.process.start(), name="start")
        if await self.finish(starting, steps=steps):
            return True
        await self.crash()
        return False

    async def close(self, *, steps: int | None = None) -> bool:
        """Stops cleanly. With `steps`: crashes on the way, after so many database steps, if that is sooner."""
        process = self.running
        process.database.disk_full = False
        closing = asyncio.get_running_loop().create_task(process.close(), name="close")
        if not await self.finish(closing, steps=steps):
            await self.crash()
            return False
        while await process.database.step():  # answers that were on their way
            await quiet()
        await process.runtime.advance(10.0)  # what still waits for a moment finds everything closed
        self.ledger.closed_cleanly(process.hub.connection_count, process.engine.active_count, process.log)
        process.runtime.scheduler.cancel_all()
        await quiet()
        self.process = None
        return True

    async def crash(self) -> None:
        """Everything of the process is gone at once; what was committed stays."""
        process, self.process = self.running, None
        self.ledger.crashing = True
        if not process.database.closed and not process.database.read_inline(_is_clean):
            self.ledger.lost(process.log.epoch if process.log is not None else None)
        process.database.abandon()
        if process.log is not None:
            process.log.kill()
        while tasks := asyncio.all_tasks() - {asyncio.current_task()}:
            for task in tasks:  # more than once: some clean up, which a crash would not have let them do
                task.cancel()
            await quiet()
        process.runtime.scheduler.cancel_all()
        await quiet()
        self.ledger.crashing = False

    # --- clients ------------------------------------------------------------------------------------------------------------

    def connect(self) -> Wire:
        """A new socket; its endpoint runs until the wire is cut."""
        process = self.running
        wire = Wire(self.ledger.sent)
        serving = asyncio.get_running_loop().create_task(process.endpoint.serve(wire.websocket), name="socket")
        self._serving.add(serving)  # the loop itself holds tasks weakly
        serving.add_done_callback(self._serving.discard)
        serving.add_done_callback(self.ledger.task_ended)
        return wire


def _is_clean(connection: sqlite3.Connection) -> bool:
    """Whether the log says that it was closed: then a crash after that takes nothing away."""
    row = connection.execute("SELECT clean FROM log_state").fetchone()
    return row is not None and bool(row[0])


async def quiet() -> None:
    """Returns when nothing is left to do in the loop but to wait for threads and timers."""
    loop = asyncio.get_running_loop()
    ready = getattr(loop, "_ready")  # noqa: B009 - asyncio's own; without it there is no telling when it has come to rest
    while True:
        turn: asyncio.Future[None] = loop.create_future()
        loop.call_soon(turn.set_result, None)
        await turn
        if not ready:
            return


async def make_template(path: Path) -> None:
    """A closed database with one user, one workspace and two sessions: to be copied to `LiveCore.path`."""
    clock, random = SimulatedClock(), SimulatedRandom(0)
    runtime = SimulatedRuntime(clock=clock, random=random, ids=IdFactory(clock, random), scheduler=SimulatedScheduler(clock))
    store = SqliteStore(Database.open(path, runtime=runtime))
    moment_s = clock.now()

    def write(tx: Any) -> None:
        tx.insert(USERS, UserRow(id=USER.user_id, name=USER.name, server_owner=True, created_at=moment_s))
        tx.insert(WORKSPACES, WorkspaceRow(id=WORKSPACE_ID, slug="docs", name="Docs", created_at=moment_s))
        for session_id in SESSION_IDS:
            tx.insert(
                SESSIONS,
                SessionRow(
                    id=session_id, workspace_id=WORKSPACE_ID, author_id=USER.user_id, created_at=moment_s, updated_at=moment_s
                ),
            )  # fmt: skip

    await store.write(write)
    await store.close()


def copy_template(template: Path, folder: Path) -> None:
    shutil.copyfile(template, folder / FILE_NAME)


EVERYTHING = system_scope("tests of the live core")
