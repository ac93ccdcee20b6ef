"""Payloads of sessions and messages."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import UNSET, Meta, UnsetType

from antiphon.commands.payloads.fields import Id, Paged, SearchText
from antiphon.protocol.commands import Payload
from antiphon.storage.records.rows import Visibility

Title = Annotated[str, Meta(max_length=400)]


class SessionCreate(Payload):
    """`workspace_id` None: the caller's oldest. `name`: the caller's own name for it; the session of that name is given
    when there is one already."""

    workspace_id: Id | None = None
    title: Title = ""
    name: Annotated[str, Meta(min_length=1, max_length=200)] | None = None


class SessionList(Paged, kw_only=True):
    """`q`: part of the title. `mine`: only the caller's own."""

    workspace_id: Id | None = None
    q: SearchText | None = None
    mine: bool = False


class SessionOne(Payload):
    session_id: Id


class SessionUpdate(Payload):
    session_id: Id
    title: Title | UnsetType = UNSET
    visibility: Visibility | UnsetType = UNSET
    pinned: bool | UnsetType = UNSET


class MessageList(Payload):
    """`before`: a message id, the page ends just before it."""

    session_id: Id
    before: Id | None = None
    limit: Annotated[int, Meta(ge=1, le=300)] = 50


class SessionExport(Payload):
    session_id: Id
    format: Literal["md", "json"] = "md"
