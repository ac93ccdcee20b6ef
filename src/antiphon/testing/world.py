"""`memory_services()`: all rooms behind the command table on memory backends, for tests of handlers and of rights.

Runs, retrieval and page pictures are fakes that answer without doing anything. Tests: tests/unit/commands/test_access_matrix.py, test_handlers.py.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import cast

from antiphon.access.changes import AccessChanges
from antiphon.access.passwords import Passwords
from antiphon.access.scope import Scope
from antiphon.access.sealing import SecretBox
from antiphon.access.sign_in_links import SignInLinks
from antiphon.access.tickets import Tickets
from antiphon.commands.rate_limits import TokenBuckets
from antiphon.commands.services import Services
from antiphon.config.settings import Settings
from antiphon.conversations.messages import Messages
from antiphon.conversations.sessions import Sessions
from antiphon.core.runtime import Runtime
from antiphon.ingest.document import PageRectangles
from antiphon.ingest.pipeline import INGEST_JOB
from antiphon.library.accounts import Accounts
from antiphon.library.directory import Directory
from antiphon.library.documents import Documents
from antiphon.library.members import Members
from antiphon.library.pages import Pages
from antiphon.library.providers import Providers
from antiphon.library.watching.watches import Watches
from antiphon.library.web.crawls import Crawls
from antiphon.library.workspaces import Workspaces
from antiphon.models.discovery import LocalServer
from antiphon.models.embedders import Embedders
from antiphon.models.probe import ModelProbe
from antiphon.models.provider import ModelLimits, ProviderSpec
from antiphon.plugins.manager import load_plugins
from antiphon.protocol.topics import workspace_topic
from antiphon.retrieve.passage import Passage, Retrieved
from antiphon.runs.engine import RunEngine
from antiphon.runs.live import LiveRun
from antiphon.runs.nodes import builtin
from antiphon.runs.question import Question
from antiphon.runs.replay import Replays
from antiphon.runs.waiting import WaitingQuestions
from antiphon.server.meaning_rooms import MeaningRooms
from antiphon.storage.blobs.contract import BlobStore
from antiphon.storage.blobs.memory import MemoryBlobStore
from antiphon.storage.event_log.memory import MemoryEventLog
from antiphon.storage.jobs.contract import JobQueue
from antiphon.storage.jobs.memory import MemoryJobQueue
from antiphon.storage.lexical.contract import SearchFilter
from antiphon.storage.lexical.sqlite import SqliteLexicalIndex
from antiphon.storage.records.contract import Store
from antiphon.storage.records.memory import MemoryStore
from antiphon.storage.records.rows import DOCUMENTS, RunRow
from antiphon.storage.vectors.memory import MemoryVectorStore
from antiphon.storage.vectors.sqlite import SqliteVectorStore
from antiphon.testing.models import ScriptedChat, ScriptedModels
from antiphon.testing.simulated import simulated_runtime


class QuickHasher:
    """Not a password hash at all: for tests that make many users. `verified` counts, so that work can be compared."""

    def __init__(self) -> None:
        self.verified = 0

    def hash(self, password: str) -> str:
        return f"quick:{password}"

    def verify(self, password: str, hash: str) -> bool:  # noqa: A002
        self.verified += 1
        return hash == f"quick:{password}"


class IdleRuns:
    """Stands for the run engine: takes questions and runs nothing. `stopped` and `launched` tell what was asked."""

    def __init__(self) -> None:
        self.accepts = True
        self.on_ended: Callable[[RunRow], None] | None = None
        self.stopped: list[str] = []
        self.launched: list[Question] = []

    def live(self, run_id: str) -> LiveRun | None:
        del run_id
        return None

    def live_in_session(self, session_id: str) -> list[LiveRun]:
        del session_id
        return []

    def register(self, row: RunRow) -> None:
        del row

    def launch(self, question: Question) -> None:
        self.launched.append(question)

    async def ended(self, run_id: str, *, within_s: float) -> bool:
        del run_id, within_s
        return True

    async def stop(self, run_id: str, *, by: dict[str, str]) -> str:
        del by
        self.stopped.append(run_id)
        return "stopped"


class TitleRetriever:
    """Finds every document of the workspaces in scope whose name holds the query: enough to see who finds what."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def retrieve(
        self,
        scope: Scope,
        workspace_ids: list[str],
        query: str,
        *,
        k: int,
        filter: SearchFilter | None = None,  # noqa: A002
        earlier: Sequence[str] = (),  # noqa: ARG002 - the contract's
    ) -> Retrieved:
        where = {"workspace_id": ("in", workspace_ids), "deleted_at": None, "name": ("contains", query)}
        rows = await self._store.read(lambda tx: tx.find(DOCUMENTS, scope, where, limit=k))
        wanted = filter.document_ids if filter is not None else None
        found = [
            Passage(
                chunk_id=number, workspace_id=row.workspace_id, document_id=row.id, version=row.version, title=row.name,
                media_type=row.media_type, page=1, anchor=None, start=0, end=len(row.name), score=1.0, text=row.name,
            )
            for number, row in enumerate(rows, 1)
            if wanted is None or row.id in wanted
        ]  # fmt: skip
        return Retrieved(passages=found, coverage=1.0 if found else 0.0, searched=len(rows))


class BlankPages:
    """Stands for the parser pool: one rectangle, and a picture of eight bytes."""

    async def rectangles(self, path: Path, page: int, start: int, end: int, *, password: str | None = None) -> PageRectangles:
        del path, start, end, password
        return PageRectangles(page=page, width=595.0, height=842.0, rects=[[10.0, 20.0, 30.0, 40.0]])

    async def page_image(self, path: Path, page: int, width_px: int, *, password: str | None = None) -> bytes:
        del path, page, width_px, password
        return b"\x89PNG\r\n\x1a\n"


class NamedBlobs(MemoryBlobStore):
    """Its paths name no file: `BlankPages` opens none, so there is none to clean up."""

    def local_path(self, sha256: str) -> Path:
        return Path(sha256)


class QueuedIngest:
    """Stands for the ingestion workers: nothing is worked on, so cancelling is the queue's."""

    def __init__(self, jobs: JobQueue) -> None:
        self.passwords: dict[str, str] = {}
        self._jobs = jobs

    def use_password(self, document_id: str, password: str) -> None:
        self.passwords[document_id] = password

    async def cancel(self, document_id: str) -> int:
        return await self._jobs.cancel(document_id, kind=INGEST_JOB)

    def stop(self, document_id: str) -> None:
        del document_id

    async def overtaken(self, document_id: str, version: int) -> None:
        del document_id, version


class QuietRegistry:
    """A `ProviderRegistry` that keeps what it is given and asks nobody."""

    def __init__(self) -> None:
        self.specs: list[ProviderSpec] = []
        self.preferred: str | None = None

    def put_providers(self, specs: Sequence[ProviderSpec], *, preferred: str | None) -> None:
        self.specs, self.preferred = list(specs), preferred

    async def refresh(self) -> None: ...

    @property
    def has_model(self) -> bool:
        return bool(self.specs)

    @property
    def troubled(self) -> bool:
        return False


async def no_model_servers() -> list[LocalServer]:
    return []


def services_on(
    store: Store, jobs: JobQueue, runtime: Runtime, *, blobs: BlobStore | None = None, settings: Settings | None = None
) -> Services:
    """Services on the given record store and job queue, everything else in memory or faked."""
    settings = settings or Settings(data_dir=Path("unused"))
    blobs = blobs or NamedBlobs()
    changes = AccessChanges()
    log = MemoryEventLog(runtime=runtime)
    crawls = Crawls(store, jobs, runtime, settings, log.append)
    meaning = MeaningRooms(
        settings=settings, runtime=runtime, store=store, jobs=jobs, index=SqliteLexicalIndex(),
        vectors=MemoryVectorStore() if isinstance(store, MemoryStore) else SqliteVectorStore(),
        embedders=Embedders({}, runtime), on_event=lambda workspace_id, event: log.append([workspace_topic(workspace_id)], event),
    )  # fmt: skip
    accounts = Accounts(
        store, runtime, settings, changes=changes, directory=Directory(store, changes),
        passwords=Passwords(runtime.random, hasher=QuickHasher()),
    )  # fmt: skip
    models = ScriptedModels({"scripted": ScriptedChat(runtime)})
    runs = cast("RunEngine", IdleRuns())
    return Services(
        settings=settings, runtime=runtime, store=store, blobs=blobs, log=log, jobs=jobs, changes=changes,
        accounts=accounts,
        tickets=Tickets(runtime, lifetime_s=settings.auth.ticket_s),
        sign_in_links=SignInLinks(runtime),
        workspaces=Workspaces(store, jobs, runtime, changes),
        members=Members(store, runtime, changes),
        documents=Documents(store, jobs, QueuedIngest(jobs), runtime, log.append),
        crawls=crawls,
        watches=Watches(store, jobs, runtime, settings, crawls, log.append),
        pages=Pages(store, blobs, BlankPages()),
        sessions=Sessions(store, runtime, log.append, changes),
        messages=Messages(store),
        retriever=TitleRetriever(store), indexing=meaning.indexing, meaning=meaning.statuses,
        models=models,
        providers=Providers(store, runtime, SecretBox(lambda: b"of a test" * 8, runtime.random), QuietRegistry()),
        probe=ModelProbe(runtime, ModelLimits()),
        find_model_servers=no_model_servers,
        runs=runs,
        waiting=WaitingQuestions(
            store=store, log=log, engine=runs, models=models, memberships=accounts, runtime=runtime, history_messages=20, owner="test"
        ),
        replays=Replays(
            store=store, chunk_of=lambda _tx, _scope, _chunk_id: None, runtime=runtime, owner="test",
            catalogue=load_plugins([], builtin=[builtin], entry_points=False).catalogue(),
        ),
        message_rate=TokenBuckets(runtime.clock, per_minute=0),
        login_rate=TokenBuckets(runtime.clock, per_minute=settings.limits.logins_per_minute),
        instance_id="test",
    )  # fmt: skip


def memory_services(seed: int = 0, *, settings: Settings | None = None) -> Services:
    runtime = simulated_runtime(seed)
    store = MemoryStore()
    return services_on(store, MemoryJobQueue(store, runtime=runtime), runtime, settings=settings)
