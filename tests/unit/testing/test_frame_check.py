"""testing/frame_check.py: it lets through what the description says, and nothing else."""

from __future__ import annotations

import pytest

from antiphon.testing.frame_check import check_frame

CHUNK = {
    "type": "answer_chunk", "content": "a", "offset": 0, "seq": 1, "topic": "session:a", "timestamp": "2026-11-20T10:23:45.120Z",
    "run_id": "run_a", "message_id": "msg_a", "session_id": "ses_a",
}  # fmt: skip


def test_a_right_frame() -> None:
    check_frame(CHUNK)


@pytest.mark.parametrize(
    "change", [{"type": "answer_chunks"}, {"offset": "0"}, {"seq": 0}, {"colour": "red"}, {"content": None}, {"timestamp": None}],
    ids=lambda change: next(iter(change)),
)  # fmt: skip
def test_a_wrong_frame(change: dict[str, object]) -> None:
    with pytest.raises(AssertionError):
        check_frame({**CHUNK, **change})


@pytest.mark.parametrize("name", ["content", "seq", "topic", "timestamp"])
def test_a_field_that_is_missing(name: str) -> None:
    with pytest.raises(AssertionError, match=name):
        check_frame({key: value for key, value in CHUNK.items() if key != name})
