"""transports/merging.py: what is merged into what. The property: tests/properties/test_merging.py."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from antiphon.protocol.codec import encode_body
from antiphon.protocol.events import AnswerChunk, Complete, Event, NodeChunk, ReasoningChunk
from antiphon.storage.event_log.contract import Entry
from antiphon.transports import merging
from antiphon.transports.merging import merge_entries


def entries(*events: Event, first: int = 1) -> list[Entry]:
    return [
        Entry("session:s", seq, str(event.__struct_config__.tag), encode_body(event, f"t{seq}"))
        for seq, event in enumerate(events, first)
    ]


def frames(*events: Event, first: int = 1, previous: int = 0) -> list[dict[str, Any]]:
    return [msgspec.json.decode(frame) for frame in merge_entries(entries(*events, first=first), previous)]


def chunk(content: str, offset: int, message_id: str = "m") -> AnswerChunk:
    return AnswerChunk(content=content, offset=offset, message_id=message_id, run_id="r")


def test_adjacent_pieces_become_one_frame() -> None:
    [frame] = frames(chunk("Ja", 5), chunk(" 🙂", 7), chunk("\n", 9), first=4, previous=3)
    assert frame == {
        "type": "answer_chunk", "content": "Ja 🙂\n", "offset": 5, "message_id": "m", "run_id": "r", "timestamp": "t4", "seq": 6,
        "prev_seq": 3, "topic": "session:s",
    }  # fmt: skip


def test_one_piece_stays_as_it_is() -> None:
    [entry] = entries(chunk("x", 0))
    assert merge_entries([entry], 0) == [entry.frame]
    assert merge_entries([], 7) == []


def test_pieces_of_others_are_not_merged() -> None:
    events: list[Event] = [
        chunk("a", 0), chunk("b", 0, "m2"), ReasoningChunk(content="c", offset=0, message_id="m2", run_id="r"),
        NodeChunk(content="d", offset=0, node_id="n", port="text", run_id="r"),
        NodeChunk(content="e", offset=0, node_id="n", port="reasoning", run_id="r"),
        NodeChunk(content="f", offset=0, node_id="n2", port="reasoning", run_id="r"),
        NodeChunk(content="g", offset=0, node_id="n2", port="reasoning", run_id="r2"),
    ]  # fmt: skip
    assert [frame["content"] for frame in frames(*events)] == list("abcdefg")


def test_an_event_in_between_parts_them() -> None:
    assert [frame["seq"] for frame in frames(chunk("a", 0), chunk("b", 1), Complete(status="completed"), chunk("c", 2))] == [
        2,
        3,
        4,
    ]


def test_a_merged_frame_has_its_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(merging, "MAX_MERGED_CHARACTERS", 4)
    shown = frames(*(chunk("xx", 2 * n) for n in range(5)))
    assert [(frame["content"], frame.get("prev_seq"), frame["seq"]) for frame in shown] == [
        ("xxxx", 0, 2),
        ("xxxx", 2, 4),
        ("xx", None, 5),
    ]
