"""The rows of the store of record: one frozen Struct per table, and the `Table` that says who owns it.

A column holds str, int, float, bool, None, or a JSON-able list/dict. Times are seconds since the epoch. Every table has a
text primary key `id`. Schema changes need an Alembic revision (storage/sqlite/migrations) and a new fixture folder.
"""

from __future__ import annotations

from enum import Enum
from typing import Any, Generic, Literal, TypeVar

from msgspec import Struct

RunState = Literal["waiting", "queued", "running", "completed", "stopped", "failed", "interrupted"]
"""`waiting`: behind another answer of its session (its question is a `QueueRow`); `queued`: for a free place in the server."""
MessageState = Literal["streaming", "complete", "stopped", "failed", "interrupted"]
DocumentState = Literal["queued", "parsing", "indexing", "embedding", "ready", "failed", "deleting"]
CrawlState = Literal["running", "done", "failed", "cancelled"]
Visibility = Literal["private", "workspace"]
TERMINAL_RUN_STATES: frozenset[str] = frozenset({"completed", "stopped", "failed", "interrupted"})


class Row(Struct, frozen=True, kw_only=True):
    id: str


class UserRow(Row, frozen=True, kw_only=True):
    name: str
    password_hash: str | None = None
    server_owner: bool = False
    suspended: bool = False
    created_at: float


class LoginRow(Row, frozen=True, kw_only=True):
    """A cookie session. `secret_hash` is sha256 hex of the cookie's secret part."""

    user_id: str
    secret_hash: str
    created_at: float
    expires_at: float
    revoked_at: float | None = None


class KeyRow(Row, frozen=True, kw_only=True):
    """An API key. `secret_hash` is sha256 hex of the whole key (it has 256 random bits); shown once, never stored."""

    name: str
    user_id: str
    secret_hash: str
    workspace_id: str | None = None
    role: str | None = None
    created_at: float
    last_used_at: float | None = None
    revoked_at: float | None = None


class WorkspaceRow(Row, frozen=True, kw_only=True):
    slug: str
    name: str
    model: str | None = None
    instructions: str = ""
    mode: Literal["documents_only", "open"] = "documents_only"
    k: int = 6
    language: str | None = None
    created_at: float
    deleted_at: float | None = None
    temperature: float | None = None
    fallbacks: list[str] | None = None
    """Models to go over to; None: those of the provider or of the server."""


class MemberRow(Row, frozen=True, kw_only=True):
    """`id` is `{workspace_id}:{user_id}`."""

    workspace_id: str
    user_id: str
    role: str
    created_at: float


class SessionRow(Row, frozen=True, kw_only=True):
    """`name` is the caller's own id for it, unique per (workspace, author); None when we made the id."""

    workspace_id: str
    author_id: str
    title: str = ""
    visibility: Visibility = "private"
    pinned: bool = False
    name: str | None = None
    leaf_message_id: str | None = None
    created_at: float
    updated_at: float


class MessageRow(Row, frozen=True, kw_only=True):
    """`ordinal` counts from 1 inside the session. `content` of a streaming answer is its last checkpoint.

    `refusal`: of an answer that is one (runs/refusal.py). `suggestions`: what is offered after it and was not dismissed.
    `siblings`: ids of all messages at this place of the conversation's tree, oldest first, itself included; empty while it
    is the only one. `steers`: what was said into the answer while it was written (id, content, offset, author); `steer_count`:
    how often, for who does not read lists.
    `feedback`: one entry for each person who gave some (author, rating, comment, created_at)."""

    session_id: str
    workspace_id: str
    ordinal: int
    parent_id: str | None = None
    role: Literal["user", "assistant"]
    content: str = ""
    state: MessageState = "complete"
    run_id: str | None = None
    author_id: str | None = None
    author_name: str | None = None
    client_id: str | None = None
    attachments: list[dict[str, Any]] = []
    sources: list[dict[str, Any]] = []
    citations: list[dict[str, Any]] = []
    usage: dict[str, Any] | None = None
    error: dict[str, Any] | None = None
    stopped_by: str | None = None
    siblings: list[str] = []
    steer_count: int = 0
    steers: list[dict[str, Any]] = []
    feedback: list[dict[str, Any]] = []
    created_at: float
    refusal: dict[str, Any] | None = None
    suggestions: list[dict[str, Any]] | None = None


class RunRow(Row, frozen=True, kw_only=True):
    """`record`: from the start what was asked of it (`asked`, `seed`), from its end on all that is needed to repeat it
    (runs/run_record.py). A replay has no session and no messages; `parent_run_id` is the run it repeats."""

    session_id: str | None = None
    workspace_id: str
    author_id: str
    kind: Literal["chat", "flow", "replay"] = "chat"
    flow_id: str | None = None
    model: str
    message_id: str | None = None
    user_message_id: str | None = None
    state: RunState = "queued"
    attempt: int = 1
    parent_run_id: str | None = None
    owner: str | None = None
    lease_until: float | None = None
    stop_requested_by: str | None = None
    error: dict[str, Any] | None = None
    record: dict[str, Any] = {}
    created_at: float
    started_at: float | None = None
    finished_at: float | None = None


class QueueRow(Row, frozen=True, kw_only=True):
    """A question that waits until the session's answer is complete. `id` is its run's; lower `position` first.
    `message_id`, `user_message_id`: the messages it will become. `asked` as in the run's record."""

    session_id: str
    workspace_id: str
    author_id: str
    author_name: str
    content: str
    attachments: list[dict[str, Any]] = []
    model: str
    message_id: str
    user_message_id: str
    client_id: str | None = None
    asked: dict[str, Any] = {}
    position: float
    created_at: float


class CommandRow(Row, frozen=True, kw_only=True):
    """Idempotency: `id` is `{user_id}:{command id}`; kept 24 h. `fingerprint` is sha256 of verb and payload."""

    user_id: str
    verb: str
    fingerprint: str
    result: dict[str, Any]
    created_at: float


class DocumentRow(Row, frozen=True, kw_only=True):
    """`version` counts from 1; the live rows of pages and chunks are those of this version. `deleted_at` set: invisible."""

    workspace_id: str
    name: str
    path: str = ""
    tags: list[str] = []
    state: DocumentState = "queued"
    searchable: bool = False
    error: dict[str, Any] | None = None
    media_type: str = "application/octet-stream"
    bytes: int = 0
    sha256: str = ""
    version: int = 1
    pages: int | None = None
    pages_ready: int = 0
    passages: int = 0
    progress: dict[str, Any] | None = None
    title: str = ""
    outline: list[dict[str, Any]] = []
    added_by: str | None = None
    created_at: float
    updated_at: float
    deleted_at: float | None = None


class PageRow(Row, frozen=True, kw_only=True):
    """The stored text of a page (1-based; a document without pages has one page, number 1). `id` = doc:version:number."""

    document_id: str
    workspace_id: str
    version: int
    number: int
    text: str
    width_pt: float | None = None
    height_pt: float | None = None


class LayoutRow(Row, frozen=True, kw_only=True):
    """What stands where on a page; a page without any of it has no row. `id` as PageRow's. Lists of lists and objects as
    ingest/document.py says: `headings` (title, level, start), `furniture` [start, end], `anchors` [anchor, start, end],
    `words` [start, end, x0, y0, x1, y1] (recognised text: where its words are)."""

    document_id: str
    workspace_id: str
    version: int
    number: int
    headings: list[Any] = []
    furniture: list[Any] = []
    anchors: list[Any] = []
    words: list[Any] = []


class ReplacementRow(Row, frozen=True, kw_only=True):
    """The newer version of a document that is being made, or failed; the old one serves meanwhile. `id` is the document's."""

    workspace_id: str
    version: int
    sha256: str
    name: str
    bytes: int
    added_by: str | None = None
    created_at: float


class WebPageRow(Row, frozen=True, kw_only=True):
    """Where a document was fetched from; `id` is the document's. `url`: its own address, after redirects; `asked_url`: the one that
    was given. `etag`, `last_modified`: what the site said of the content that the document has. `watch_id`: what keeps it up."""

    workspace_id: str
    url: str
    asked_url: str
    etag: str = ""
    last_modified: str = ""
    fetched_at: float | None = None
    watch_id: str | None = None


class CrawlRow(Row, frozen=True, kw_only=True):
    """One fetching of a page, a part of a site, or a sitemap. `sitemap`: "" none, "auto" the site's own, else an address.
    `counts`: outcome -> pages. `watch_id`: the watch that asked for it."""

    workspace_id: str
    url: str
    depth: int = 0
    sitemap: str = ""
    tags: list[str] = []
    watch_id: str | None = None
    state: CrawlState = "running"
    found: int = 0
    counts: dict[str, int] = {}
    cut: bool = False
    error: dict[str, Any] | None = None
    added_by: str
    created_at: float
    finished_at: float | None = None


class CrawlPageRow(Row, frozen=True, kw_only=True):
    """An address that a crawl has found, in the order of finding. `id`: see library/web/beginning.py. `outcome` "": not looked at yet. `document_id`: what it became, or is waited for by."""

    crawl_id: str
    workspace_id: str
    ordinal: int
    url: str
    depth: int
    outcome: str = ""
    document_id: str | None = None


class WatchRow(Row, frozen=True, kw_only=True):
    """A folder of the server, or an address of the web, whose documents are kept up. `running`: the sync that is under way.
    `last`: what the last one came to; `failures`: how many have failed in a row."""

    workspace_id: str
    kind: Literal["folder", "url"]
    address: str
    depth: int = 0
    sitemap: str = ""
    tags: list[str] = []
    delete_missing: bool = False
    interval_s: float
    paused: bool = False
    next_due: float
    running: str | None = None
    failures: int = 0
    last: dict[str, Any] | None = None
    added_by: str
    created_at: float
    updated_at: float


class WatchFileRow(Row, frozen=True, kw_only=True):
    """A file of a watched folder as it was last seen. `stamp` changes with every write to it. `document_id` "": another document
    has its content."""

    watch_id: str
    workspace_id: str
    path: str
    stamp: str
    sha256: str
    document_id: str = ""


class OutboxRow(Row, frozen=True, kw_only=True):
    """A closing event that must reach the log exactly once. `id` is the event id; removed with the batch that holds it."""

    topics: list[str]
    body: str
    created_at: float


class FlowRow(Row, frozen=True, kw_only=True):
    workspace_id: str
    slug: str
    name: str
    version: int = 1
    definition: dict[str, Any] = {}
    created_at: float
    updated_at: float


class ProviderRow(Row, frozen=True, kw_only=True):
    """A stored provider of models, the server owner's. `slug` stands before its models' ids. `key_sealed`: library/providers.py
    alone opens it; `key_hint`: the key's last four characters. `models`: {name, context_window?, capabilities?}."""

    slug: str
    label: str = ""
    kind: Literal["openai", "anthropic", "transformers"] = "openai"
    base_url: str | None = None
    key_sealed: str | None = None
    key_hint: str | None = None
    models: list[dict[str, Any]] = []
    default_model: str | None = None
    context_window: int | None = None
    fallbacks: list[str] = []
    preferred: bool = False
    enabled: bool = True
    created_at: float
    updated_at: float


class SpaceRow(Row, frozen=True, kw_only=True):
    """The vectors that one embedder made for one workspace (storage/vectors). `embedding`: models.embedding.EmbeddingSpace.
    One space serves; one may be building; those leaving are removed by a job. `removals`: see vectors.contract.SpaceState."""

    workspace_id: str
    embedder: str
    label: str
    fingerprint: str
    dimension: int
    embedding: dict[str, Any]
    state: Literal["serving", "building", "leaving"] = "building"
    removals: int = 0
    created_at: float


class IndexSettingsRow(Row, frozen=True, kw_only=True):
    """How a workspace is indexed, where that differs from the server's settings (None). `id` is the workspace's. `embedder`: `none`,
    or the id of one. `halted`: re-indexing was cancelled and waits to be started again."""

    workspace_id: str
    chunk_characters: int | None = None
    overlap_characters: int | None = None
    embedder: str | None = None
    halted: bool = False


class RecipeRow(Row, frozen=True, kw_only=True):
    """What the chunks of a document's present version were made by: chunker, tokeniser, sizes. `id` is the document's."""

    workspace_id: str
    recipe: str


class Owner(Enum):
    """How a Scope decides on a row."""

    SERVER = "server"
    """Not owned: users, keys, logins, idempotency, outbox. Only access, commands and storage itself read them."""
    WORKSPACE = "workspace"
    """Visible when `scope.sees(row.workspace_id)`."""
    ITSELF = "itself"
    """The workspace row: visible when `scope.sees(row.id)`."""
    SESSION = "session"
    """Visible when the workspace is, and the author is the caller or the visibility is `workspace`."""
    IN_SESSION = "in_session"
    """Visible when the row of `session_id` is (a row without session: when `author_id` is the caller and
    the workspace is visible)."""


OF_DOCUMENTS: frozenset[str] = frozenset({"documents", "pages", "chunks"})
"""Tables whose changes are changes of what can be found (`Store.document_changes`)."""

R = TypeVar("R", bound=Row)


class Table(Struct, Generic[R], frozen=True, kw_only=True):
    name: str
    row: type[R]
    owner: Owner


USERS = Table(name="users", row=UserRow, owner=Owner.SERVER)
LOGINS = Table(name="logins", row=LoginRow, owner=Owner.SERVER)
KEYS = Table(name="keys", row=KeyRow, owner=Owner.SERVER)
WORKSPACES = Table(name="workspaces", row=WorkspaceRow, owner=Owner.ITSELF)
MEMBERS = Table(name="members", row=MemberRow, owner=Owner.WORKSPACE)
SESSIONS = Table(name="sessions", row=SessionRow, owner=Owner.SESSION)
MESSAGES = Table(name="messages", row=MessageRow, owner=Owner.IN_SESSION)
RUNS = Table(name="runs", row=RunRow, owner=Owner.IN_SESSION)
QUEUE = Table(name="queue", row=QueueRow, owner=Owner.IN_SESSION)
COMMANDS = Table(name="commands", row=CommandRow, owner=Owner.SERVER)
DOCUMENTS = Table(name="documents", row=DocumentRow, owner=Owner.WORKSPACE)
PAGES = Table(name="pages", row=PageRow, owner=Owner.WORKSPACE)
LAYOUTS = Table(name="layouts", row=LayoutRow, owner=Owner.WORKSPACE)
REPLACEMENTS = Table(name="replacements", row=ReplacementRow, owner=Owner.WORKSPACE)
WEB_PAGES = Table(name="web_pages", row=WebPageRow, owner=Owner.WORKSPACE)
CRAWLS = Table(name="crawls", row=CrawlRow, owner=Owner.WORKSPACE)
CRAWL_PAGES = Table(name="crawl_pages", row=CrawlPageRow, owner=Owner.WORKSPACE)
WATCHES = Table(name="watches", row=WatchRow, owner=Owner.WORKSPACE)
WATCH_FILES = Table(name="watch_files", row=WatchFileRow, owner=Owner.WORKSPACE)
OUTBOX = Table(name="outbox", row=OutboxRow, owner=Owner.SERVER)
FLOWS = Table(name="flows", row=FlowRow, owner=Owner.WORKSPACE)
PROVIDERS = Table(name="providers", row=ProviderRow, owner=Owner.SERVER)
SPACES = Table(name="spaces", row=SpaceRow, owner=Owner.WORKSPACE)
INDEX_SETTINGS = Table(name="index_settings", row=IndexSettingsRow, owner=Owner.WORKSPACE)
RECIPES = Table(name="recipes", row=RecipeRow, owner=Owner.WORKSPACE)
TABLES: tuple[Table[Any], ...] = (
    USERS, LOGINS, KEYS, WORKSPACES, MEMBERS, SESSIONS, MESSAGES, RUNS, QUEUE, COMMANDS, DOCUMENTS, PAGES, LAYOUTS, REPLACEMENTS,
    WEB_PAGES, CRAWLS, CRAWL_PAGES, WATCHES, WATCH_FILES, OUTBOX, FLOWS, PROVIDERS, SPACES, INDEX_SETTINGS, RECIPES,
)  # fmt: skip
