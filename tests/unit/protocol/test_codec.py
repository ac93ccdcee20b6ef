"""protocol/codec.py"""

from __future__ import annotations

import contextlib
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from antiphon.core.errors import BadRequest
from antiphon.protocol.codec import decode_frame, encode_body, encode_ephemeral, encode_json
from antiphon.protocol.events import AnswerChunk, Ping, SessionDeleted, Subscribed
from antiphon.storage.event_log.contract import Entry, text_frame

MOMENT = "2026-11-20T10:23:45.120Z"


def test_a_body_is_the_event_with_its_moment() -> None:
    body = encode_body(AnswerChunk(content='a}"\\\n🙂', offset=3, run_id="run_1"), MOMENT)
    assert msgspec.json.decode(body) == {
        "type": "answer_chunk", "content": 'a}"\\\n🙂', "offset": 3, "run_id": "run_1", "timestamp": MOMENT,
    }  # fmt: skip


def test_an_event_without_fields_is_valid_json_too() -> None:
    body = encode_body(SessionDeleted(), MOMENT)
    assert msgspec.json.decode(body) == {"type": "session_deleted", "timestamp": MOMENT}
    entry = Entry("user:usr_1", 1, "session_deleted", body)
    assert msgspec.json.decode(entry.frame) == {"type": "session_deleted", "timestamp": MOMENT, "seq": 1, "topic": "user:usr_1"}


def test_an_ephemeral_frame_has_its_own_topic_and_no_seq_but_its_own() -> None:
    assert msgspec.json.decode(encode_ephemeral(Ping(heads={"session:a": 3}), MOMENT)) == {
        "type": "ping", "heads": {"session:a": 3}, "timestamp": MOMENT,
    }  # fmt: skip
    subscribed = Subscribed(topic="session:a", epoch="e", seq=4, mode="live")
    assert msgspec.json.decode(encode_ephemeral(subscribed, MOMENT)) == {
        "type": "subscribed", "topic": "session:a", "epoch": "e", "seq": 4, "mode": "live", "timestamp": MOMENT,
    }  # fmt: skip


@pytest.mark.parametrize("size", [0, 125, 126, 65_535, 65_536])
def test_a_frame_for_the_wire_says_its_size(size: int) -> None:
    """RFC 6455 section 5.2: 7 bits, 16 bits or 64 bits of length; final, text, not masked."""
    data = text_frame(b"x" * size)
    header = 2 if size < 126 else 4 if size < 65_536 else 10
    assert data[0] == 0x81
    assert data[1] == (size if size < 126 else 126 if size < 65_536 else 127)
    assert header == 2 or int.from_bytes(data[2:header], "big") == size
    assert data[header:] == b"x" * size


@pytest.mark.parametrize(
    "data",
    [
        b"", b" ", b"[]", b"[1]", b'"chat"', b"1", b"null", b"true", b"{", b'{"a":}', b'{"a":1}x', b"{'a':1}", b'{"a":NaN}',
        b'{"a":"\xff"}', b"\xff\xfe", '{"a":"\ud800"}', b'{"a":' + b"[" * 100_000, b'{"a":' * 100_000,
        b'{"a":' + b"[" * 50_000 + b"]" * 50_000 + b"}", "just words",
    ],
    ids=lambda data: repr(data[:12]),
)  # fmt: skip
def test_what_is_no_json_object_is_a_bad_request(data: bytes | str) -> None:
    with pytest.raises(BadRequest) as refused:
        decode_frame(data)
    assert len(refused.value.message) < 200
    assert refused.value.message.endswith(".")


@given(
    st.dictionaries(
        st.text(max_size=5),
        st.recursive(
            st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=5),
            lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
        ),
        max_size=4,
    )
)
def test_objects_come_through_as_bytes_and_as_text(value: dict[str, Any]) -> None:
    data = encode_json(value)
    assert decode_frame(data) == value
    assert decode_frame(data.decode()) == value


@given(st.binary(max_size=40) | st.text(max_size=40))
def test_any_data_is_an_object_or_a_bad_request(data: bytes | str) -> None:
    with contextlib.suppress(BadRequest):
        assert isinstance(decode_frame(data), dict)
