"""`TopicRing`: the last entries of one topic in memory, bounded in number and bytes. Used by hot_log.py only.

Tests: tests/unit/storage/test_ring.py.
"""

from __future__ import annotations

from collections import deque

from antiphon.storage.event_log.contract import Entry, Listener

ENTRY_OVERHEAD_BYTES = 160  # measured: an Entry with its slot in the deque, without the shared body


class TopicRing:
    """`first_seq` is the seq of the oldest entry at hand; the entries are contiguous up to `head`."""

    __slots__ = ("entries", "head", "last_append_s", "listeners", "size_bytes", "topic")

    def __init__(self, topic: str, head: int) -> None:
        self.topic = topic
        self.head = head
        self.entries: deque[Entry] = deque()
        self.size_bytes = 0
        self.last_append_s = 0.0
        self.listeners: list[Listener] = []

    @property
    def first_seq(self) -> int:
        return self.head - len(self.entries) + 1

    def add(self, entry: Entry, *, max_entries: int, max_bytes: int) -> None:
        self.head = entry.seq
        if self.entries:
            self.entries[-1].forget_wire()
        self.entries.append(entry)
        self.size_bytes += len(entry.body) + ENTRY_OVERHEAD_BYTES
        while len(self.entries) > max_entries or (self.size_bytes > max_bytes and len(self.entries) > 1):
            self._drop_oldest()

    def drop_up_to(self, seq: int) -> None:
        while self.entries and self.entries[0].seq <= seq:
            self._drop_oldest()

    def since(self, seq: int) -> list[Entry] | None:
        """The entries after `seq`; None when some of them are gone, or `seq` lies beyond the head."""
        missing = self.head - seq
        if missing < 0 or missing > len(self.entries):
            return None
        if missing == 0:
            return []
        if missing * 4 < len(self.entries):  # a deque is slow in the middle: walk from the near end
            tail = [self.entries[-k] for k in range(1, missing + 1)]
            tail.reverse()
            return tail
        return [entry for entry in self.entries if entry.seq > seq]

    def _drop_oldest(self) -> None:
        self.size_bytes -= len(self.entries.popleft().body) + ENTRY_OVERHEAD_BYTES
