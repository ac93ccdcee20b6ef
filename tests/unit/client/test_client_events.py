"""Frames to typed events; errors of the wire to the error tree."""

from __future__ import annotations

import pytest

from antiphon.client.events import UnknownEvent, error_from_wire, typed_event
from antiphon.core.errors import FolderInUse, Internal, NotFound
from antiphon.protocol.events import DURABLE_EVENTS, AnswerChunk


def test_a_known_frame_with_new_fields_is_typed():
    event = typed_event({"type": "answer_chunk", "content": "x", "offset": 3, "seq": 9, "brand_new": 1, "message_id": "m"})
    assert event == AnswerChunk(content="x", offset=3, message_id="m")


@pytest.mark.parametrize("frame", [{"type": "applause", "loud": True}, {"type": "answer_chunk", "content": 5}, {}])
def test_what_cannot_be_read_is_kept_whole(frame):
    event = typed_event(frame)
    assert isinstance(event, UnknownEvent)
    assert event.fields == frame


def test_every_durable_event_has_its_type():
    assert len({event.__struct_config__.tag for event in DURABLE_EVENTS}) == len(DURABLE_EVENTS)


@pytest.mark.parametrize(("code", "kind"), [("not_found", NotFound), ("folder_in_use", FolderInUse), ("brand_new", Internal)])
def test_errors_keep_code_words_and_request(code, kind):
    error = error_from_wire({"code": code, "message": "No such thing.", "request_id": "req_1", "data": {"a": 1}})
    assert type(error) is kind
    assert "No such thing." in error.message
    assert error.data == {"a": 1, "request_id": "req_1"}


def test_an_error_that_is_none_is_internal():
    assert type(error_from_wire("boom")) is Internal
