"""protocol/reducer.py: what a client does with each frame. Old snapshot + events: tests/properties/test_reducer.py."""

from __future__ import annotations

from typing import Any

import pytest

from antiphon.protocol.reducer import Outcome, TopicState

TOPIC = "session:s"
RUN: dict[str, Any] = {"topic": TOPIC, "run_id": "r1", "message_id": "a1"}


def state(seq: int = 0, **more: Any) -> TopicState:
    made = TopicState(TOPIC)
    made.apply({"type": "snapshot", "topic": TOPIC, "epoch": "e1", "seq": seq, "messages": [], "active_runs": [], **more})
    return made


def answering(text: str = "Ja") -> TopicState:
    made = state()
    made.apply({"type": "run_started", "seq": 1, **RUN, "kind": "chat", "model": "m", "attempt": 1})
    made.apply({"type": "answer_chunk", "seq": 2, **RUN, "content": text, "offset": 0})
    return made


def test_nothing_is_applied_before_the_first_position() -> None:
    fresh = TopicState(TOPIC)
    assert fresh.position is None
    assert fresh.apply({"type": "notice", "seq": 1}) is Outcome.GAP
    assert fresh.apply({"type": "ping", "heads": {}}) is Outcome.IGNORED
    assert fresh.position is None


@pytest.mark.parametrize(
    ("frame", "outcome"),
    [
        ({"seq": 6}, Outcome.APPLIED), ({"seq": 9, "prev_seq": 5}, Outcome.APPLIED), ({"seq": 5}, Outcome.DUPLICATE),
        ({"seq": 5, "prev_seq": 2}, Outcome.DUPLICATE), ({"seq": 7}, Outcome.GAP), ({"seq": 9, "prev_seq": 6}, Outcome.GAP),
        ({"seq": 9, "prev_seq": 4}, Outcome.GAP), ({}, Outcome.IGNORED),
    ],
)  # fmt: skip
def test_r4(frame: dict[str, Any], outcome: Outcome) -> None:
    at_five = state(5)
    assert at_five.apply({"type": "something_new", **frame}) is outcome
    assert at_five.position == {"epoch": "e1", "seq": frame["seq"] if outcome is Outcome.APPLIED else 5}


@pytest.mark.parametrize(
    ("mode", "epoch", "outcome"),
    [
        ("live", "e1", Outcome.APPLIED),
        ("replay", "e1", Outcome.APPLIED),
        ("replay", "e2", Outcome.GAP),
        ("snapshot", "e2", Outcome.APPLIED),
    ],
)
def test_a_subscription_goes_on_where_the_client_is(mode: str, epoch: str, outcome: Outcome) -> None:
    known = state(5)
    assert known.apply({"type": "subscribed", "topic": TOPIC, "mode": mode, "epoch": epoch, "seq": 7}) is outcome
    assert (known.position is None) is (outcome is Outcome.GAP)


def test_text_that_does_not_fit_asks_for_a_snapshot() -> None:
    for frame in (
        {"type": "answer_chunk", "seq": 3, **RUN, "content": "x", "offset": 1},
        {"type": "answer_chunk", "seq": 3, **RUN, "message_id": "unknown", "content": "x", "offset": 0},
        {"type": "complete", "seq": 3, **RUN, "status": "completed", "text_length": 3},
    ):
        client = answering()
        assert client.apply(frame) is Outcome.GAP
        assert client.position is None
        assert client.apply({"type": "notice", "seq": 4}) is Outcome.GAP
        assert client.apply({"type": "snapshot", "topic": TOPIC, "epoch": "e1", "seq": 4}) is Outcome.APPLIED
        assert client.position == {"epoch": "e1", "seq": 4}


def test_offsets_count_code_points() -> None:
    client = answering("🙂𝒳")
    assert client.apply({"type": "answer_chunk", "seq": 3, **RUN, "content": "!", "offset": 2}) is Outcome.APPLIED
    assert client.text("a1") == "🙂𝒳!"


@pytest.mark.parametrize(
    ("status", "shown"), [("completed", "complete"), ("stopped", "stopped"), ("failed", "failed"), ("interrupted", "interrupted")]
)
def test_an_end_is_said_as_a_snapshot_says_it(status: str, shown: str) -> None:
    client = answering()
    assert client.active_runs == {"r1": {"run_id": "r1", "message_id": "a1", "state": "running"}}
    by = {"stopped_by": {"id": "u", "name": "Ada"}} if status == "stopped" else {}
    assert client.apply({"type": "complete", "seq": 3, **RUN, "status": status, "text_length": 2, **by}) is Outcome.APPLIED
    assert (client.messages["a1"]["state"], client.active_runs, client.completed) == (shown, {}, {"r1": status})
    assert client.messages["a1"].get("stopped_by") == ("Ada" if by else None)


def test_a_run_that_waits_is_queued_until_it_says_something_else() -> None:
    client = answering()
    for seq, (phase, shown) in enumerate(
        [("queued", "queued"), ("starting", "running"), ("queued", "queued"), ("generating", "running")], 3
    ):
        client.apply({"type": "status", "seq": seq, **RUN, "phase": phase, "content": "…"})
        assert client.active_runs["r1"]["state"] == shown
    assert (
        client.apply({"type": "status", "seq": 7, **RUN, "run_id": "other", "phase": "queued", "content": "…"}) is Outcome.APPLIED
    )
    assert list(client.active_runs) == ["r1"]


def test_only_replace_may_shrink_a_text() -> None:
    client = answering("too much")
    client.apply({"type": "answer_replace", "seq": 3, **RUN, "content": "less", "reason": "policy"})
    assert client.apply({"type": "answer_chunk", "seq": 4, **RUN, "content": "!", "offset": 4}) is Outcome.APPLIED
    assert client.text("a1") == "less!"


def test_a_snapshot_replaces_everything() -> None:
    client = answering()
    client.apply({"type": "node_started", "seq": 3, **RUN, "node_id": "n", "label": "N"})
    client.apply(
        {"type": "snapshot", "topic": TOPIC, "epoch": "e2", "seq": 1, "messages": [{"id": "x", "content": "y"}], "has_more": True}
    )
    assert (list(client.messages), client.active_runs, client.nodes, client.completed, client.has_more) == (
        ["x"],
        {},
        {},
        {},
        True,
    )
    assert client.position == {"epoch": "e2", "seq": 1}


def test_nodes_keep_their_state_and_text() -> None:
    client = state(state={"nodes": {"a": {"state": "running", "label": "A", "text": {"out": "so "}}}})
    frames: list[dict[str, Any]] = [
        {"type": "node_chunk", "node_id": "a", "port": "out", "content": "far", "offset": 3},
        {"type": "node_finished", "node_id": "a"},
        {"type": "node_started", "node_id": "b", "label": "B"},
        {"type": "node_failed", "node_id": "b", "code": "timeout", "message": "…"},
    ]
    for seq, frame in enumerate(frames, 1):
        assert client.apply({**frame, "seq": seq, **RUN}) is Outcome.APPLIED
    assert client.nodes == {
        "a": {"state": "finished", "label": "A", "text": {"out": "so far"}}, "b": {"state": "failed", "label": "B", "text": {}},
    }  # fmt: skip
    assert (
        client.apply({"type": "node_chunk", "seq": 5, **RUN, "node_id": "a", "port": "out", "content": "x", "offset": 9})
        is Outcome.GAP
    )


@pytest.mark.parametrize("status", ["completed", "stopped", "failed", "interrupted"])
def test_nodes_that_were_cut_short_end_as_their_run(status: str) -> None:
    client = answering()
    client.apply({"type": "node_started", "seq": 3, **RUN, "node_id": "a", "label": "A"})
    client.apply({"type": "node_started", "seq": 4, **RUN, "node_id": "b", "label": "B"})
    client.apply({"type": "node_finished", "seq": 5, **RUN, "node_id": "a"})
    client.apply({"type": "complete", "seq": 6, **RUN, "status": status, "text_length": 2})
    assert {name: node["state"] for name, node in client.nodes.items()} == {"a": "finished", "b": status}


def test_text_by_reference_is_counted_and_not_held() -> None:
    message = {
        "id": "a1",
        "role": "assistant",
        "content": "",
        "content_ref": "/messages",
        "text_length": 900,
        "state": "streaming",
    }
    nodes = {"a": {"state": "running", "label": "A", "text": {}, "text_length": {"out": 900}}}
    chunks: list[dict[str, Any]] = [
        {"type": "answer_chunk", "content": "🙂!", "offset": 900},
        {"type": "node_chunk", "node_id": "a", "port": "out", "content": "xy", "offset": 900},
    ]
    for lost in (0, 1):
        client = state(messages=[message], state={"nodes": nodes})
        for seq, chunk in enumerate(chunks, 1):
            assert client.apply({**chunk, **RUN, "seq": seq}) is Outcome.APPLIED
        assert (client.messages["a1"]["content"], client.messages["a1"]["text_length"]) == ("", 902)
        assert client.nodes["a"] == {"state": "running", "label": "A", "text": {}, "text_length": {"out": 902}}
        end = {"type": "complete", **RUN, "seq": 3, "status": "completed", "text_length": 902 + lost}
        assert client.apply(end) is (Outcome.GAP if lost else Outcome.APPLIED)
    client = state(messages=[message], state={"nodes": nodes})
    assert client.apply({**chunks[0], **RUN, "seq": 1, "offset": 0}) is Outcome.GAP


def test_documents_of_a_workspace() -> None:
    client = state(state={"documents": [{"id": "d1", "state": "ready"}]})
    frames: list[dict[str, Any]] = [
        {"type": "document_progress", "document_id": "d2", "stage": "parsing", "pages_ready": 2},
        {"type": "document_progress", "document_id": "d2", "stage": "indexing"},
        {"type": "document_failed", "document_id": "d3", "name": "x", "error": {"code": "unsupported"}},
        {"type": "document_ready", "document_id": "d2", "name": "y"},
        {"type": "document_deleted", "document_id": "d1"},
    ]
    for seq, frame in enumerate(frames, 1):
        assert client.apply({**frame, "seq": seq, "topic": TOPIC}) is Outcome.APPLIED
    assert client.documents["d2"] | {"id": "d2", "state": "ready", "pages_ready": 2} == client.documents["d2"]
    assert (client.documents["d3"]["state"], client.documents["d3"]["error"]) == ("failed", {"code": "unsupported"})
    assert "d1" not in client.documents


def test_messages_change_and_go() -> None:
    client = answering()
    client.apply({"type": "message_updated", "seq": 3, **RUN, "changes": {"pinned": True}})
    assert client.messages["a1"]["pinned"] is True
    client.apply({"type": "message_deleted", "seq": 4, **RUN})
    assert client.apply({"type": "message_deleted", "seq": 5, **RUN}) is Outcome.APPLIED
    assert client.messages == {}
