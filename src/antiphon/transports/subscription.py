"""`Subscription`: one topic of one connection. Keeps rules R1-R3: a whole replay or a snapshot, never a hole.

States: SYNCING (a replay or snapshot is being made; live entries are kept aside), LIVE, BEHIND (the peer reads too slowly:
only the position is remembered; the log has the rest), ENDED. Loop-thread only.
Tests: tests/unit/transports/test_subscription.py, tests/properties/test_live_core.py.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from enum import Enum
from typing import Literal, Protocol

from msgspec import Struct

from antiphon.core.errors import AntiphonError
from antiphon.protocol.commands import Since
from antiphon.protocol.events import Event, Snapshot, Subscribed
from antiphon.storage.event_log.contract import Entry, EventLog, Position
from antiphon.transports.filters import EntryFilter
from antiphon.transports.merging import merge_entries, with_previous

Mode = Literal["replay", "snapshot", "live"]
MAX_KEPT_ASIDE = 1000


class SubscriptionState(Enum):
    SYNCING = "syncing"
    LIVE = "live"
    BEHIND = "behind"
    ENDED = "ended"


class Outlet(Protocol):
    """The connection, as a subscription sees it."""

    @property
    def paused(self) -> bool: ...

    def push_entry(self, entry: Entry) -> None: ...

    def push_frame(self, frame: bytes) -> None: ...

    def push_event(self, event: Event) -> None: ...


class ReplayLimits(Struct, frozen=True, kw_only=True):
    frames: int
    bytes: int


SnapshotBuilder = Callable[[], Awaitable[Snapshot]]
"""Builds the present snapshot of the topic, with the position it stands for."""


class Subscription:
    """`sent` is the position in the log up to which everything was passed on or filtered out; `_told_seq` the seq of the last
    frame that was passed on, which the next one names as `prev_seq` where others lie in between."""

    def __init__(
        self, topic: str, *, log: EventLog, outlet: Outlet, limits: ReplayLimits, snapshot: SnapshotBuilder,
        filter: EntryFilter | None = None,  # noqa: A002 - the protocol's word
    ) -> None:  # fmt: skip
        self.topic = topic
        self.state = SubscriptionState.SYNCING
        self.sent = Position("", 0)
        self._told_seq = 0
        self._filter = filter
        self._log = log
        self._outlet = outlet
        self._limits = limits
        self._snapshot = snapshot
        self._aside: list[Entry] = []
        self._overflow = False
        self._unlisten: Callable[[], None] = _nothing

    async def start(self, since: Since | None, *, announce: bool = True) -> Mode:
        """R1: listen, read the head, read the range, emit, drain. `announce`: send `subscribed` (the simple profile of
        /ws/chat does not). Raises what the snapshot builder raises, and is ended then."""
        self._unlisten = self._log.subscribe(self.topic, self._on_entry)
        try:
            return await self._start(since, announce)
        except AntiphonError:
            self.end()
            raise

    async def _start(self, since: Since | None, announce: bool) -> Mode:
        head = await self._log.head(self.topic)
        if since is not None and since.epoch == head.epoch and since.seq == head.seq:
            self._stand_at(head)
            self._announce("live", head, announce)
            self._go_live()
            return "live"
        if since is not None:
            self._told_seq = since.seq
        frames = None if since is None else await self._replay(Position(since.epoch, since.seq))
        if frames is not None and since is not None:
            self._announce("replay", head, announce)
            self._emit(frames)
            self._go_live()
            return "replay"
        await self._send_snapshot("snapshot" if announce else None)
        return "snapshot"

    async def start_live(self, *, position: Position) -> None:
        """Listens from `position` on, which must be at hand; otherwise as a reader that fell behind."""
        self._unlisten = self._log.subscribe(self.topic, self._on_entry)
        self._stand_at(position)
        await self._resynchronise()

    async def catch_up(self) -> None:
        """After the peer has read: the rest of the log, or a snapshot."""
        if self.state is SubscriptionState.BEHIND:
            self.state = SubscriptionState.SYNCING
            await self._resynchronise()

    def end(self) -> None:
        self.state = SubscriptionState.ENDED
        self._unlisten()
        self._aside = []

    def head_to_tell(self, head_seq: int) -> int:
        """The head a client is told of in a `ping`: with a filter it can't know of what it was not sent."""
        return head_seq if self._filter is None or self.state is not SubscriptionState.LIVE else self._told_seq

    def _stand_at(self, position: Position) -> None:
        self.sent = position
        self._told_seq = position.seq

    # --- the live way -------------------------------------------------------------------------------------------------------

    def _on_entry(self, entry: Entry) -> None:
        if self.state is SubscriptionState.LIVE:
            if self._outlet.paused:
                self.state = SubscriptionState.BEHIND
            else:
                self.sent = Position(self.sent.epoch, entry.seq)
                if self._filter is None:
                    self._told_seq = entry.seq
                    self._outlet.push_entry(entry)
                elif self._filter.admits(entry):
                    self._pass_on(entry)
        elif self.state is SubscriptionState.SYNCING:
            if len(self._aside) < MAX_KEPT_ASIDE:
                self._aside.append(entry)
            else:
                self._overflow = True

    def _pass_on(self, entry: Entry) -> None:
        told, self._told_seq = self._told_seq, entry.seq
        if entry.seq == told + 1:
            self._outlet.push_entry(entry)
        else:
            self._outlet.push_frame(with_previous(entry, told))

    def _go_live(self) -> None:
        """Drains what came meanwhile, dropping what the replay already held (R1)."""
        aside, self._aside = self._aside, []
        if self.state is not SubscriptionState.SYNCING:
            return
        if self._overflow or (self._outlet.paused and aside):
            self._overflow = False
            self.state = SubscriptionState.BEHIND
            return
        fresh = [entry for entry in aside if entry.seq > self.sent.seq]
        if fresh:
            self._emit(self._merged(fresh))
            self.sent = Position(self.sent.epoch, fresh[-1].seq)
        self.state = SubscriptionState.LIVE

    # --- replay and snapshot --------------------------------------------------------------------------------------------------

    async def _replay(self, since: Position) -> list[bytes] | None:
        """The frames after `since`, or None when a snapshot must stand for them (R2). Moves `sent`."""
        entries = await self._log.read(self.topic, since)
        if entries is None:
            return None
        told = self._told_seq
        frames = self._merged(entries)
        if len(frames) > self._limits.frames or sum(map(len, frames)) > self._limits.bytes:
            self._told_seq = told
            return None
        self.sent = Position(since.epoch, entries[-1].seq if entries else since.seq)
        return frames

    def _merged(self, entries: list[Entry]) -> list[bytes]:
        """Moves `_told_seq`."""
        if self._filter is not None:
            entries = [entry for entry in entries if self._filter.admits(entry)]
        frames = merge_entries(entries, self._told_seq)
        if entries:
            self._told_seq = entries[-1].seq
        return frames

    async def _resynchronise(self) -> None:
        frames = await self._replay(self.sent)
        if frames is None:
            await self._send_snapshot(None)
        else:
            self._emit(frames)
            self._go_live()

    async def _send_snapshot(self, mode: Mode | None) -> None:
        snapshot = await self._snapshot()
        if self.state is SubscriptionState.ENDED:
            return
        self._stand_at(Position(snapshot.epoch, snapshot.seq))
        if mode is not None:
            self._announce(mode, self.sent, True)
        self._outlet.push_event(snapshot)
        if not self._overflow:
            self._go_live()
            return
        # More came while the snapshot was built than is kept aside: what follows it is in the log.
        self._overflow = False
        self._aside = []
        frames = await self._replay(self.sent)
        if frames is None:  # too much again: the connection makes another try, as for a peer that fell behind
            if self.state is SubscriptionState.SYNCING:
                self.state = SubscriptionState.BEHIND
            return
        self._emit(frames)
        self._go_live()

    def _announce(self, mode: Mode, position: Position, announce: bool) -> None:
        if announce and self.state is not SubscriptionState.ENDED:
            self._outlet.push_event(Subscribed(topic=self.topic, epoch=position.epoch, seq=position.seq, mode=mode))

    def _emit(self, frames: list[bytes]) -> None:
        if self.state is SubscriptionState.ENDED:  # while the log was read; a newer subscription may have begun since
            return
        for frame in frames:
            self._outlet.push_frame(frame)


def _nothing() -> None:
    """Before `start` there is nothing to end."""
