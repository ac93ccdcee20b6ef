"""Commands of the realtime protocol, client -> server: each has `id`, each gets exactly one `ack`.

`id` is a client UUID and the idempotency key. Extra fields are refused (they would be silently ignored rights).
Normative: docs/protocol.md section 5. Tests: tests/unit/protocol/test_commands.py.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import Meta, Struct


class Payload(Struct, kw_only=True, forbid_unknown_fields=True):
    """Root of all payloads: what a command carries besides `type` and `id`."""


class Since(Struct, frozen=True):
    epoch: str
    seq: int


class SubscribeFilter(Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    types: list[str] | None = None
    nodes: list[str] | None = None


class QuestionScope(Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """`section`: the headings of a section, outermost first, of the one document in `document_ids`."""

    workspace_ids: list[str] | None = None
    document_ids: list[str] | None = None
    tags: list[str] | None = None
    paths: list[str] | None = None
    section: list[str] | None = None


class SuggestionDismiss(Payload):
    session_id: Annotated[str, Meta(min_length=1, max_length=128)]
    suggestion_id: Annotated[str, Meta(min_length=1, max_length=128)]


class Hello(Payload):
    token: str | None = None


class AuthRefresh(Payload):
    """New credentials of the same user on an open connection. Without `token`: those of the handshake, prolonged since."""

    token: str | None = None


class Subscribe(Payload):
    topic: str
    since: Since | None = None
    filter: SubscribeFilter | None = None


class Unsubscribe(Payload):
    topic: str


class ChatMessage(Payload):
    content: str
    session_id: str | None = None
    workspace_id: str | None = None
    attachments: list[dict[str, Any]] = []
    model: str | None = None
    scope: QuestionScope | None = None
    parent_id: str | None = None
    draft: str | None = None
    seed: Annotated[int, Meta(ge=0, lt=2**31)] | None = None
    on_busy: Literal["reject", "queue", "steer", "interrupt"] = "reject"


class Stop(Payload):
    run_id: str | None = None
    session_id: str | None = None


class History(Payload):
    """`before`: a message id; `limit` 1..300."""

    topic: str
    before: str | None = None
    limit: int = 50


class Pong(Payload):
    pass
