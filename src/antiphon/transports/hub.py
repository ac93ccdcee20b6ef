"""`Hub`: all open connections of the process; heartbeat, idle close, slow readers, revoked rights, caps, draining.

One task looks after all of them in phases (a timer per connection costs more than its traffic at 10,000 idle ones).
Made by the composition root. Tests: tests/unit/transports/test_hub.py.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Protocol

import structlog
from msgspec import Struct

from antiphon.access.identity import Identity
from antiphon.core.runtime import Runtime
from antiphon.core.tick import TickQueue
from antiphon.protocol.close_codes import CloseCode
from antiphon.protocol.events import Draining, Ping, TokenExpiring, Unsubscribed
from antiphon.storage.event_log.contract import EventLog
from antiphon.transports.connection import Connection
from antiphon.transports.sinks import FrameSink

_log = structlog.get_logger(__name__)
SWEEP_S = 1.0
RECONNECT_IN_MS = (500.0, 2500.0)
"""Spread, so that not everybody comes back at once."""
EXPIRY_NOTICE_S = 60.0
PINGED = frozenset({"realtime", "sse"})
"""Kinds of connections that get `ping` with the heads of their topics."""


class HubLimits(Struct, frozen=True, kw_only=True):
    """0 = none. Seconds and counts as in the settings."""

    connections: int
    connections_per_user: int
    idle_s: float
    ping_s: float
    pong_timeout_s: float
    slow_reader_s: float
    recheck_s: float


class Rights(Protocol):
    """What the hub asks again and again of open connections."""

    async def is_still_valid(self, identity: Identity, /) -> bool: ...

    async def may_subscribe(self, identity: Identity, topic: str, /) -> bool: ...


class Hub:
    def __init__(
        self, *, runtime: Runtime, ticks: TickQueue, log: EventLog, limits: HubLimits, rights: Rights,
        has_active_run: Callable[[str], bool],
    ) -> None:  # fmt: skip
        self.runtime = runtime
        self.ticks = ticks
        self.log = log
        self.limits = limits
        self._rights = rights
        self._has_active_run = has_active_run
        self._connections: dict[str, Connection] = {}
        self._per_user: Counter[str] = Counter()
        self._checked_s = 0.0
        self._recheck_now = False
        self._task: asyncio.Task[None] | None = None
        self.draining = False

    # --- connections ------------------------------------------------------------------------------------------------------------

    @property
    def connection_count(self) -> int:
        return len(self._connections)

    def open(self, sink: FrameSink, *, kind: str) -> Connection:
        connection = Connection(self.runtime.ids.new("con"), kind=kind, sink=sink, runtime=self.runtime, ticks=self.ticks)
        self._connections[connection.id] = connection
        return connection

    def refusal(self) -> tuple[CloseCode, str] | None:
        """Why no further connection can be taken at all; None when it can."""
        if self.draining:
            return CloseCode.DRAINING, "The server is stopping. Connect again in a moment."
        if self.limits.connections and len(self._connections) > self.limits.connections:
            return CloseCode.OVERLOAD, "The server has as many connections as it takes. Try again later."
        return None

    def admit(self, connection: Connection, identity: Identity) -> bool:
        """Counts the connection to its user. False: the user has as many as allowed."""
        limit = self.limits.connections_per_user
        if limit and self._per_user[identity.user_id] >= limit:
            return False
        connection.identity = identity
        self._per_user[identity.user_id] += 1
        return True

    def forget(self, connection: Connection) -> None:
        connection.release()
        if self._connections.pop(connection.id, None) is not None and connection.identity is not None:
            user_id = connection.identity.user_id
            self._per_user[user_id] -= 1
            if self._per_user[user_id] <= 0:
                del self._per_user[user_id]

    # --- care ---------------------------------------------------------------------------------------------------------------------

    def start(self) -> None:
        self._task = self.runtime.scheduler.spawn(self._sweep_forever(), name="hub")

    def rights_changed(self) -> None:
        """Somebody's access changed: the next sweep checks everybody (P7)."""
        self._recheck_now = True

    def drain(self) -> None:
        """No further connections; those there are hear when to come back. Idempotent."""
        if self.draining:
            return
        self.draining = True
        for connection in list(self._connections.values()):
            connection.push_ephemeral(Draining(reconnect_in_ms=int(self.runtime.random.uniform(*RECONNECT_IN_MS))))

    async def stop(self) -> None:
        """Tells everybody when to come back, and closes (1012)."""
        self.drain()
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])
        await self._each(lambda c: c.close(CloseCode.RESTART, "The server is stopping. Connect again in a moment."))

    async def _sweep_forever(self) -> None:
        while True:
            await self.runtime.scheduler.sleep(SWEEP_S)
            try:
                await self.sweep()
            except Exception as error:  # noqa: BLE001 - the boundary of the task that looks after everybody: it must go on
                _log.error("hub_sweep_failed", exc_info=error)

    async def sweep(self) -> None:
        now = self.runtime.clock.monotonic()
        for connection in list(self._connections.values()):
            await self._guarded(connection, lambda c: self._look_after(c, now))
        if self._recheck_now or now - self._checked_s >= self.limits.recheck_s:
            self._recheck_now = False
            self._checked_s = now
            await self._each(self._recheck)

    async def _look_after(self, connection: Connection, now: float) -> None:
        limits = self.limits
        if connection.sink.paused:
            if connection.paused_since_s is None:
                connection.paused_since_s = now
            elif now - connection.paused_since_s > limits.slow_reader_s:
                await connection.close(CloseCode.SLOW_READER, "The connection was read too slowly. Connect again and resume.")
                return
        else:
            connection.paused_since_s = None
        if connection.kind in PINGED and connection.identity is not None:
            await self._beat(connection, now)
        self._warn_of_expiry(connection)
        if limits.idle_s and now - connection.used_s > limits.idle_s and not self._busy(connection):
            await connection.close(CloseCode.NORMAL, "Closed after a long time without activity.")

    def _warn_of_expiry(self, connection: Connection) -> None:
        """`token_expiring` a minute before; the simple profile has no word for it."""
        expires_at = None if connection.identity is None else connection.identity.expires_at
        if expires_at is None or connection.expiry_told == expires_at or connection.kind not in PINGED:
            return
        left_s = expires_at - self.runtime.clock.now()
        if 0 < left_s <= EXPIRY_NOTICE_S:
            connection.expiry_told = expires_at
            connection.push_event(TokenExpiring(expires_in_ms=int(left_s * 1000)))

    async def _beat(self, connection: Connection, now: float) -> None:
        sent = connection.ping_sent_s
        if connection.kind == "sse":
            connection.active_s = now  # it has no way to answer; a peer that is gone is seen by its connection
        if sent is not None and connection.active_s < sent <= now - self.limits.pong_timeout_s and not connection.sink.paused:
            await connection.close(CloseCode.NO_PONG, "No answer to the ping. Connect again and resume.")
        elif sent is None or (now - sent >= self.limits.ping_s and connection.active_s >= sent):
            if sent is None and now - connection.opened_s < self.limits.ping_s:
                return
            connection.ping_sent_s = now
            connection.push_ephemeral(Ping(heads=await self._heads(connection)))

    async def _heads(self, connection: Connection) -> dict[str, int]:
        heads: dict[str, int] = {}
        for topic, subscription in list(connection.subscriptions.items()):
            heads[topic] = subscription.head_to_tell((await self.log.head(topic)).seq)
        return heads

    def _busy(self, connection: Connection) -> bool:
        return any(self._has_active_run(topic) for topic in connection.subscriptions)

    async def _recheck(self, connection: Connection) -> None:
        identity = connection.identity
        if identity is None:
            return
        if not await self._rights.is_still_valid(identity):
            expired = identity.expires_at is not None and identity.expires_at <= self.runtime.clock.now()
            code = CloseCode.TOKEN_EXPIRED if expired else CloseCode.FORBIDDEN
            await connection.close(code, "The sign-in has expired." if expired else "The access was withdrawn.")
            return
        for topic in list(connection.subscriptions):
            if not await self._rights.may_subscribe(identity, topic):
                if connection.kind == "simple":  # has one topic, and no word for its end but the close code
                    await connection.close(CloseCode.FORBIDDEN, "There is no such session for you any more.")
                    return
                connection.end_subscription(topic)
                connection.push_event(Unsubscribed(topic=topic, code="not_found", reason="There is no such topic any more."))

    async def _each(self, act: Callable[[Connection], Awaitable[None]]) -> None:
        await asyncio.gather(*(self._guarded(connection, act) for connection in list(self._connections.values())))

    async def _guarded(self, connection: Connection, act: Callable[[Connection], Awaitable[None]]) -> None:
        """One connection's trouble must not keep the hub from the others: a peer may leave while it is being closed."""
        try:
            await act(connection)
        except Exception as error:  # noqa: BLE001 - the boundary between connections; it becomes a line in the log
            _log.warning("hub_connection_failed", connection_id=connection.id, error=repr(error))
