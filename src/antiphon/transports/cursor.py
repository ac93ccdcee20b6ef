"""The cursor of SSE and long-poll: one text that holds the positions of all topics of a request. Clients treat it as opaque.

`topic@epoch:seq` for each topic whose position is known, joined by commas: plain, so that an event costs no encoding of what
did not move, and so that a client that changes from the socket can write one. It holds nothing that its reader does not
know. Used by event_stream.py and long_poll.py. Tests: tests/unit/transports/test_cursor.py.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

import msgspec

from antiphon.core.errors import BadRequest
from antiphon.protocol.commands import Since
from antiphon.storage.event_log.contract import Entry

LONGEST_CURSOR: Final = 32_768
_PART: Final = re.compile(r"([a-z]+:[A-Za-z0-9_-]{1,200})@([A-Za-z0-9_-]{1,100}):(\d{1,16})")


class _Envelope(msgspec.Struct):
    type: str
    topic: str | None = None
    seq: int | None = None
    epoch: str | None = None


class Cursor:
    """The positions a peer has after each frame, in the order the frames go out."""

    def __init__(self, positions: Mapping[str, Since]) -> None:
        self._positions = dict(positions)

    @classmethod
    def parse(cls, text: str | None) -> Cursor:
        """Raises BadRequest for a text that is no cursor."""
        if not text:
            return cls({})
        parts = text.split(",") if len(text) <= LONGEST_CURSOR else []
        found = [_PART.fullmatch(part) for part in parts]
        if not found or not all(found):
            raise BadRequest("The cursor is not one of this server. Leave it out to begin with a snapshot.")
        return cls({match[1]: Since(match[2], int(match[3])) for match in found if match})

    def __str__(self) -> str:
        return ",".join(f"{topic}@{since.epoch}:{since.seq}" for topic, since in self._positions.items())

    def since(self, topic: str) -> Since | None:
        return self._positions.get(topic)

    def keep(self, topics: Mapping[str, object]) -> None:
        """Forgets the positions of other topics than these."""
        self._positions = {topic: since for topic, since in self._positions.items() if topic in topics}

    def after_entry(self, entry: Entry) -> bool:
        return self._move(entry.topic, entry.seq)

    def after_frame(self, frame: bytes) -> bool:
        """Whether the frame moves the cursor. `subscribed` moves nothing: a replay only begins after it."""
        told = msgspec.json.decode(frame, type=_Envelope)
        if told.topic is None or told.seq is None or told.type == "subscribed":
            return False
        if told.epoch is not None:
            self._positions[told.topic] = Since(told.epoch, told.seq)
            return True
        return self._move(told.topic, told.seq)

    def _move(self, topic: str, seq: int) -> bool:
        known = self._positions.get(topic)
        if known is None:
            return False
        self._positions[topic] = Since(known.epoch, seq)
        return True
