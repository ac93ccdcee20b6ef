"""`PushTextStream`: the one implementation of `TextStream`, pushed through in the writer's own call.

A piece reaches every listener before `write` returns: no task switch, no queue. Pieces stay until the run is over, so that
a late reader gets everything from the start. Made by the executor, one per `stream[text]` output.
Tests: tests/unit/runs/test_stream.py; figures: docs/subsystems/flows.md.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from enum import Enum
from itertools import groupby

from antiphon.models.quotation import QuotedText

OnText = Callable[[str], None]


class StreamState(Enum):
    OPEN = "open"
    ENDED = "ended"
    FAILED = "failed"
    SEALED = "sealed"
    """The run is being cancelled: whoever still writes is cancelled too, and nothing more goes out."""


class PushTextStream:
    """Single-threaded: writer and readers live in one loop.

    A listener that raises does so in the writer's call, after the other listeners got the piece. A listener must not write
    to the stream it listens to."""

    __slots__ = ("_error", "_listeners", "_over", "_pieces", "_state", "_wakers")

    def __init__(self) -> None:
        self._pieces: list[str] = []
        self._listeners: tuple[OnText, ...] = ()
        self._state = StreamState.OPEN
        self._error: BaseException | None = None
        self._over = asyncio.Event()
        self._wakers: list[asyncio.Future[None]] = []

    @classmethod
    def of(cls, text: str) -> PushTextStream:
        """A stream that holds `text` and has ended."""
        stream = cls()
        stream.write(text)
        stream.end()
        return stream

    @property
    def state(self) -> StreamState:
        return self._state

    @property
    def written(self) -> bool:
        """Whether any text went in (an empty piece is none)."""
        return bool(self._pieces)

    @property
    def text(self) -> str:
        """What was written so far, in one piece."""
        return "".join(self._pieces)

    def write(self, text: str) -> None:
        """Passes the piece on. Raises RuntimeError after the end, CancelledError when the run is being cancelled."""
        if self._state is not StreamState.OPEN:
            if self._state is StreamState.SEALED:
                raise asyncio.CancelledError("The run is being cancelled.")
            raise RuntimeError("Text was written to a stream that has ended.")
        if not text:
            return
        self._pieces.append(text)
        listeners = self._listeners  # a tuple: a listener that is added meanwhile has this piece from its replay
        try:
            if len(listeners) == 1:
                listeners[0](text)
            else:
                _call_all(listeners, text)
        finally:
            if self._wakers:
                self._wake()

    def listen(self, on_text: OnText) -> None:
        """What is there already comes now, in one piece (quoted text apart); later pieces in the writer's call."""
        for quoted, pieces in groupby(self._pieces, key=_is_quoted):
            text = "".join(pieces)
            on_text(QuotedText(text) if quoted else text)
        if self._state is StreamState.OPEN:
            self._listeners += (on_text,)

    def end(self) -> None:
        """No more text will come. Doing it again does nothing."""
        self._close(StreamState.ENDED, None)

    def fail(self, error: BaseException) -> None:
        """Readers that wait for the end, or iterate, get `error` after the text that came before it."""
        self._close(StreamState.FAILED, error)

    def seal(self) -> None:
        """Ends the stream because its run is cancelled; waiting readers are cancelled with it."""
        self._close(StreamState.SEALED, asyncio.CancelledError("The run is being cancelled."))

    async def whole(self) -> str:
        await self._over.wait()
        if self._error is not None:
            raise self._error
        return self.text

    async def __aiter__(self) -> AsyncIterator[str]:
        position = 0
        while True:
            while position < len(self._pieces):
                position += 1
                yield self._pieces[position - 1]
            if self._state is not StreamState.OPEN:
                break
            waker = asyncio.get_running_loop().create_future()
            self._wakers.append(waker)
            await waker
        if self._error is not None:
            raise self._error

    def _close(self, state: StreamState, error: BaseException | None) -> None:
        if self._state is not StreamState.OPEN:
            return
        self._state, self._error, self._listeners = state, error, ()
        self._over.set()
        self._wake()

    def _wake(self) -> None:
        wakers, self._wakers = self._wakers, []
        for waker in wakers:
            if not waker.done():
                waker.set_result(None)


def _is_quoted(piece: str) -> bool:
    return isinstance(piece, QuotedText)


def _call_all(listeners: tuple[OnText, ...], text: str) -> None:
    """Calls every listener, then raises what the first failing one raised."""
    failure: Exception | None = None
    for listener in listeners:
        try:
            listener(text)
        except Exception as error:  # noqa: BLE001 - raised below, after the others got the piece
            failure = failure or error
    if failure is not None:
        raise failure
