"""`EventLog`: the contract of the hot log. Backends: memory.py, sqlite.py (both on `ring.py`).

A position is (epoch, seq). seq starts at 1 in each topic and epoch and grows by exactly 1. The epoch is the log's
incarnation: a new one after an unclean stop or a restore, so that a position of a log that lost its tail is never
mistaken for one of the log that went on (client at (a, 120), crash, log back at (a, 117), new events 118..: the client
would drop three events it never saw).

Conformance: antiphon.testing.conformance.event_log. Subsystem: docs/subsystems/event_log.md.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from msgspec import Struct

from antiphon.protocol.events import Event


class Position(Struct, frozen=True):
    epoch: str
    seq: int


class Entry:
    """One event of one topic as the log holds it: its body is encoded once for all topics and subscribers.

    `frame` is the JSON object as sent (UTF-8); `wire` the same as an unmasked WebSocket text frame, kept while it is the
    topic's newest entry, so that all subscribers of a tick share it.
    """

    __slots__ = ("_wire", "body", "kind", "seq", "topic")

    def __init__(self, topic: str, seq: int, kind: str, body: bytes) -> None:
        self.topic = topic
        self.seq = seq
        self.kind = kind
        self.body = body
        self._wire: bytes | None = None

    @property
    def frame(self) -> bytes:
        return b'%b,"seq":%d,"topic":"%b"}' % (self.body[:-1], self.seq, self.topic.encode())

    @property
    def wire(self) -> bytes:
        if self._wire is None:
            self._wire = text_frame(self.frame)
        return self._wire

    def forget_wire(self) -> None:
        self._wire = None


def text_frame(payload: bytes) -> bytes:
    """An unmasked, final WebSocket text frame (RFC 6455 section 5.2)."""
    size = len(payload)
    if size < 126:
        return bytes((0x81, size)) + payload
    if size < 65536:
        return b"\x81\x7e" + size.to_bytes(2, "big") + payload
    return b"\x81\x7f" + size.to_bytes(8, "big") + payload


Listener = Callable[[Entry], None]
"""Called in the loop's thread, in order, right after the append. Must not raise, wait or append."""


class EventLog(Protocol):
    @property
    def epoch(self) -> str: ...

    def append(self, topics: Sequence[str], event: Event, *, event_id: str | None = None) -> None:
        """Gives the event its seq in each topic and fans it out. Never waits; durable with the next batch.

        `event_id` names an outbox row that is removed in the transaction that makes the event durable.
        Raises ShuttingDown after `close` began."""
        ...

    async def head(self, topic: str) -> Position:
        """The position of the last event; seq 0 for a topic without events."""
        ...

    async def read(self, topic: str, since: Position, *, max_entries: int | None = None) -> list[Entry] | None:
        """All entries after `since` up to the head, in order; None when they are not all at hand (another epoch, a seq
        above the head, trimmed, or more than `max_entries`)."""
        ...

    def subscribe(self, topic: str, listener: Listener) -> Callable[[], None]:
        """Calls `listener` for every later append to the topic; the returned function ends that (idempotent)."""
        ...

    def is_followed(self, topic: str) -> bool:
        """Whether anybody listens to the topic now."""
        ...

    def trim(self, topic: str, *, up_to_seq: int) -> None:
        """Forgets the entries with seq <= `up_to_seq`. The head stays."""
        ...

    async def flush(self) -> None:
        """Returns when everything appended before the call is durable."""
        ...

    async def close(self) -> None:
        """Flushes, and marks the log as cleanly closed so that the epoch lives on. Idempotent."""
        ...
