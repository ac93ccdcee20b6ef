"""`HotLog`: rings, sequence numbers and fan-out, common to the embedded backends. How it becomes durable is the backends'.

Loop-thread only. Subsystem: docs/subsystems/event_log.md. Tests: tests/conformance/test_event_log.py,
tests/unit/storage/test_hot_log.py.
"""

from __future__ import annotations

import abc
from collections.abc import Callable, Sequence

from antiphon.core.errors import ShuttingDown
from antiphon.core.runtime import Runtime
from antiphon.core.timestamps import Timestamps
from antiphon.protocol.codec import encode_body
from antiphon.protocol.events import Event
from antiphon.storage.event_log.contract import Entry, Listener, Position
from antiphon.storage.event_log.ring import TopicRing

MAX_RESIDENT_BYTES = 64 * 2**20
"""All rings together; beyond it the rings that were silent longest leave memory, and those with listeners are cut short
(who comes back to them from further away gets a snapshot)."""
KEPT_ENTRIES = 64


class HotLog(abc.ABC):
    def __init__(self, *, runtime: Runtime, epoch: str, ring_entries: int, ring_bytes: int, idle_s: float) -> None:
        self._clock = runtime.clock
        self._timestamps = Timestamps(runtime.clock)
        self._epoch = epoch
        self._ring_entries = ring_entries
        self._ring_bytes = ring_bytes
        self._idle_s = idle_s
        self._rings: dict[str, TopicRing] = {}
        self._closed = False

    # --- what a backend adds ------------------------------------------------------------------------------------------

    @abc.abstractmethod
    def _stored_head(self, topic: str) -> int:
        """The head of a topic that is not in memory; 0 for one without events in this epoch."""

    @abc.abstractmethod
    def _record(self, body: bytes, places: list[Entry], event_id: str | None) -> None:
        """Takes an event for the next durable batch."""

    @abc.abstractmethod
    def _remember_head(self, topic: str, head: int) -> None:
        """A ring leaves memory: its head must be found by `_stored_head` from now on."""

    @abc.abstractmethod
    async def flush(self) -> None: ...

    @abc.abstractmethod
    async def close(self) -> None: ...

    # --- EventLog -----------------------------------------------------------------------------------------------------

    @property
    def epoch(self) -> str:
        return self._epoch

    def append(self, topics: Sequence[str], event: Event, *, event_id: str | None = None) -> None:
        if self._closed:
            raise ShuttingDown("The server is stopping; nothing can be added any more.")
        body = encode_body(event, self._timestamps.now())
        kind = str(event.__struct_config__.tag)
        moment = self._clock.monotonic()
        entries: list[Entry] = []
        followed: list[tuple[Entry, TopicRing]] = []
        for topic in topics:
            ring = self._rings.get(topic) or self._ring(topic)
            entry = Entry(topic, ring.head + 1, kind, body)
            ring.add(entry, max_entries=self._ring_entries, max_bytes=self._ring_bytes)
            ring.last_append_s = moment
            entries.append(entry)
            if ring.listeners:
                followed.append((entry, ring))
        self._record(body, entries, event_id)
        for entry, ring in followed:
            for listener in tuple(ring.listeners):
                listener(entry)

    async def head(self, topic: str) -> Position:
        return self.head_now(topic)

    def head_now(self, topic: str) -> Position:
        """As `head`, without waiting: what snapshot builders need to read several things at one moment."""
        ring = self._rings.get(topic)
        return Position(self._epoch, ring.head if ring is not None else self._stored_head(topic))

    async def read(self, topic: str, since: Position, *, max_entries: int | None = None) -> list[Entry] | None:
        if since.epoch != self._epoch or since.seq < 0:
            return None
        ring = self._rings.get(topic)
        if ring is None:
            return [] if self._stored_head(topic) == since.seq else None
        if max_entries is not None and ring.head - since.seq > max_entries:
            return None
        return ring.since(since.seq)

    def subscribe(self, topic: str, listener: Listener) -> Callable[[], None]:
        ring = self._ring(topic)
        ring.listeners.append(listener)

        subscribed = True

        def unsubscribe() -> None:
            nonlocal subscribed
            current = self._rings.get(topic)
            if subscribed and current is not None and listener in current.listeners:
                current.listeners.remove(listener)
            subscribed = False

        return unsubscribe

    def is_followed(self, topic: str) -> bool:
        ring = self._rings.get(topic)
        return ring is not None and bool(ring.listeners)

    def trim(self, topic: str, *, up_to_seq: int) -> None:
        ring = self._rings.get(topic)
        if ring is not None:
            ring.drop_up_to(up_to_seq)

    # --- memory ---------------------------------------------------------------------------------------------------------

    @property
    def resident_bytes(self) -> int:
        return sum(ring.size_bytes for ring in self._rings.values())

    @property
    def listener_count(self) -> int:
        return sum(len(ring.listeners) for ring in self._rings.values())

    def evict_idle(self) -> int:
        """Lets go of rings nobody listens to: those silent for `idle_s`, and the oldest beyond the memory bound; then cuts
        the others. Called from time to time by the composition root; the number of rings that left or were cut."""
        now = self._clock.monotonic()
        by_age = sorted(self._rings.values(), key=lambda ring: ring.last_append_s)
        resident = self.resident_bytes
        touched = 0
        for ring in by_age:
            idle = now - ring.last_append_s >= self._idle_s
            if not ring.listeners and (idle or resident > MAX_RESIDENT_BYTES):
                resident -= ring.size_bytes
                self._remember_head(ring.topic, ring.head)
                del self._rings[ring.topic]
                touched += 1
        for ring in by_age:
            if resident <= MAX_RESIDENT_BYTES:
                break
            if ring.listeners and len(ring.entries) > KEPT_ENTRIES:
                before = ring.size_bytes
                ring.drop_up_to(ring.head - KEPT_ENTRIES)
                resident -= before - ring.size_bytes
                touched += 1
        return touched

    def _ring(self, topic: str) -> TopicRing:
        ring = self._rings.get(topic)
        if ring is None:
            ring = self._rings[topic] = TopicRing(topic, self._stored_head(topic))
            ring.last_append_s = self._clock.monotonic()
        return ring
