"""The objects inside events: what a source, a citation, a message and so on look like on the wire.

The events themselves carry them as plain dicts (they come from the records as they are); these types say their fields to people
and to the generator of the web app's TypeScript (scripts/generate_web_types.py). tests/integration/live/test_web_shapes.py decodes
what a real server sends as these types, so a drift is seen.
"""

from __future__ import annotations

from typing import Any, Literal

from msgspec import UNSET, Struct, UnsetType

from antiphon.protocol.commands import QuestionScope


class Source(Struct, kw_only=True):
    """`start`, `end`: code points in the stored text of the page, half open. `snippet`: at most 1,000 characters."""

    n: int
    source_id: str
    workspace_id: str
    document_id: str
    version: int
    title: str
    media_type: str
    start: int
    end: int
    chunk_id: int
    score: float
    snippet: str
    page: int | UnsetType = UNSET
    anchor: str | UnsetType = UNSET


class CitationMark(Struct, kw_only=True):
    """`start`, `end`: code points of the answer. `source_id` None: the mark has no source."""

    n: int
    source_id: str | UnsetType | None = UNSET
    start: int | UnsetType = UNSET
    end: int | UnsetType = UNSET
    source_start: int | UnsetType = UNSET
    source_end: int | UnsetType = UNSET


class Author(Struct, kw_only=True):
    id: str | UnsetType | None = UNSET
    name: str | UnsetType | None = UNSET


class MessageError(Struct, kw_only=True):
    code: str
    message: str


class NearDocument(Struct, kw_only=True):
    document_id: str
    title: str


class RefusalFacts(Struct, kw_only=True):
    """What a refusal says of the search: `searched` passages, `workspaces`, `documents` chosen, and what came nearest."""

    reason: str
    nearest: list[NearDocument] | UnsetType = UNSET
    searched: int | UnsetType = UNSET
    workspaces: int | UnsetType = UNSET
    documents: int | UnsetType = UNSET


class OfferedCommand(Struct, kw_only=True):
    """A whole command but for its id."""

    type: Literal["chat_message"]
    content: str
    session_id: str | UnsetType = UNSET
    scope: QuestionScope | UnsetType = UNSET


class OfferedSuggestion(Struct, kw_only=True):
    suggestion_id: str
    kind: Literal["extract", "followup"]
    text: str
    document_id: str | UnsetType | None = UNSET
    anchor: str | UnsetType | None = UNSET
    page: int | UnsetType | None = UNSET
    command: OfferedCommand | UnsetType = UNSET


class WireMessage(Struct, kw_only=True):
    """`content_ref`: the text is too long for a frame and is read there; `text_length` code points of it belong here."""

    id: str
    role: Literal["user", "assistant"]
    content: str
    state: Literal["streaming", "complete", "stopped", "failed", "interrupted"]
    sources: list[Source]
    citations: list[CitationMark]
    created_at: str | UnsetType = UNSET
    run_id: str | UnsetType | None = UNSET
    parent_id: str | UnsetType | None = UNSET
    client_id: str | UnsetType | None = UNSET
    author: Author | UnsetType = UNSET
    stopped_by: str | UnsetType = UNSET
    error: MessageError | UnsetType = UNSET
    usage: dict[str, Any] | UnsetType = UNSET
    content_ref: str | UnsetType = UNSET
    text_length: int | UnsetType = UNSET
    refusal: RefusalFacts | UnsetType = UNSET
    suggestions: list[OfferedSuggestion] | UnsetType = UNSET


class ActiveRun(Struct, kw_only=True):
    run_id: str
    state: str
    message_id: str | UnsetType | None = UNSET


class WireSession(Struct, kw_only=True):
    id: str
    workspace_id: str
    title: str
    visibility: Literal["private", "workspace"]
    pinned: bool
    created_at: str
    updated_at: str
    author_id: str
    name: str | UnsetType | None = UNSET


class WireFailure(Struct, kw_only=True):
    code: str
    message: str
    retryable: bool | UnsetType = UNSET
    data: dict[str, Any] | UnsetType = UNSET


class WireUser(Struct, kw_only=True):
    id: str
    name: str


SHAPED_FIELDS: dict[tuple[str, str], Any] = {
    ("sources", "sources"): list[Source] | UnsetType,
    ("refusal", "nearest"): list[NearDocument] | UnsetType,
    ("suggestion", "command"): OfferedCommand | UnsetType,
    ("snapshot", "messages"): list[WireMessage] | UnsetType,
    ("snapshot", "active_runs"): list[ActiveRun] | UnsetType,
    ("session_created", "session"): WireSession,
    ("user_message", "author"): Author | UnsetType,
    ("document_failed", "error"): WireFailure,
    ("ack", "error"): WireFailure | None,
    ("welcome", "user"): WireUser,
}
"""(event, field) -> the type that the generated TypeScript gives it instead of a plain dict."""
