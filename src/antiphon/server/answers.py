"""The shapes of REST answers, for the OpenAPI description only: handlers build plain dicts, and
tests/integration/http/test_http_real_table.py decodes real answers as these types, so a drift is seen.

Names of fields are final (names.md); a field with a default may be absent.
"""

from __future__ import annotations

from typing import Any, Final, Literal

from msgspec import UNSET, Struct, UnsetType

from antiphon.protocol.shapes import WireMessage, WireSession


class FailureDetail(Struct, kw_only=True):
    code: str
    message: str
    retryable: bool
    request_id: str
    data: dict[str, Any] | UnsetType = UNSET


class Failure(Struct, kw_only=True):
    error: FailureDetail


class UserName(Struct, kw_only=True):
    id: str
    name: str


class SignedIn(Struct, kw_only=True):
    user: UserName


class User(UserName, kw_only=True):
    server_owner: bool
    suspended: bool = False


class Me(Struct, kw_only=True):
    """`key_workspace`, `key_role`: what the API key of this request is narrowed to."""

    id: str
    name: str
    server_owner: bool
    has_password: bool
    key_workspace: str | None
    key_role: str | None


class Workspace(Struct, kw_only=True):
    id: str
    slug: str
    name: str
    model: str | None
    instructions: str
    mode: Literal["documents_only", "open"]
    k: int
    language: str | None


class Member(Struct, kw_only=True):
    user_id: str
    role: Literal["owner", "editor", "viewer"]


class AddedDocument(Struct, kw_only=True):
    """`version`: the one that is being made, or that was there already."""

    id: str
    name: str
    state: str
    change: Literal["added", "unchanged", "replaced", "duplicate"]
    version: int
    duplicate_of: str | UnsetType | None = UNSET


class AddedDocuments(Struct, kw_only=True):
    documents: list[AddedDocument]


class Document(Struct, kw_only=True):
    """`progress`: what the present stage has done of its total."""

    id: str
    name: str
    path: str
    tags: list[str]
    state: Literal["queued", "parsing", "indexing", "embedding", "ready", "failed", "deleting"]
    searchable: bool
    media_type: str
    bytes: int
    sha256: str
    version: int
    pages: int | None
    pages_ready: int
    passages: int
    progress: dict[str, Any] | None
    error: dict[str, Any] | UnsetType | None = UNSET


class PageAnchor(Struct, kw_only=True):
    """Holds from `start` up to the next one."""

    anchor: str
    start: int


class PageHeading(Struct, kw_only=True):
    title: str
    level: int
    start: int


class PageText(Struct, kw_only=True):
    page: int
    text: str
    anchors: list[PageAnchor]
    headings: list[PageHeading]


class Section(Struct, kw_only=True):
    """A heading and the text below it: from (page, start) up to (end_page, end)."""

    title: str
    level: int
    page: int
    start: int
    end_page: int
    end: int


class PageStart(Struct, kw_only=True):
    """`start`: in the whole text, whose pages have one character between them."""

    page: int
    start: int
    characters: int


class Outline(Struct, kw_only=True):
    document_id: str
    version: int
    title: str
    headings: list[Section]
    pages: list[PageStart]


class Rectangles(Struct, kw_only=True):
    """`rects`: `[x0, y0, x1, y1]` in PDF points from the top left of the page as displayed."""

    page: int
    width: float
    height: float
    rects: list[list[float]]


class FoundPassage(Struct, kw_only=True):
    """`start`, `end`: code points in the stored text of the page, half open."""

    chunk_id: int
    document_id: str
    version: int
    title: str
    start: int
    end: int
    score: float
    text: str
    page: int | UnsetType | None = UNSET
    anchor: str | UnsetType | None = UNSET


class Found(Struct, kw_only=True):
    passages: list[FoundPassage]
    took_ms: float
    mode: str


class ModelInfo(Struct, kw_only=True):
    id: str
    provider: str
    label: str


class Models(Struct, kw_only=True):
    """`default`: the id that answers when none is chosen."""

    items: list[ModelInfo]
    next_cursor: str | None
    default: str


class RunRecord(Struct, kw_only=True):
    """`record`: what the run noted of itself (retrieval, nodes, counts); its fields are not fixed."""

    id: str
    state: str
    model: str | None
    session_id: str | None
    record: dict[str, Any] | None
    created_at: str
    finished_at: str | None
    error: dict[str, Any] | None = None


class Key(Struct, kw_only=True):
    id: str
    name: str


class NewKey(Struct, kw_only=True):
    """`key` is shown this once and stored nowhere."""

    id: str
    key: str


class Ticket(Struct, kw_only=True):
    ticket: str
    expires_in_s: float


class Ack(Struct, kw_only=True):
    type: Literal["ack"]
    reply_to: str | None
    ok: bool
    result: dict[str, Any] | None
    error: FailureDetail | None
    duplicate: bool


class Users(Struct, kw_only=True):
    items: list[User]
    next_cursor: str | None


class Workspaces(Struct, kw_only=True):
    items: list[Workspace]
    next_cursor: str | None


class Members(Struct, kw_only=True):
    items: list[Member]
    next_cursor: str | None


class Documents(Struct, kw_only=True):
    documents: list[Document]
    next_cursor: str | None


class Sessions(Struct, kw_only=True):
    items: list[WireSession]
    next_cursor: str | None


class Messages(Struct, kw_only=True):
    items: list[WireMessage]
    next_cursor: str | None


class Keys(Struct, kw_only=True):
    items: list[Key]
    next_cursor: str | None


ANSWERS: Final[dict[str, type[Struct]]] = {
    "login": SignedIn, "sign_in": SignedIn, "user_create": User, "user_update": User, "user_list": Users,
    "workspace_create": Workspace, "workspace_get": Workspace, "workspace_update": Workspace, "workspace_list": Workspaces,
    "member_list": Members, "member_put": Member, "document_add": AddedDocuments, "document_list": Documents,
    "document_get": Document, "document_change": Document, "document_replace": AddedDocument, "document_outline": Outline, "document_page_text": PageText, "document_rects": Rectangles, "search": Found,
    "session_create": WireSession, "session_get": WireSession, "session_update": WireSession, "session_list": Sessions,
    "message_list": Messages, "key_create": NewKey, "key_list": Keys, "ws_ticket": Ticket, "command": Ack,
    "model_list": Models, "run_get": RunRecord, "me": Me,
}  # fmt: skip
"""Verb -> its answer. Verbs that are missing answer with an object without fixed fields."""
