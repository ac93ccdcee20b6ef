"""`Services`: everything the handlers of the command table may call. Made by the composition root; tests make
`antiphon.testing.access.World`. Nothing here does anything by itself.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from antiphon.access.changes import AccessChanges
from antiphon.access.sign_in_links import SignInLinks
from antiphon.access.tickets import Tickets
from antiphon.commands.rate_limits import TokenBuckets
from antiphon.config.settings import Settings
from antiphon.conversations.messages import Messages
from antiphon.conversations.sessions import Sessions
from antiphon.core.runtime import Runtime
from antiphon.library.accounts import Accounts
from antiphon.library.documents import Documents
from antiphon.library.indexing import Indexing
from antiphon.library.members import Members
from antiphon.library.pages import Pages
from antiphon.library.providers import Providers
from antiphon.library.watching.watches import Watches
from antiphon.library.web.crawls import Crawls
from antiphon.library.workspaces import Workspaces
from antiphon.models.chat import ChatModels
from antiphon.models.discovery import LocalServer
from antiphon.models.probe import ModelProbe
from antiphon.retrieve.passage import Retriever
from antiphon.runs.engine import RunEngine
from antiphon.runs.replay import Replays
from antiphon.runs.waiting import WaitingQuestions
from antiphon.storage.blobs.contract import BlobStore
from antiphon.storage.event_log.contract import EventLog
from antiphon.storage.jobs.contract import JobQueue
from antiphon.storage.records.contract import Store


@dataclass(frozen=True, kw_only=True, slots=True)
class Services:
    settings: Settings
    runtime: Runtime
    store: Store
    blobs: BlobStore
    log: EventLog
    jobs: JobQueue
    changes: AccessChanges
    accounts: Accounts
    tickets: Tickets
    sign_in_links: SignInLinks
    workspaces: Workspaces
    members: Members
    documents: Documents
    crawls: Crawls
    watches: Watches
    pages: Pages
    sessions: Sessions
    messages: Messages
    retriever: Retriever
    indexing: Indexing
    meaning: Callable[[], dict[str, Any]]
    """What searches by meaning, and what does not, and why: for the list of models."""
    models: ChatModels
    providers: Providers
    probe: ModelProbe
    find_model_servers: Callable[[], Awaitable[list[LocalServer]]]
    runs: RunEngine
    replays: Replays
    waiting: WaitingQuestions
    message_rate: TokenBuckets
    login_rate: TokenBuckets
    instance_id: str
    """The `owner` of this process's runs."""
