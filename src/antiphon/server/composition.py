"""`House`: the composition root. Builds every room once, in order, and takes them down in the reverse order.

The only place that knows all rooms. Called by process.py and by tests that need the whole house in their own process.
Tests: tests/integration/live/test_process.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AsyncExitStack

import structlog
from starlette.applications import Starlette
from starlette.routing import BaseRoute, Route, WebSocketRoute

from antiphon.access.changes import AccessChanges
from antiphon.access.origins import Origins, is_loopback, split_origins
from antiphon.access.safety import check_settings
from antiphon.access.sealing import SecretBox
from antiphon.access.sign_in_links import SignInLinks
from antiphon.access.tickets import Tickets
from antiphon.commands.catalogue import all_commands
from antiphon.commands.rate_limits import TokenBuckets
from antiphon.commands.services import Services
from antiphon.commands.table import CommandTable
from antiphon.commands.topics import Topics
from antiphon.config.settings import Settings
from antiphon.conversations.messages import Messages
from antiphon.conversations.sessions import Sessions
from antiphon.conversations.titles import SessionTitles
from antiphon.core.errors import AntiphonError
from antiphon.core.failpoints import arm
from antiphon.core.runtime import Runtime, system_runtime
from antiphon.core.tick import TickQueue
from antiphon.flows.plan import plan
from antiphon.ingest.blob_gate import BlobGate
from antiphon.ingest.document_work import DocumentWork
from antiphon.ingest.passwords import Passwords
from antiphon.ingest.worker import ParserPool
from antiphon.ingest.workers import IngestWorkers
from antiphon.library.accounts import Accounts
from antiphon.library.directory import Directory
from antiphon.library.documents import Documents
from antiphon.library.members import Members
from antiphon.library.pages import Pages
from antiphon.library.providers import Providers
from antiphon.library.sync_workers import SyncWorkers
from antiphon.library.watching.endings import SyncEndings
from antiphon.library.watching.folder_sync import FolderSync
from antiphon.library.watching.watches import Watches
from antiphon.library.web.crawler import Crawler
from antiphon.library.web.crawls import Crawls
from antiphon.library.web.fetching import PageFetcher
from antiphon.library.workspaces import Workspaces
from antiphon.models.discovery import LocalServer, find_local_servers
from antiphon.models.embedder_choice import configured_embedders
from antiphon.models.probe import ModelProbe
from antiphon.models.registry import ConfiguredModels
from antiphon.outgoing.allowance import Allowance
from antiphon.outgoing.client import GuardedClient
from antiphon.outgoing.guard import Guard
from antiphon.plugins.manager import Plugins, load_plugins
from antiphon.protocol.events import Event
from antiphon.protocol.topics import workspace_topic
from antiphon.retrieve.whole_document import StoredDocuments
from antiphon.runs.assistant import default_assistant
from antiphon.runs.closing import Closing
from antiphon.runs.engine import Question, RunEngine, RunLimits
from antiphon.runs.executor import Executor
from antiphon.runs.language import language_of
from antiphon.runs.live import LiveRun
from antiphon.runs.nodes import builtin
from antiphon.runs.output_cache import OutputCache
from antiphon.runs.pacing import LoadGauge
from antiphon.runs.recovery import recover_runs
from antiphon.runs.replay import Replays
from antiphon.runs.waiting import WaitingQuestions
from antiphon.server.app import create_app
from antiphon.server.bindings import API
from antiphon.server.hub_rights import HubRights
from antiphon.server.meaning_rooms import MeaningRooms
from antiphon.server.metrics import Metrics, watch_event_loop_lag
from antiphon.server.model_gate import ModelGate
from antiphon.server.origins import OriginPolicy
from antiphon.server.run_metrics import MeteredRuns
from antiphon.server.sample_workspace import add_sample_workspace
from antiphon.server.socket_gate import SocketGate
from antiphon.server.stores import Stores
from antiphon.server.stream_gate import StreamGate
from antiphon.storage.blobs.contract import BlobStore
from antiphon.storage.secret_key import secret_key
from antiphon.transports.event_stream import EventStreamEndpoint
from antiphon.transports.hub import Hub, HubLimits
from antiphon.transports.long_poll import LongPollEndpoint
from antiphon.transports.node_stream import NodeStreamEndpoint
from antiphon.transports.realtime import RealtimeEndpoint
from antiphon.transports.simple_chat import SimpleChatEndpoint
from antiphon.transports.socket_session import SocketHouse
from antiphon.transports.subscription import ReplayLimits

SIMPLE_CHAT_PATHS = ("/ws/chat", "/ws/conversation", "/api/v1/chat/stream")
NODE_STREAM_PATHS = ("/ws/runs/{run_id}/nodes/{node_id}", "/ws/stream/{node_id}")
FRAMES_PER_MINUTE = 6000
"""Of one connection; beyond it the socket is closed with 4029."""
SAMPLE_WAIT_S = 15.0
DAY_S = 86_400.0


class House:
    """All services of one data folder. `open` it, `close` it; `origins` is set once the port is bound."""

    def __init__(self, settings: Settings, runtime: Runtime) -> None:
        self.settings = settings
        self.runtime = runtime
        self.log = structlog.get_logger("antiphon")
        self.metrics = Metrics()
        self.changes = AccessChanges()
        self.origins = Origins(host=settings.host, port=settings.port, further=split_origins(settings.auth.origins))
        self._port = settings.port
        self._closing = AsyncExitStack()

    @classmethod
    async def open(cls, settings: Settings, runtime: Runtime | None = None) -> House:
        """Raises UnsafeSettings, FolderInUse, BadRequest (a setting); nothing stays behind then."""
        check_settings(host=settings.host, no_auth=settings.no_auth, owner_key=settings.owner_key, origins=settings.auth.origins)
        arm(settings.failpoint)
        house = cls(settings, runtime or system_runtime())
        try:
            await house._build()
        except BaseException:
            await house._closing.aclose()
            raise
        return house

    async def close(self, *, grace_s: float = 0.0) -> None:
        """Ends runs (those that need longer than `grace_s` are sealed as interrupted), sockets, workers, then the stores."""
        await self.waiting.close()
        await self.runs.shutdown(grace_s=grace_s)
        await self.hub.stop()
        await self._closing.aclose()

    def bound_to(self, host: str, port: int) -> None:
        self._port = port
        self.origins = Origins(host=host, port=port, further=split_origins(self.settings.auth.origins))

    # --- Surface ----------------------------------------------------------------------------------------------------------------

    @property
    def blobs(self) -> BlobStore:
        return self.stores.blobs

    def health_reasons(self) -> Sequence[str]:
        reasons: list[str] = []
        if self.stores.log.failing is not None:
            reasons.append("The event log can't be written to disk; it is tried again, and nothing is dropped.")
        reasons += [f"The plug-in {problem.plugin!r} was left out: {problem.message}" for problem in self.plugins.problems]
        return reasons + self.meaning.embedders.reasons()

    async def find_model_servers(self) -> list[LocalServer]:
        return await find_local_servers(self.runtime, own_ports={self.settings.port, self._port})

    async def release_blobs(self, sha256s: Sequence[str], /) -> None:
        async with self._gate.removing() as free:
            unused = await self.documents.unreferenced(sha256s)
            for sha256 in unused if free else ():
                await self.stores.blobs.remove(sha256)
        if unused and not free:
            await self.documents.release(unused)

    # --- building -----------------------------------------------------------------------------------------------------------------

    async def _build(self) -> None:
        settings, runtime = self.settings, self.runtime
        self.parsers = ParserPool(settings, runtime)
        self.parsers.start()  # before the folder's lock: a forked child would hold it on
        self._closing.push_async_callback(self.parsers.close)
        self.stores = await Stores.open(settings, runtime)
        self._closing.push_async_callback(self.stores.close)
        self._gate = BlobGate()
        self.directory = Directory(self.stores.store, self.changes)
        self.accounts = Accounts(self.stores.store, runtime, settings, changes=self.changes, directory=self.directory)
        await self.accounts.ensure_owner()
        sealed = await recover_runs(self.stores.store, self.stores.log, runtime)
        if sealed:
            self.log.info("recovered", runs_sealed=sealed)
        await self._build_answers()
        self._build_library()
        self._build_commands()
        self._build_sockets()
        await self._start()

    async def _build_answers(self) -> None:
        settings, runtime, stores = self.settings, self.runtime, self.stores
        names = [name.strip() for name in settings.plugins.split(",") if name.strip()]
        self.plugins: Plugins = load_plugins(names, builtin=[builtin])
        self.models = ConfiguredModels(
            settings.chat, runtime, further=self.plugins.chat_models(runtime),
            gate=ModelGate(settings.outgoing.allow, own_port=settings.port),
        )  # fmt: skip
        self._closing.push_async_callback(self.models.close)
        box = SecretBox(lambda: secret_key(settings.data_dir, settings.secret_key, runtime.random), runtime.random)
        self.providers = Providers(stores.store, runtime, box, self.models)
        await self.providers.load()
        embedders = configured_embedders(settings.embed, settings.rerank, runtime, data_dir=settings.data_dir)
        self.meaning = MeaningRooms(
            settings=settings, runtime=runtime, store=stores.store, jobs=stores.jobs, index=stores.index, vectors=stores.vectors,
            embedders=embedders, on_event=self._publish_document,
        )  # fmt: skip
        self._closing.push_async_callback(self.meaning.close)
        self.retriever = self.meaning.retriever
        self.ticks = TickQueue(runtime.scheduler)
        self.gauge = LoadGauge(runtime, lambda: stores.database.backlog)
        assistant = plan(default_assistant(), self.plugins.catalogue())
        self.runs = RunEngine(
            store=stores.store, log=stores.log, executor=Executor(self.plugins.implementations(), runtime, cache=self._cache()),
            plan=lambda _workspace: assistant, retriever=self.retriever, models=self.models, runtime=runtime, ticks=self.ticks,
            documents=StoredDocuments(stores.store, stores.index),
            gauge=self.gauge, metrics=MeteredRuns(self.metrics), on_ended=self._run_ended,
            limits=RunLimits(
                max_runs=settings.runs.max, timeout_s=settings.run.timeout_s, checkpoint_s=settings.runs.checkpoint_s
            ),
        )  # fmt: skip

    def _cache(self) -> OutputCache | None:
        settings, store = self.settings.runs, self.stores.store
        if not settings.cache_entries:
            return None
        return OutputCache(
            max_entries=settings.cache_entries, max_bytes=settings.cache_bytes, index_version=lambda: store.document_changes
        )

    def _build_library(self) -> None:
        settings, runtime, stores = self.settings, self.runtime, self.stores
        self.tickets = Tickets(runtime, lifetime_s=settings.auth.ticket_s)
        self.sign_in_links = SignInLinks(runtime)
        self.workspaces = Workspaces(stores.store, stores.jobs, runtime, self.changes)
        self.sessions = Sessions(stores.store, runtime, stores.log.append, self.changes)
        self.titles = SessionTitles(stores.store, runtime, self.models, self.sessions)
        self._closing.push_async_callback(self.titles.close)
        self.document_passwords = Passwords()
        self.workers = IngestWorkers(
            store=stores.store, jobs=stores.jobs, blobs=stores.blobs, index=stores.index, pool=self.parsers, settings=settings,
            runtime=runtime, on_event=self._publish_document, gate=self._gate, passwords=self.document_passwords,
            vectors=stores.vectors, embedding=self.meaning.stage,
        )  # fmt: skip
        self.documents = Documents(
            stores.store, stores.jobs, DocumentWork(self.workers, self.meaning.workers), runtime, stores.log.append
        )
        self._build_sources()

    def _build_sources(self) -> None:
        """What comes by itself: addresses of the web, and watches."""
        settings, runtime, stores = self.settings, self.runtime, self.stores
        self.outgoing = GuardedClient(
            Guard(Allowance.parse(settings.outgoing.allow)), runtime, user_agent=settings.outgoing.user_agent
        )  # fmt: skip
        self.crawls = Crawls(stores.store, stores.jobs, runtime, settings, stores.log.append)
        self.watches = Watches(stores.store, stores.jobs, runtime, settings, self.crawls, stores.log.append)
        endings = SyncEndings(stores.jobs, runtime, settings)
        crawler = Crawler(
            store=stores.store, jobs=stores.jobs, blobs=stores.blobs, gate=self._gate,
            fetcher=PageFetcher(self.outgoing, settings, runtime), finder=self.parsers, work=self.workers, ending=endings,
            settings=settings, runtime=runtime, on_event=self._publish_document,
        )  # fmt: skip
        folders = FolderSync(
            store=stores.store, jobs=stores.jobs, blobs=stores.blobs, gate=self._gate, endings=endings, work=self.workers,
            settings=settings, runtime=runtime, on_event=self._publish_document,
        )  # fmt: skip
        self.sync_workers = SyncWorkers(
            jobs=stores.jobs, crawler=crawler, folders=folders, watches=self.watches, settings=settings, runtime=runtime
        )

    def _run_ended(self, live: LiveRun, question: Question, closing: Closing) -> None:
        if closing.status == "completed" and self.settings.chat.titles and question.message is not None and live.row.session_id:
            self.titles.answered(
                session_id=live.row.session_id, model=str(live.facts.get("model") or live.row.model), answer=live.text,
                question=question.message.content, first=not question.history, language=language_of(question.message.content),
            )  # fmt: skip

    def _publish_document(self, workspace_id: str, event: Event) -> None:
        self.stores.log.append([workspace_topic(workspace_id)], event)

    def _build_commands(self) -> None:
        settings, runtime, stores = self.settings, self.runtime, self.stores
        owner = runtime.ids.new("run")
        self.waiting = WaitingQuestions(
            store=stores.store, log=stores.log, engine=self.runs, models=self.models, memberships=self.accounts, runtime=runtime,
            history_messages=settings.runs.history_messages, owner=owner,
        )  # fmt: skip
        self.services = Services(
            settings=settings, runtime=runtime, store=stores.store, blobs=stores.blobs, log=stores.log, jobs=stores.jobs,
            changes=self.changes, accounts=self.accounts, tickets=self.tickets, sign_in_links=self.sign_in_links,
            workspaces=self.workspaces, members=Members(stores.store, runtime, self.changes), documents=self.documents,
            crawls=self.crawls, watches=self.watches,
            pages=Pages(stores.store, stores.blobs, self.parsers, self.document_passwords), sessions=self.sessions, messages=Messages(stores.store),
            retriever=self.retriever, indexing=self.meaning.indexing, meaning=self.meaning.statuses, models=self.models,
            providers=self.providers, probe=ModelProbe(runtime, self.models.limits, self.models.gate),
            find_model_servers=self.find_model_servers, runs=self.runs, instance_id=owner, waiting=self.waiting,
            replays=Replays(
                store=stores.store, chunk_of=stores.index.get, catalogue=self.plugins.catalogue(), runtime=runtime, owner=owner
            ),
            message_rate=TokenBuckets(runtime.clock, per_minute=settings.limits.messages_per_minute),
            login_rate=TokenBuckets(runtime.clock, per_minute=settings.limits.logins_per_minute),
        )  # fmt: skip
        self.commands = CommandTable(all_commands(), services=self.services, memberships=self.accounts, credentials=self.accounts)

    def _build_sockets(self) -> None:
        settings, runtime, stores, limits = self.settings, self.runtime, self.stores, self.settings.limits
        topics = Topics(
            store=stores.store, runs=self.runs, memberships=self.accounts, head_now=stores.log.head_now,
            max_bytes=limits.outbound_frame_bytes, credentials=self.accounts,
        )  # fmt: skip
        self.hub = Hub(
            runtime=runtime, ticks=self.ticks, log=stores.log, rights=HubRights(self.accounts, topics), has_active_run=self._active,
            limits=HubLimits(
                connections=limits.connections, connections_per_user=limits.connections_per_user, idle_s=limits.idle_s,
                ping_s=settings.heartbeat.interval_s, pong_timeout_s=settings.heartbeat.pong_timeout_s,
                slow_reader_s=limits.slow_reader_s, recheck_s=settings.auth.recheck_s,
            ),
        )  # fmt: skip
        gate = SocketGate(
            accounts=self.accounts, tickets=self.tickets, origins=lambda: self.origins,
            allow_query_token=settings.auth.allow_query_token,
        )  # fmt: skip
        sockets = SocketHouse(
            hub=self.hub, commands=self.commands, topics=topics, gate=gate, pending_bytes=limits.pending_bytes,
            replay=ReplayLimits(frames=settings.log.replay_frames, bytes=settings.log.replay_bytes),
            frame_bytes=limits.frame_bytes, max_subscriptions=limits.subscriptions,
            hello_timeout_s=settings.heartbeat.hello_timeout_s, heartbeat_ms=int(settings.heartbeat.interval_s * 1000),
            frames=TokenBuckets(runtime.clock, per_minute=FRAMES_PER_MINUTE, burst=1000), count_resume=self.metrics.count_resume,
        )  # fmt: skip
        simple = SimpleChatEndpoint(sockets).serve
        routes: list[BaseRoute] = [WebSocketRoute("/ws/v1", RealtimeEndpoint(sockets).serve)]
        routes += [WebSocketRoute(path, simple) for path in SIMPLE_CHAT_PATHS]
        routes += [WebSocketRoute(path, NodeStreamEndpoint(sockets).serve) for path in NODE_STREAM_PATHS]
        policy = OriginPolicy(lambda: self.origins, local_only=settings.no_auth or is_loopback(settings.host))
        stream_gate = StreamGate(
            accounts=self.accounts, tickets=self.tickets, policy=policy, allow_query_token=settings.auth.allow_query_token
        )
        routes += [
            Route(f"{API}/stream", EventStreamEndpoint(sockets, stream_gate).answer),
            Route(f"{API}/poll", LongPollEndpoint(sockets, stream_gate).answer),
        ]
        self.app: Starlette = create_app(self, socket_routes=routes, uploading=self._gate.uploading)
        self.changes.listen(lambda _change: self.hub.rights_changed())

    def _active(self, topic: str) -> bool:
        kind, _, ident = topic.partition(":")
        return kind == "session" and bool(self.runs.live_in_session(ident))

    async def _start(self) -> None:
        self.gauge.start()
        self._closing.callback(self.gauge.stop)
        await self.workers.start()
        self._closing.push_async_callback(self.workers.close)
        self.meaning.start()
        await self.sync_workers.start()
        self._closing.push_async_callback(self.sync_workers.close)
        await self.workspaces.finish_deletions()
        for name, work in (("lag", watch_event_loop_lag(self.metrics, self.runtime)), ("care", self._care())):
            task = self.runtime.scheduler.spawn(work, name=name)
            self._closing.callback(task.cancel)
        self.runtime.scheduler.spawn(self._offer_model_servers(), name="look for model servers")
        if self.settings.sample:
            await add_sample_workspace(self, wait_s=SAMPLE_WAIT_S)
        self.hub.start()
        await self.waiting.load()

    async def _offer_model_servers(self) -> None:
        """Said in the log only, and not used: the owner chooses."""
        if self.settings.chat.discover and not self.models.has_model:
            for found in await self.find_model_servers():
                self.log.info("model_server_found", address=found.base_url, name=found.name, models=len(found.models))

    async def _care(self) -> None:
        """What has to be done from time to time: old rings leave memory, gauges are read."""
        daily_s = self.runtime.clock.monotonic()
        while True:
            await self.runtime.scheduler.sleep(1.0)
            self.metrics.runs_active = self.runs.active_count
            self.metrics.connections = self.hub.connection_count
            self.stores.log.evict_idle()
            self.meaning.cache.evict_idle()
            if self.runtime.clock.monotonic() >= daily_s:
                daily_s += DAY_S
                try:
                    await self.accounts.forget_ended_logins()
                    await self.crawls.forget_ended()
                except AntiphonError as error:
                    self.log.warning("ended_logins_not_removed", error=str(error))
