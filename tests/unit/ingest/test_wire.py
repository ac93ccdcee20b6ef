from __future__ import annotations

import msgspec
import pytest

from antiphon.core.errors import TooLarge
from antiphon.ingest import wire
from antiphon.ingest.document import ParsedPage


def test_messages_come_back_as_they_went() -> None:
    reply = wire.Pages(pages=[ParsedPage(number=1, text="年假 \U00020000")], total=3)
    frame = wire.encode(reply)
    assert wire.frame_length(frame[: wire.LENGTH_BYTES]) == len(frame) - wire.LENGTH_BYTES
    assert wire.decode_reply(frame[wire.LENGTH_BYTES :]) == reply
    task = wire.Parse(path="/x", name="a")
    assert wire.decode_task(wire.encode(task)[wire.LENGTH_BYTES :]) == task


def test_a_length_beyond_the_limit_is_refused_before_reading() -> None:
    with pytest.raises(TooLarge):
        wire.frame_length(b"\xff\xff\xff\xff")
    with pytest.raises(TooLarge):
        wire.length_prefix(wire.LONGEST_FRAME_BYTES + 1)


@pytest.mark.parametrize(
    "body",
    [b"", b"\xc1", msgspec.msgpack.encode({"type": "Nothing"}), msgspec.msgpack.encode({"type": "Pages", "pages": "x", "total": 1}),
     msgspec.msgpack.encode({"type": "Parse", "path": "/etc/passwd", "name": "x"})],
)  # fmt: skip
def test_a_worker_can_only_send_replies(body: bytes) -> None:
    with pytest.raises(msgspec.MsgspecError):
        wire.decode_reply(body)
