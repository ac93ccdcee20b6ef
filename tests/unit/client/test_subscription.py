"""The bounded queue of a reader, and what a topic does about gaps."""

from __future__ import annotations

import pytest

from antiphon.client.subscription import GAPS_AT_MOST, Step, Subscription, Topic
from antiphon.core.errors import Internal
from antiphon.protocol.events import Snapshot

SNAPSHOT = {
    "type": "snapshot", "topic": "session:s", "epoch": "e", "seq": 0, "active_runs": [],
    "messages": [{"id": "m", "role": "assistant", "content": "", "state": "streaming", "sources": [], "citations": []}],
}  # fmt: skip


def chunk(seq: int, text: str, offset: int) -> dict:
    return {"type": "answer_chunk", "seq": seq, "topic": "session:s", "message_id": "m", "content": text, "offset": offset}


def reading(limit: int) -> tuple[Topic, Subscription]:
    topic = Topic("session:s")
    reader = Subscription("session:s", lambda _: None, limit=limit)
    topic.add(reader)
    topic.take(dict(SNAPSHOT))
    return topic, reader


async def drain(reader: Subscription) -> list[dict]:
    frames = []
    while reader._queue:
        frames.append(await reader.next_frame())
    return frames


async def test_a_full_queue_merges_adjacent_chunks_without_loss():
    topic, reader = reading(limit=3)
    for index in range(100):
        topic.take(chunk(index + 1, "ab", index * 2))
    frames = await drain(reader)
    assert [f["type"] for f in frames] == ["snapshot", "answer_chunk", "answer_chunk"]
    assert "".join(f["content"] for f in frames[1:]) == "ab" * 100
    assert frames[-1]["prev_seq"] == frames[1]["seq"]
    assert frames[-1]["seq"] == 100


async def test_what_cannot_be_merged_becomes_one_snapshot_of_the_whole_state():
    topic, reader = reading(limit=3)
    topic.take(chunk(1, "hello", 0))
    for seq in range(2, 50):
        topic.take({"type": "status", "seq": seq, "topic": "session:s", "phase": "tool", "content": "…"})
    topic.take(chunk(50, "!", 5))
    frames = await drain(reader)
    assert len(frames) <= 3
    text = next(f for f in frames if f["type"] == "snapshot")["messages"][0]["content"]
    assert text + "".join(f["content"] for f in frames if f["type"] == "answer_chunk") == "hello!"


async def test_a_later_reader_starts_with_the_state_and_sees_the_rest_once():
    topic, _ = reading(limit=100)
    topic.take(chunk(1, "hello", 0))
    late = Subscription("session:s", lambda _: None)
    topic.add(late)
    topic.take(chunk(2, " world", 5))
    first = await anext(late)
    assert isinstance(first, Snapshot)
    assert first.messages[0]["content"] == "hello"
    assert (await late.next_frame())["content"] == " world"


async def test_events_of_the_future_are_passed_on():
    topic, reader = reading(limit=100)
    await drain(reader)
    topic.take({"type": "applause", "seq": 1, "topic": "session:s", "loud": True})
    assert (await anext(reader)).kind == "applause"


def test_a_gap_asks_once_and_gives_up_after_many():
    topic, _reader = reading(limit=100)
    assert topic.take(chunk(5, "x", 0)) is Step.RESUBSCRIBE
    topic.command_id = "under way"
    assert topic.take(chunk(6, "x", 0)) is Step.NOTHING
    for _ in range(GAPS_AT_MOST):
        topic.command_id = None
        topic.take(chunk(9, "x", 0))
    assert isinstance(topic.error, Internal)


def test_a_replay_of_another_epoch_is_answered_with_a_fresh_start():
    topic, _ = reading(limit=100)
    topic.command_id = "under way"
    told = {"type": "subscribed", "topic": "session:s", "epoch": "other", "seq": 3, "mode": "replay"}
    assert topic.take(told) is Step.RESUBSCRIBE
    assert topic.state.position is None


async def test_failure_is_raised_after_what_was_queued():
    topic, reader = reading(limit=100)
    topic.fail(Internal("gone"))
    assert (await reader.next_frame())["type"] == "snapshot"
    with pytest.raises(Internal, match="gone"):
        await reader.next_frame()
