"""The reducer: an old snapshot and the events after it make what a new snapshot says (I8), however the events come."""

from __future__ import annotations

import copy
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from antiphon.protocol.reducer import Outcome, TopicState

Frame = dict[str, Any]
TOPIC = "session:s"
PARTS = ["text", "text", "sources", "citation", "status", "error", "usage"]
runs = st.lists(
    st.tuples(
        st.lists(st.tuples(st.sampled_from(PARTS), st.text(alphabet="a🙂𝒳休", min_size=1, max_size=4)), max_size=8),
        st.sampled_from(["completed", "stopped", "failed", "interrupted", None]),
        st.booleans(),
    ),
    max_size=5,
)
STATES = {"completed": "complete", "stopped": "stopped", "failed": "failed", "interrupted": "interrupted", None: "streaming"}


class Server:
    """A second, independent account of the session: what the records and live runs would say after each event."""

    def __init__(self) -> None:
        self.frames: list[Frame] = []
        self.snapshots: list[Frame] = []
        self.messages: dict[str, Frame] = {}
        self.active: dict[str, Frame] = {}
        self.remember()

    def add(self, kind: str, run: int, /, **fields: Any) -> None:
        envelope = {"topic": TOPIC, "seq": len(self.frames) + 1, "run_id": f"r{run}", "message_id": f"a{run}", "timestamp": "t"}
        self.frames.append({"type": kind, **envelope, **fields})

    def remember(self) -> None:
        """The snapshot of this moment."""
        self.snapshots.append(
            copy.deepcopy(
                {
                    "type": "snapshot", "topic": TOPIC, "epoch": "e", "seq": len(self.frames),
                    "messages": list(self.messages.values()), "active_runs": list(self.active.values()),
                }
            )
        )  # fmt: skip

    def play(self, number: int, parts: list[tuple[str, str]], end: str | None, deleted: bool) -> None:
        self.begin(number)
        answer = self.messages[f"a{number}"]
        for kind, text in parts:
            self.part(number, answer, kind, text)
            self.remember()
        if end is not None:
            self.end(number, answer, end)
        if deleted and end is not None:
            del self.messages[f"u{number}"]
            self.add("message_deleted", number, message_id=f"u{number}")
            self.remember()

    def begin(self, number: int) -> None:
        before = f"a{number - 1}" if number else None
        question = {"message_id": f"u{number}", "content": "?", "parent_id": before, "author": {"id": "u"}, "client_id": "c"}
        both: Frame = {"run_id": f"r{number}", "sources": [], "citations": [], "created_at": "t"}
        self.messages[f"u{number}"] = {
            "id": f"u{number}", "role": "user", "state": "complete", **both,
            **{key: value for key, value in question.items() if key != "message_id"},
        }  # fmt: skip
        self.add("user_message", number, **question)
        self.remember()
        self.messages[f"a{number}"] = {
            "id": f"a{number}", "role": "assistant", "content": "", "state": "streaming", "parent_id": f"u{number}", **both,
        }  # fmt: skip
        self.active[f"r{number}"] = {"run_id": f"r{number}", "message_id": f"a{number}", "state": "running"}
        self.add("run_started", number, kind="chat", model="m", attempt=1)
        self.remember()

    def part(self, number: int, answer: Frame, kind: str, text: str) -> None:
        if kind == "text":
            self.add("answer_chunk", number, content=text, offset=len(answer["content"]))
            answer["content"] += text
        elif kind == "sources":
            answer["sources"] = [{"n": 1, "title": text}]
            self.add("sources", number, sources=answer["sources"])
        elif kind == "citation":
            citation = {"n": 1, "source_id": None, "start": 0, "end": len(text)}
            answer["citations"] = [*answer["citations"], citation]
            self.add("citation", number, **citation)
        elif kind == "status":
            phase = "queued" if len(text) == 1 else "generating"
            self.active[f"r{number}"]["state"] = "queued" if phase == "queued" else "running"
            self.add("status", number, phase=phase, content=text)
        elif kind == "error":
            answer["error"] = {"code": "timeout", "message": text}
            self.add("error", number, **answer["error"], retryable=True)
        else:
            answer["usage"] = {"prompt_tokens": 3, "tool_calls": 0}
            self.add("usage", number, **answer["usage"])

    def end(self, number: int, answer: Frame, status: str) -> None:
        answer["state"] = STATES[status]
        del self.active[f"r{number}"]
        stopped: Frame = {}
        if status == "stopped":
            answer["stopped_by"] = "Ada"
            stopped = {"stopped_by": {"id": "u", "name": "Ada"}}
        self.add("complete", number, status=status, text_length=len(answer["content"]), **stopped)
        self.remember()


def served(plan: list[Any]) -> Server:
    server = Server()
    for number, (parts, end, deleted) in enumerate(plan):
        server.play(number, parts, end, deleted)
    return server


def known(state: TopicState) -> Frame:
    return {"position": state.position, "messages": state.messages, "active": state.active_runs}


def from_snapshot(frame: Frame) -> TopicState:
    state = TopicState(TOPIC)
    assert state.apply(copy.deepcopy(frame)) is Outcome.APPLIED
    return state


@settings(max_examples=300, deadline=None)
@given(plan=runs, start=st.integers(0, 100), end=st.integers(0, 100))
def test_an_old_snapshot_and_events_make_a_new_snapshot(plan: list[Any], start: int, end: int) -> None:
    server = served(plan)
    one, other = sorted((start % len(server.snapshots), end % len(server.snapshots)))
    state = from_snapshot(server.snapshots[one])
    for frame in server.frames[server.snapshots[one]["seq"] : server.snapshots[other]["seq"]]:
        assert state.apply(copy.deepcopy(frame)) is Outcome.APPLIED
    assert known(state) == known(from_snapshot(server.snapshots[other]))


@settings(max_examples=200, deadline=None)
@given(plan=runs, doubled=st.lists(st.integers(0, 60), max_size=8), missing=st.integers(0, 60))
def test_doubled_events_are_harmless_and_missing_ones_seen(plan: list[Any], doubled: list[int], missing: int) -> None:
    server = served(plan)
    state = from_snapshot(server.snapshots[0])
    for number, frame in enumerate(server.frames):
        if number == missing:
            for later in server.frames[number + 1 :]:
                before = copy.deepcopy(known(state))
                assert state.apply(copy.deepcopy(later)) is Outcome.GAP
                assert known(state) == before
        assert state.apply(copy.deepcopy(frame)) is Outcome.APPLIED
        for again in doubled:
            if again <= number:
                assert state.apply(copy.deepcopy(server.frames[again])) is Outcome.DUPLICATE
    assert known(state) == known(from_snapshot(server.snapshots[-1]))
