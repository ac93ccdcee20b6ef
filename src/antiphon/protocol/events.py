"""Every frame the server sends, as msgspec Structs tagged by `type`. Durable events carry `seq` (added by the log).

Bodies are encoded once (`codec.encode_body`) and shared by all topics and subscribers; the envelope fields `timestamp`,
`seq`, `topic`, `prev_seq` and `epoch` are spliced on afterwards. Add fields freely, never rename. Normative text:
docs/protocol.md section 4. Tests: tests/unit/protocol/test_events.py.
"""

from __future__ import annotations

from typing import Any, Literal

from msgspec import UNSET, Struct, UnsetType


class Event(Struct, kw_only=True, omit_defaults=True, tag_field="type", gc=False):
    """Fields that any event may carry. `cause` is the id of the command that led to it."""

    session_id: str | None = None
    run_id: str | None = None
    message_id: str | None = None
    cause: str | None = None


# --- durable, of a run -------------------------------------------------------------------------------------------------


class UserMessage(Event, tag="user_message"):
    content: str
    parent_id: str | None = None
    attachments: list[dict[str, Any]] = []
    author: dict[str, str | None] = {}
    client_id: str | None = None
    siblings: list[str] = []


class RunStarted(Event, tag="run_started"):
    kind: Literal["chat", "flow"]
    model: str
    attempt: int
    flow_id: str | None = None
    parent_run_id: str | None = None
    parent_id: str | None = None
    siblings: list[str] = []


class RunQueued(Event, tag="run_queued"):
    """A question waits behind the session's answer, or has been changed while it waits. `content` is cut; `length`: of it all.
    It leaves the queue with the `run_started` or `complete` of its run."""

    content: str
    length: int
    position: float
    model: str
    author: dict[str, str | None] = {}
    client_id: str | None = None


class RunSteered(Event, tag="run_steered"):
    """New words for the answer that is being written; it goes on from `offset` with them."""

    steer_id: str
    content: str
    offset: int
    author: dict[str, str | None] = {}


class Status(Event, tag="status"):
    """`phase`: queued, condensing, retrieving, reranking, generating, steering, tool, ... `content` is for people."""

    phase: str
    content: str
    counts: dict[str, int] = {}
    elapsed_ms: int | UnsetType = UNSET
    progress: float | UnsetType = UNSET


class Sources(Event, tag="sources"):
    """`sources`: see `antiphon.runs.sources.source_of`; snippets are at most 1,000 characters."""

    sources: list[dict[str, Any]] | UnsetType = UNSET


class Refusal(Event, tag="refusal"):
    """The answer is a refusal: the documents do not say. `reason`: `low_evidence` or `nothing_found`. `nearest`:
    [{document_id, title}]; `searched`: passages; `documents`: how many were chosen, when a choice was made."""

    reason: str
    nearest: list[dict[str, str]] | UnsetType = UNSET
    searched: int | UnsetType = UNSET
    workspaces: int | UnsetType = UNSET
    documents: int | UnsetType = UNSET


class Suggestion(Event, tag="suggestion"):
    """After `complete`. `command`: a whole command frame but for its id; sending it does what is suggested."""

    suggestion_id: str
    kind: Literal["extract", "followup"]
    text: str
    document_id: str | None = None
    anchor: str | None = None
    page: int | None = None
    command: dict[str, Any] = {}


class SuggestionDismissed(Event, tag="suggestion_dismissed"):
    suggestion_id: str


class Citation(Event, tag="citation"):
    """`start`, `end`: code points of the answer. `source_id` None: the mark has no source."""

    n: int
    source_id: str | UnsetType | None = UNSET
    start: int | UnsetType = UNSET
    end: int | UnsetType = UNSET
    source_start: int | UnsetType = UNSET
    source_end: int | UnsetType = UNSET


class AnswerChunk(Event, tag="answer_chunk"):
    """`offset`: code points of the message before this piece."""

    content: str
    offset: int | UnsetType = UNSET


class ReasoningChunk(Event, tag="reasoning_chunk"):
    content: str
    offset: int | UnsetType = UNSET


class AnswerReplace(Event, tag="answer_replace"):
    content: str
    reason: str


class ToolCall(Event, tag="tool_call"):
    tool_call_id: str
    name: str
    phase: Literal["started", "arguments", "running", "result", "failed", "denied"]
    arguments: str | UnsetType = UNSET
    result_summary: str | UnsetType = UNSET
    result_ref: str | UnsetType = UNSET
    duration_ms: int | UnsetType = UNSET


class Usage(Event, tag="usage"):
    prompt_tokens: int | UnsetType | None = UNSET
    completion_tokens: int | UnsetType | None = UNSET
    first_token_ms: int | UnsetType | None = UNSET
    retrieval_ms: int | UnsetType | None = UNSET
    tokens_per_s: float | UnsetType | None = UNSET
    tool_calls: int | UnsetType = UNSET


class Complete(Event, tag="complete"):
    """Once per run and topic. `text_sha256`: hex, of the answer's UTF-8; `text_length`: code points."""

    status: Literal["completed", "stopped", "failed", "interrupted"]
    text_length: int | UnsetType = UNSET
    text_sha256: str | UnsetType = UNSET
    finish_reason: str | None = None
    stopped_by: dict[str, str] | None = None


class RunError(Event, tag="error"):
    """Durable when it belongs to a run; without `seq` when it belongs to a connection."""

    code: str
    message: str
    retryable: bool | UnsetType = UNSET
    retry_after_ms: int | None = None
    data: dict[str, Any] = {}


# --- durable, of nodes (topic run, node_status on the session) -----------------------------------------------------------


class NodeStarted(Event, tag="node_started"):
    node_id: str
    label: str
    iteration: int | UnsetType = UNSET


class NodeChunk(Event, tag="node_chunk"):
    node_id: str
    port: str
    content: str
    offset: int | UnsetType = UNSET


class NodeOutput(Event, tag="node_output"):
    """`output` is a small JSON-able summary; larger ones go by `output_ref`."""

    node_id: str
    port: str
    output: Any = None
    output_ref: str | None = None


class NodeFinished(Event, tag="node_finished"):
    node_id: str
    duration_ms: int | UnsetType = UNSET
    cached: bool | UnsetType = UNSET


class NodeFailed(Event, tag="node_failed"):
    node_id: str
    code: str
    message: str
    duration_ms: int | UnsetType = UNSET


class NodeStatus(Event, tag="node_status"):
    node_id: str
    label: str
    state: Literal["running", "finished", "failed", "skipped"]


# --- durable, of conversations, users and workspaces ----------------------------------------------------------------------


class SessionCreated(Event, tag="session_created"):
    session: dict[str, Any]


class SessionUpdated(Event, tag="session_updated"):
    changes: dict[str, Any]


class SessionDeleted(Event, tag="session_deleted"):
    pass


class RunStateChanged(Event, tag="run_state"):
    state: str


class MessageUpdated(Event, tag="message_updated"):
    changes: dict[str, Any]


class MessageDeleted(Event, tag="message_deleted"):
    pass


class Feedback(Event, tag="feedback"):
    """What somebody thinks of an answer; replaces what the same person said before. `rating` None: taken back."""

    rating: Literal["good", "bad"] | None
    author: dict[str, str | None]
    comment: str = ""
    created_at: str | UnsetType = UNSET


class Notice(Event, tag="notice"):
    notice_id: str
    content: str
    level: Literal["info", "warning", "error"] = "info"
    source: str | None = None


class DocumentProgress(Event, tag="document_progress"):
    document_id: str
    stage: str
    done: int | UnsetType = UNSET
    total: int | UnsetType | None = UNSET
    pages_ready: int | UnsetType = UNSET
    eta_ms: int | None = None


class IndexProgress(Event, tag="index_progress"):
    """A workspace is indexed anew; the old index serves. `stage`: cutting, embedding, waiting (see `reason`), cancelled, ready."""

    workspace_id: str
    stage: str
    done: int
    total: int
    eta_ms: int | None = None
    reason: str | None = None


class DocumentReady(Event, tag="document_ready"):
    document_id: str
    name: str
    passages: int | UnsetType = UNSET


class DocumentFailed(Event, tag="document_failed"):
    document_id: str
    name: str
    error: dict[str, Any]


class DocumentDeleted(Event, tag="document_deleted"):
    document_id: str


class WatchSynced(Event, tag="watch_synced"):
    """A sync of a watched folder or address has ended. `state`: ok, partial (some could not be had) or failed. `counts`: outcome ->
    documents."""

    watch_id: str
    state: str
    counts: dict[str, int]
    next_due: str
    error: dict[str, Any] | None = None


# --- ephemeral: no seq, never replayed -----------------------------------------------------------------------------------


class Welcome(Event, tag="welcome"):
    connection_id: str
    user: dict[str, str]
    limits: dict[str, Any]
    heartbeat_ms: int
    features: list[str]


class Ack(Event, tag="ack"):
    """Every field is always there: `result` when ok, `error` when not."""

    reply_to: str | None
    ok: bool
    result: dict[str, Any] | None
    error: dict[str, Any] | None
    duplicate: bool


class Subscribed(Event, tag="subscribed"):
    topic: str
    epoch: str
    seq: int
    mode: Literal["replay", "snapshot", "live"]


class Unsubscribed(Event, tag="unsubscribed"):
    topic: str
    code: str | None = None
    reason: str | None = None


class Snapshot(Event, tag="snapshot"):
    """Replaces all the client knows of the topic. `messages`: the last 50 of the active branch, shape of the REST
    message; texts beyond the frame limit come with `content_ref` instead."""

    topic: str
    epoch: str
    seq: int
    messages: list[dict[str, Any]] | UnsetType = UNSET
    active_runs: list[dict[str, Any]] | UnsetType = UNSET
    pending_inputs: list[dict[str, Any]] | UnsetType = UNSET
    has_more: bool | UnsetType = UNSET
    queue: list[dict[str, Any]] | UnsetType = UNSET
    state: dict[str, Any] | UnsetType = UNSET


class Ping(Event, tag="ping"):
    """`heads`: {topic: seq} of this connection's subscriptions."""

    heads: dict[str, int]


class Draining(Event, tag="draining"):
    reconnect_in_ms: int


class TokenExpiring(Event, tag="token_expiring"):
    expires_in_ms: int


class Close(Event, tag="close"):
    """The last frame of an event stream or a poll that the server ends: what a socket's close code and reason say."""

    code: int
    reason: str


DURABLE_EVENTS: tuple[type[Event], ...] = (
    UserMessage, RunQueued, RunStarted, RunSteered, Status, Sources, Refusal, Suggestion, SuggestionDismissed, Citation, AnswerChunk,
    ReasoningChunk, AnswerReplace, ToolCall, Usage, Complete, RunError, NodeStarted, NodeChunk, NodeOutput, NodeFinished, NodeFailed,
    NodeStatus, SessionCreated, SessionUpdated, SessionDeleted, RunStateChanged, MessageUpdated, MessageDeleted, Feedback, Notice,
    DocumentProgress, DocumentReady, DocumentFailed, DocumentDeleted, WatchSynced, IndexProgress,
)  # fmt: skip
EPHEMERAL_EVENTS: tuple[type[Event], ...] = (
    Welcome, Ack, Subscribed, Unsubscribed, Snapshot, Ping, Draining, TokenExpiring, Close,
)  # fmt: skip
