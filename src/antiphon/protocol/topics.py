"""Topics: `{kind}:{id}`. One table gives each kind its right and retention; the log knows only opaque names.

Snapshot builders are registered by the composition root (transports/snapshots.py). Tests: tests/unit/protocol/test_topics.py.
"""

from __future__ import annotations

from typing import Literal, get_args

from msgspec import Struct

from antiphon.core.errors import BadRequest

TopicKind = Literal["session", "run", "workspace", "user"]
KINDS: tuple[TopicKind, ...] = get_args(TopicKind)


class Topic(Struct, frozen=True):
    kind: TopicKind
    id: str

    def __str__(self) -> str:
        return f"{self.kind}:{self.id}"


def parse_topic(text: str) -> Topic:
    """Raises BadRequest for anything but `{kind}:{id}` with a known kind."""
    kind, separator, ident = text.partition(":")
    for known in KINDS:
        if kind == known and separator and ident and ident.replace("_", "").replace("-", "").isalnum() and ident.isascii():
            return Topic(known, ident)
    raise BadRequest(f"No topic {text[:80]!r}: a topic is one of {', '.join(k + ':ID' for k in KINDS)}.")


def session_topic(session_id: str) -> str:
    return f"session:{session_id}"


def run_topic(run_id: str) -> str:
    return f"run:{run_id}"


def workspace_topic(workspace_id: str) -> str:
    return f"workspace:{workspace_id}"


def user_topic(user_id: str) -> str:
    return f"user:{user_id}"
