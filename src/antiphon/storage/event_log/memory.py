"""The event log in memory: for tests and simulations. Public through antiphon.testing. Same rules, nothing durable.

Tests: tests/conformance/test_event_log.py.
"""

from __future__ import annotations

from antiphon.core.runtime import Runtime
from antiphon.storage.event_log.contract import Entry
from antiphon.storage.event_log.hot_log import HotLog


class MemoryEventLog(HotLog):
    """`flushed` holds the bodies that a `flush` has passed, in order: what a durable log would have committed."""

    def __init__(
        self,
        *,
        runtime: Runtime,
        ring_entries: int = 8192,
        ring_bytes: int = 2**20,
        idle_s: float = 600.0,
        epoch: str | None = None,
    ) -> None:
        super().__init__(
            runtime=runtime,
            epoch=epoch or runtime.ids.new("log"),
            ring_entries=ring_entries,
            ring_bytes=ring_bytes,
            idle_s=idle_s,
        )
        self._heads: dict[str, int] = {}
        self._pending: list[bytes] = []
        self.flushed: list[bytes] = []

    def _stored_head(self, topic: str) -> int:
        return self._heads.get(topic, 0)

    def _record(self, body: bytes, places: list[Entry], event_id: str | None) -> None:
        del places, event_id
        self._pending.append(body)

    def _remember_head(self, topic: str, head: int) -> None:
        self._heads[topic] = head

    async def flush(self) -> None:
        self.flushed += self._pending
        self._pending = []

    async def close(self) -> None:
        self._closed = True
        await self.flush()
