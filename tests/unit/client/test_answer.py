"""What an answer's stream makes of snapshots: the difference, once, as ordinary events."""

from __future__ import annotations

from typing import Any

import pytest

from antiphon.client.answer import AnswerStream
from antiphon.core.errors import NotFound, Unsupported


def stream() -> AnswerStream:
    answer = AnswerStream(connection=None, question={})  # only the pure part is used
    answer.session_id, answer.run_id, answer.message_id, answer.user_message_id = "s", "r", "a", "u"
    return answer


def snapshot(**answer: Any) -> dict[str, Any]:
    return {"type": "snapshot", "messages": [{"id": "u", "content": "q"}, {"id": "a", "state": "streaming", **answer}]}


def kinds(answer: AnswerStream, frame: dict[str, Any]) -> list[str]:
    return [made["type"] for made in answer._ours(frame)]


def test_the_difference_is_given_once():
    answer = stream()
    assert kinds(answer, snapshot(content="ab", sources=[{"n": 1}])) == ["user_message", "sources", "answer_chunk"]
    assert kinds(answer, snapshot(content="ab", sources=[{"n": 1}])) == []
    assert kinds(answer, {"type": "answer_chunk", "message_id": "a", "content": "bc", "offset": 1}) == ["answer_chunk"]
    assert answer.text == "abc"
    ended = snapshot(content="abcd", state="stopped", stopped_by="usr_1", usage={"tool_calls": 0}, citations=[{"n": 1}])
    assert kinds(answer, ended) == ["answer_chunk", "citation", "usage", "complete"]
    assert (answer.text, answer.status) == ("abcd", "stopped")


def test_text_that_the_server_lost_is_replaced():
    answer = stream()
    kinds(answer, snapshot(content="abc"))
    assert kinds(answer, snapshot(content="ab", state="interrupted")) == ["answer_replace", "complete"]
    assert (answer.text, answer.status) == ("ab", "interrupted")


def test_other_runs_are_not_ours():
    answer = stream()
    assert kinds(answer, {"type": "answer_chunk", "message_id": "b", "run_id": "r2", "content": "x", "offset": 0}) == []


def test_a_deleted_answer_is_told():
    answer = stream()
    kinds(answer, snapshot(content="abc"))
    with pytest.raises(NotFound):
        kinds(answer, {"type": "snapshot", "messages": []})


async def test_a_text_by_reference_is_fetched():
    async def fetch(reference: str, message_id: str) -> str:
        assert (reference, message_id) == ("/ref", "a")
        return "the whole long text"

    answer = stream()
    kinds(answer, snapshot(content="the whole"))
    answer._fetch_text = fetch
    frame = snapshot(content="", content_ref="/ref", state="complete")
    await answer._fill(frame)
    assert kinds(answer, frame) == ["answer_chunk", "complete"]
    assert answer.text == "the whole long text"
    answer._fetch_text = None
    with pytest.raises(Unsupported):
        await answer._fill(frame)


def test_a_wrong_hash_is_seen():
    answer = stream()
    kinds(answer, snapshot(content="abc"))
    kinds(answer, {"type": "complete", "run_id": "r", "status": "completed", "text_sha256": "00"})
    assert answer.verified is False
