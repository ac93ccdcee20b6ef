"""Merged frames: at any cut, with any limit, they say what the single ones say, and their chain has no hole."""

from __future__ import annotations

import itertools
from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from antiphon.protocol.codec import encode_body
from antiphon.protocol.events import AnswerChunk, Citation, NodeChunk, ReasoningChunk, Status
from antiphon.protocol.reducer import Outcome, TopicState
from antiphon.storage.event_log.contract import Entry
from antiphon.transports import merging
from antiphon.transports.merging import merge_entries, with_previous

TOPIC = "session:s"
pieces = st.text(alphabet='ab🙂𝒳休\n"\\', min_size=1, max_size=6)
steps = st.lists(
    st.one_of(
        st.tuples(st.just("answer"), st.sampled_from(["m1", "m2"]), pieces),
        st.tuples(st.just("node"), st.sampled_from(["n1", "n2"]), pieces),
        st.tuples(st.sampled_from(["reasoning", "citation", "status"]), st.just("m1"), pieces),
    ),
    max_size=25,
)  # fmt: skip


def history(plan: list[tuple[str, str, str]]) -> list[Entry]:
    """The entries, from seq 1, that these steps leave in a log."""
    lengths: dict[tuple[str, str], int] = {}
    entries: list[Entry] = []
    for kind, name, text in plan:
        offset = lengths.get((kind, name), 0)
        if kind in {"answer", "node", "reasoning"}:
            lengths[kind, name] = offset + len(text)
        event = {
            "answer": lambda: AnswerChunk(content=text, offset=offset, message_id=name, run_id="r"),  # noqa: B023
            "reasoning": lambda: ReasoningChunk(content=text, offset=offset, message_id=name, run_id="r"),  # noqa: B023
            "node": lambda: NodeChunk(content=text, offset=offset, node_id=name, port="text", run_id="r"),  # noqa: B023
            "citation": lambda: Citation(n=1, source_id=None, start=0, end=1, message_id=name, run_id="r"),  # noqa: B023
            "status": lambda: Status(phase="generating", content=text, run_id="r"),  # noqa: B023
        }[kind]()
        body = encode_body(event, "2026-11-20T00:00:00.000Z")
        entries.append(Entry(TOPIC, len(entries) + 1, str(event.__struct_config__.tag), body))
    return entries


def state_at(entries: list[Entry], seq: int) -> TopicState:
    state = TopicState(TOPIC)
    empty = {"role": "assistant", "content": "", "state": "streaming", "sources": [], "citations": []}
    messages = [{"id": name, **empty} for name in ("m1", "m2")]
    state.apply({"type": "snapshot", "topic": TOPIC, "epoch": "e", "seq": 0, "messages": messages, "active_runs": []})
    for entry in entries[:seq]:
        assert state.apply(msgspec.json.decode(entry.frame)) is Outcome.APPLIED
    return state


def known(state: TopicState) -> dict[str, Any]:
    return {"seq": state.last_seq, "messages": state.messages, "nodes": state.nodes}


@settings(max_examples=300, deadline=None)
@given(plan=steps, cut=st.integers(0, 25), limit=st.sampled_from([1, 7, 16_384]))
def test_merged_frames_say_what_the_single_ones_say(plan: list[tuple[str, str, str]], cut: int, limit: int) -> None:
    entries = history(plan)
    cut = min(cut, len(entries))
    state, length = state_at(entries, cut), merging.MAX_MERGED_CHARACTERS
    try:
        merging.MAX_MERGED_CHARACTERS = limit
        frames = [msgspec.json.decode(frame) for frame in merge_entries(entries[cut:], cut)]
    finally:
        merging.MAX_MERGED_CHARACTERS = length
    last = cut
    for frame in frames:
        assert frame.get("prev_seq", frame["seq"] - 1) == last
        assert len(frame.get("content", "")) < limit + 6
        last = frame["seq"]
        assert state.apply(frame) is Outcome.APPLIED
    assert last == len(entries)
    assert known(state) == known(state_at(entries, len(entries)))


@settings(max_examples=200, deadline=None)
@given(plan=steps)
def test_only_neighbours_of_one_stream_are_merged(plan: list[tuple[str, str, str]]) -> None:
    frames = [msgspec.json.decode(frame) for frame in merge_entries(history(plan), 0)]
    keys = [(kind, name) for kind, name, _ in plan]
    merged = [keys[0]] if keys else []
    for before, key in itertools.pairwise(keys):
        if key != before or key[0] in {"citation", "status"}:
            merged.append(key)
    assert len(frames) == len(merged)


@settings(max_examples=100, deadline=None)
@given(plan=steps.filter(bool), gap=st.integers(1, 9))
def test_a_frame_after_a_hole_names_what_it_follows(plan: list[tuple[str, str, str]], gap: int) -> None:
    entry = history(plan)[0]
    later = Entry(TOPIC, gap + 1, entry.kind, entry.body)
    assert msgspec.json.decode(with_previous(later, 0)) == {**msgspec.json.decode(later.frame), "prev_seq": 0}
    [frame] = merge_entries([later], 0)
    assert msgspec.json.decode(frame)["prev_seq"] == 0
