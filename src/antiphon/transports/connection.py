"""`Connection`: one client, whatever carries it. Collects the frames of a tick into one write and keeps subscriptions.

Loop-thread only. Made by the endpoints (realtime.py, simple_chat.py), registered at the `Hub`.
Tests: tests/unit/transports/test_connection.py.
"""

from __future__ import annotations

import asyncio

import structlog

from antiphon.access.identity import Identity
from antiphon.core.errors import AntiphonError
from antiphon.core.runtime import Runtime
from antiphon.core.tick import TickQueue
from antiphon.core.timestamps import Timestamps
from antiphon.protocol.codec import encode_ephemeral
from antiphon.protocol.events import Event
from antiphon.storage.event_log.contract import Entry
from antiphon.transports.sinks import FrameSink
from antiphon.transports.subscription import Subscription, SubscriptionState

_log = structlog.get_logger(__name__)


class Connection:
    """`identity` None: not yet authenticated. Monotonic times: `active_s` of the last thing the client sent, `used_s` of the
    last that was no heartbeat. `expiry_told`: the end of the credentials that the client was told of."""

    def __init__(self, connection_id: str, *, kind: str, sink: FrameSink, runtime: Runtime, ticks: TickQueue) -> None:
        self.id = connection_id
        self.kind = kind
        self.sink = sink
        self.identity: Identity | None = None
        self.subscriptions: dict[str, Subscription] = {}
        self.opened_s = self.active_s = self.used_s = runtime.clock.monotonic()
        self.ping_sent_s: float | None = None
        self.paused_since_s: float | None = None
        self.expiry_told: float | None = None
        self.closing = False
        self._runtime = runtime
        self._ticks = ticks
        self._timestamps = Timestamps(runtime.clock)
        self._pending: list[bytes] = []
        self._dirty = False
        self._catching_up = False
        self._room = asyncio.Event()
        sink.on_resume(self._on_resume)

    # --- Outlet ---------------------------------------------------------------------------------------------------------------

    @property
    def paused(self) -> bool:
        return self.sink.paused

    def push_entry(self, entry: Entry) -> None:
        self._push(self.sink.of_entry(entry))

    def push_frame(self, frame: bytes) -> None:
        self._push(self.sink.of_frame(frame))

    def push_event(self, event: Event) -> None:
        self.push_frame(encode_ephemeral(event, self._timestamps.now()))

    def push_ephemeral(self, event: Event) -> None:
        """Dropped when the peer reads too slowly."""
        if not self.sink.paused:
            self.push_event(event)

    def _push(self, data: bytes) -> None:
        self._pending.append(data)
        if not self._dirty:
            self._dirty = True
            self._ticks.add(self.flush)

    def flush(self) -> None:
        self._dirty = False
        pending, self._pending = self._pending, []
        if pending and not self.closing:
            self.sink.write(pending)

    # --- slow readers -----------------------------------------------------------------------------------------------------------

    async def room(self, pending_bytes: int) -> None:
        """Returns once no more than `pending_bytes` wait for the peer, or the connection ends: who does not read the answers
        to its commands gets no further ones."""
        while self.sink.pending_bytes > pending_bytes and not self.closing:
            self._room.clear()
            await self._room.wait()

    def _on_resume(self) -> None:
        self.paused_since_s = None
        self._room.set()
        if not self._catching_up and not self.closing:
            self._catching_up = True
            self._runtime.scheduler.spawn(self.catch_up(), name=f"catch up {self.id}")

    async def catch_up(self) -> None:
        """Brings subscriptions that fell behind up to date while the peer reads."""
        self._catching_up = True
        try:
            while not self.sink.paused and not self.closing:
                behind = [s for s in self.subscriptions.values() if s.state is SubscriptionState.BEHIND]
                if not behind:
                    return
                await behind[0].catch_up()
                self.flush()
        except AntiphonError as error:
            _log.warning("catch_up_failed", connection_id=self.id, error=str(error))
            await self.close(4504, "The state could not be rebuilt. Connect again.")
        finally:
            self._catching_up = False

    # --- end ----------------------------------------------------------------------------------------------------------------------

    def end_subscription(self, topic: str) -> bool:
        subscription = self.subscriptions.pop(topic, None)
        if subscription is None:
            return False
        subscription.end()
        return True

    async def close(self, code: int, reason: str) -> None:
        """Sends what is pending, then closes. Idempotent."""
        if self.closing:
            return
        self.flush()
        self.closing = True
        self.release()
        await self.sink.close(code, reason)

    def release(self) -> None:
        """Ends all subscriptions; the connection itself is gone or about to be."""
        self.closing = True
        self._room.set()
        for topic in list(self.subscriptions):
            self.end_subscription(topic)
