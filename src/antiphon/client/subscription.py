"""A topic as this client follows it: one `TopicState`, any number of readers, each with a bounded queue.

What a reader sees is complete: events in order, or a `snapshot` that replaces all before it. A reader that is slow gets
its adjacent chunks merged, then a snapshot made from the state here; it never holds up the socket or other readers.
The connection calls `Topic`, users hold a `Subscription`. Tests: tests/unit/client/test_subscription.py.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from enum import Enum
from types import TracebackType
from typing import Final, Self

from antiphon.client.events import typed_event
from antiphon.core.errors import AntiphonError, Internal
from antiphon.protocol.events import Event
from antiphon.protocol.reducer import Frame, Outcome, TopicState

QUEUE_FRAMES: Final = 1000
GAPS_BEFORE_FRESH_START: Final = 3
GAPS_AT_MOST: Final = 8
_UNKEPT: Final = frozenset({"subscribed", "unsubscribed", "ack", "ping", "welcome"})


def state_snapshot(state: TopicState) -> Frame:
    """A `snapshot` frame of what this client knows; `position` must not be None."""
    return {
        "type": "snapshot", "topic": state.topic, "epoch": state.epoch, "seq": state.last_seq,
        "messages": [dict(message) for message in state.messages.values()],
        "active_runs": [dict(run) for run in state.active_runs.values()],
        "queue": [dict(entry) for entry in state.queue.values()],
        "state": {"documents": [dict(document) for document in state.documents.values()]}, "has_more": state.has_more,
    }  # fmt: skip


class Subscription:
    """One reader of a topic. `async for event in subscription` gives typed events; `next_frame` the frames as sent.

    Ends when closed; raises what ended the connection or the subscription otherwise.
    """

    def __init__(self, topic: str, release: Callable[[Subscription], None], *, limit: int = QUEUE_FRAMES) -> None:
        self.topic = topic
        self._release = release
        self._limit = limit
        self._queue: deque[Frame] = deque()
        self._wake = asyncio.Event()
        self._error: AntiphonError | None = None
        self._closed = False

    def offer(self, frame: Frame, state: TopicState) -> None:
        """Called by the topic, in order. Merges or replaces when the queue is full, never waits."""
        if len(self._queue) >= self._limit and not self._merge(frame):
            self._queue.clear()
            frame = state_snapshot(state)
        self._queue.append(frame)
        self._wake.set()

    def fail(self, error: AntiphonError) -> None:
        self._error = self._error or error
        self._wake.set()

    def _merge(self, frame: Frame) -> bool:
        """Joins `frame` with a chunk right before it; False when there is none. Takes the older one out of the queue."""
        last = self._queue[-1]
        if frame.get("type") != "answer_chunk" or last.get("type") != "answer_chunk":
            return False
        if last.get("message_id") != frame.get("message_id"):
            return False
        self._queue.pop()
        merged = {**frame, "content": last["content"] + frame["content"], "offset": last.get("offset", 0)}
        merged["prev_seq"] = last.get("prev_seq", last["seq"] - 1)
        frame.clear()
        frame.update(merged)
        return True

    async def next_frame(self) -> Frame | None:
        """None after `close`."""
        while not self._queue:
            if self._closed:
                return None
            if self._error is not None:
                raise self._error
            self._wake.clear()
            await self._wake.wait()
        return self._queue.popleft()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Event:
        frame = await self.next_frame()
        if frame is None:
            raise StopAsyncIteration
        return typed_event(frame)

    def close(self) -> None:
        """Idempotent. The topic is unsubscribed with its last reader."""
        if not self._closed:
            self._closed = True
            self._queue.clear()
            self._wake.set()
            self._release(self)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()


class Step(Enum):
    """What the connection has to do after a frame."""

    NOTHING = "nothing"
    RESUBSCRIBE = "resubscribe"


class Topic:
    """The state of one topic and its readers. `ready` is set with the first complete state."""

    def __init__(self, name: str) -> None:
        self.state = TopicState(name)
        self.readers: list[Subscription] = []
        self.ready = asyncio.Event()
        self.error: AntiphonError | None = None
        self.command_id: str | None = None
        """The subscribe that is under way; frames that do not fit are left alone until its `subscribed` came."""
        self._gaps = 0

    def add(self, reader: Subscription) -> None:
        self.readers.append(reader)
        if self.state.position is not None:
            reader.offer(state_snapshot(self.state), self.state)

    def take(self, frame: Frame) -> Step:
        """Applies a frame and passes it on. A later reader's first frame is a snapshot, so nothing is passed twice."""
        outcome = self.state.apply(frame)
        if frame.get("type") == "subscribed":
            self.command_id = None
            if outcome is Outcome.APPLIED and frame.get("mode") != "snapshot":
                self.ready.set()
        if outcome is Outcome.GAP:
            return self._gap()
        if outcome is Outcome.MOVED:
            self._pass_on(frame)
            return Step.NOTHING if self.command_id is not None else Step.RESUBSCRIBE
        if outcome is Outcome.DUPLICATE:
            return Step.NOTHING
        if outcome is Outcome.APPLIED:
            self._applied(frame)
        self._pass_on(frame)
        return Step.NOTHING

    def _pass_on(self, frame: Frame) -> None:
        if str(frame.get("type")) not in _UNKEPT:
            for reader in self.readers:
                reader.offer(dict(frame), self.state)

    def _applied(self, frame: Frame) -> None:
        if frame.get("type") == "snapshot":
            self.command_id = None
            self.ready.set()
        elif "seq" in frame and frame.get("type") != "subscribed":
            self._gaps = 0

    def _gap(self) -> Step:
        if self.command_id is not None:
            return Step.NOTHING
        self._gaps += 1
        if self._gaps > GAPS_AT_MOST:
            self.fail(
                Internal(f"The events of {self.state.topic!r} do not fit together, even after fresh starts. Try again later.")
            )
            return Step.NOTHING
        if self._gaps >= GAPS_BEFORE_FRESH_START:
            self.state.epoch = None
        return Step.RESUBSCRIBE

    def fail(self, error: AntiphonError) -> None:
        self.error = error
        self.ready.set()
        for reader in self.readers:
            reader.fail(error)
