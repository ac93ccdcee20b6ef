"""`AnswerSink`: the sink of one try of a streamed answer, whatever the wire; adapters say what an event means.

Called by openai_compatible.py and anthropic.py. Tests: tests/unit/models/test_openai_compatible.py, test_anthropic.py.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Final

from antiphon.core.errors import ModelError
from antiphon.models.chat import ChatDelta, OnDelta
from antiphon.models.sse import SseReader
from antiphon.models.transport import ResponseControl

_COMPLAINT_BYTES: Final = 65_536
_WHOLE_ANSWER_BYTES: Final = 16 * 2**20


class CallerError(Exception):
    """Carries what `on_delta` raised past everything that handles the server's errors."""

    def __init__(self, cause: Exception) -> None:
        super().__init__("on_delta raised")
        self.cause = cause


class AnswerSink(ABC):
    """Events to deltas, or a body that explains why there are none. `emitted`: a delta went out. `finished`: the finish reason
    came. `told_error`: the server said why there is no answer (or sent what is none), so the connection is not to blame."""

    def __init__(self, on_delta: OnDelta, server: str) -> None:
        self.status: int | None = None
        self.headers: Mapping[str, str] = {}
        self.collected = bytearray()
        self.emitted = False
        self.finished = False
        self.told_error = False
        self._on_delta = on_delta
        self._server = server
        self._reader: SseReader | None = None
        self._done = False
        self._control: ResponseControl | None = None

    @abstractmethod
    def on_event(self, data: bytes) -> None:
        """One event of the stream, or the whole JSON answer of a server that does not stream."""

    def on_head(self, status: int, headers: Mapping[str, str], control: ResponseControl) -> None:
        self.status, self.headers, self._control = status, headers, control
        if status != 200:
            return
        kind = headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind == "text/html":
            self.told_error = True
            raise ModelError(
                f"The model server at {self._server} answered with a web page. Check its address: it usually ends in `/v1`."
            )
        if kind != "application/json":
            self._reader = SseReader(self._next)

    def on_body(self, piece: bytes) -> None:
        if self._reader is not None:
            self._reader.feed(piece)
            return
        limit_bytes = _WHOLE_ANSWER_BYTES if self.status == 200 else _COMPLAINT_BYTES
        self.collected += piece[: limit_bytes - len(self.collected)]
        if len(self.collected) >= limit_bytes:
            self._finish_reading()

    def end(self) -> None:
        """The body is whole. Raises ModelError when there was no answer in it."""
        if self._reader is not None:
            if not self._done:
                self._reader.end()
        elif self.collected:
            self._next(bytes(self.collected))  # a server that does not stream
        if not (self.emitted or self.finished or self._done):
            raise ModelError(f"The model server at {self._server} closed the answer without a word in it.")

    def release(self) -> None:
        """Nothing more comes: opens the ring with the reader, in which the listener's text would wait for the collector."""
        self._reader = None

    def close_stream(self) -> None:
        """The wire said that nothing more comes: `send` may return."""
        self._done = True
        self._finish_reading()

    def broken(self, error: Exception) -> ModelError:
        """What to raise for an event that cannot be read."""
        self.told_error = True
        return ModelError(f"The model server at {self._server} sent a broken piece of its answer: {error}.")

    def emit(self, delta: ChatDelta) -> None:
        self.emitted = True
        try:
            self._on_delta(delta)
        except Exception as error:
            raise CallerError(error) from error

    def _next(self, data: bytes) -> None:
        if data and not self._done:
            self.on_event(data)

    def _finish_reading(self) -> None:
        if self._control is not None:
            self._control.finish()
