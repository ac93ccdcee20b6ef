"""Payloads of what is done to messages that are there, and to questions that wait."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta

from antiphon.commands.payloads.fields import Id
from antiphon.protocol.commands import Payload

Model = Annotated[str, Meta(max_length=200)]
Content = Annotated[str, Meta(max_length=1_000_000)]
"""Bounded by the setting `limits.message_characters` besides."""
Seed = Annotated[int, Meta(ge=0, lt=2**31)]
Comment = Annotated[str, Meta(max_length=4000)]


class Regenerate(Payload):
    """`message_id`: an answer, or its question. `model` None: the one that answered before."""

    message_id: Id
    model: Model | None = None
    seed: Seed | None = None


class EditMessage(Payload):
    """`message_id`: a question. It is asked of the same documents."""

    message_id: Id
    content: Content
    model: Model | None = None
    seed: Seed | None = None


class SwitchBranch(Payload):
    """`message_id`: any message of the branch; where it goes on in several, the one that was spoken in last."""

    message_id: Id


class Feedback(Payload):
    """`message_id`: an answer. `rating` None takes back what was said."""

    message_id: Id
    rating: Literal["good", "bad"] | None
    comment: Comment = ""


class QueueChange(Payload):
    """`before`: another waiting run to go before. `to_end`: behind all others."""

    run_id: Id
    content: Content | None = None
    before: Id | None = None
    to_end: bool = False


class QueueSend(Payload):
    """Now instead of later. `how`: as `on_busy` of a chat_message."""

    run_id: Id
    how: Literal["steer", "interrupt"] = "steer"
