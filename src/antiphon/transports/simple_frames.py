"""`ShownFrames`: what of a session's events a simple socket shows, as typed frames or as nothing but the answer's text.

The outlet between a `Subscription` and a connection of simple_chat.py. Frames that are passed over make the next one carry
`prev_seq`; the first one carries the epoch, so that a page can come back with `since` and `epoch`. A reader that fell behind
gets the rest of the texts it misses instead of a snapshot, which the simple profile does not know.
Tests: tests/integration/live/test_simple_chat.py.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Any, Final

import msgspec

from antiphon.core.runtime import Runtime, rfc3339
from antiphon.protocol.codec import encode_json
from antiphon.protocol.events import Event, Snapshot
from antiphon.storage.event_log.contract import Entry
from antiphon.transports.connection import Connection

SHOWN: Final = frozenset({"status", "answer_chunk", "tool_call", "sources", "error", "complete"})
"""What the simple profile passes on; the rest of the protocol is for `/ws/v1`."""
TOLD_AS_TEXT: Final = ("answer_chunk", "error")
_STATUS: Final = {"complete": "completed", "stopped": "stopped", "failed": "failed", "interrupted": "interrupted"}


class ShownFrames:
    """`last_seq`: the position the client says it has; None: it begins with the first frame."""

    def __init__(self, connection: Connection, runtime: Runtime, *, json: bool, epoch: str, last_seq: int | None) -> None:
        self._connection = connection
        self._runtime = runtime
        self.json = json
        self._epoch: str | None = epoch
        self._last_seq = last_seq
        self._message_id: str | None = None
        self._length = 0

    @property
    def paused(self) -> bool:
        return self._connection.paused

    def push_entry(self, entry: Entry) -> None:
        if entry.kind not in SHOWN or not (self.json or entry.kind in TOLD_AS_TEXT):
            return
        if self.json and self._epoch is None and self._last_seq == entry.seq - 1:
            self._note(msgspec.json.decode(entry.body, type=_Told))
            self._last_seq = entry.seq
            self._connection.push_entry(entry)  # as it is: encoded once for everybody
        else:
            self.push_frame(entry.frame)

    def push_frame(self, frame: bytes) -> None:
        """A frame of the log, merged or not; in text mode only its words go out."""
        told = msgspec.json.decode(frame, type=_Told)
        if told.type not in SHOWN:
            return
        self._note(told)
        if self.json:
            self._connection.push_frame(self._enveloped(frame, told))
        elif told.type == "answer_chunk":
            self._connection.push_frame(told.content.encode())
        elif told.type == "error":
            self._connection.push_frame(f"[{told.code}] {told.message}".encode())

    def _note(self, told: _Told) -> None:
        if told.type == "answer_chunk":
            self._message_id, self._length = told.message_id, told.offset + len(told.content)

    def push_event(self, event: Event) -> None:
        if not isinstance(event, Snapshot):
            return
        frames = list(self._missed(event))
        for place, frame in enumerate(frames, start=event.seq - len(frames) + 1):
            moment = rfc3339(self._runtime.clock.now())
            self.push_frame(encode_json({**frame, "topic": event.topic, "timestamp": moment, "seq": place}))

    def _missed(self, snapshot: Snapshot) -> Iterator[dict[str, Any]]:
        """The rest of the message it was reading, and what followed; for one that comes back, the last answer as a whole."""
        messages = snapshot.messages if isinstance(snapshot.messages, list) else []
        answers = [message for message in messages if message["role"] == "assistant"]
        known = [place for place, message in enumerate(answers) if message["id"] == self._message_id]
        for message in answers[known[0] if known else -1 :]:
            offset = self._length if message["id"] == self._message_id else 0
            content = str(message["content"])
            ids = {"session_id": message["session_id"], "run_id": message["run_id"], "message_id": message["id"]}
            if len(content) > offset:
                yield {"type": "answer_chunk", "content": content[offset:], "offset": offset, **ids}
            if message["state"] in _STATUS:
                digest = hashlib.sha256(content.encode("utf-8", "surrogatepass")).hexdigest()
                ended = {"status": _STATUS[message["state"]], "text_length": len(content), "text_sha256": digest}
                yield {"type": "complete", **ended, **ids}

    def _enveloped(self, frame: bytes, told: _Told) -> bytes:
        previous, self._last_seq = self._last_seq, told.seq
        follows = told.seq - 1 if told.prev_seq is None else told.prev_seq
        if previous is not None and previous != follows:
            if told.prev_seq is None:
                frame = b'%b,"prev_seq":%d}' % (frame[:-1], previous)
            else:  # merged, and what stood before it was not shown
                frame = encode_json({**msgspec.json.decode(frame), "prev_seq": previous})
        if self._epoch is not None:
            frame = b'%b,"epoch":"%b"}' % (frame[:-1], self._epoch.encode())
            self._epoch = None
        return frame


class _Told(msgspec.Struct):
    type: str
    seq: int = 0
    prev_seq: int | None = None
    message_id: str | None = None
    content: str = ""
    offset: int = 0
    code: str = ""
    message: str = ""
