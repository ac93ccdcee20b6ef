"""runs/live.py: what nodes tell becomes events, once, in order, and nothing after the fence."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from antiphon.core.tick import TickQueue
from antiphon.models.quotation import QuotedText
from antiphon.retrieve.passage import Passage
from antiphon.runs.live import MAX_DELTA_CHARACTERS, MAX_OUTPUT_CHARACTERS, LiveRun
from antiphon.runs.pacing import LoadGauge
from antiphon.storage.event_log.contract import Position
from antiphon.storage.event_log.memory import MemoryEventLog
from antiphon.storage.records.rows import RunRow
from antiphon.testing.flows import sample_passage
from antiphon.testing.simulated import simulated_runtime

PASSAGES: list[Passage] = [sample_passage(1), sample_passage(2)]


class House:
    def __init__(self, session_id: str | None = "ses_1") -> None:
        self.runtime = simulated_runtime()
        self.log = MemoryEventLog(runtime=self.runtime)
        self.added: list[float] = []
        row = RunRow(
            id="run_1", session_id=session_id, workspace_id="ws_1", author_id="u", model="m", message_id="msg_1", created_at=0
        )
        self.run = LiveRun(
            row, log=self.log, runtime=self.runtime, ticks=TickQueue(self.runtime.scheduler), gauge=LoadGauge(self.runtime),
            on_added=self.added.append,
        )  # fmt: skip

    async def frames(self, topic: str = "session:ses_1") -> list[dict[str, Any]]:
        entries = await self.log.read(topic, Position(self.log.epoch, 0)) or []
        return [msgspec.json.decode(entry.frame) for entry in entries]

    async def kinds(self, topic: str = "session:ses_1") -> list[str]:
        return [frame["type"] for frame in await self.frames(topic)]


@pytest.fixture
def house() -> House:
    return House()


async def test_pieces_of_one_turn_are_one_delta(house: House) -> None:
    house.run.answer("Ja")
    house.run.answer(", ")
    house.run.answer("")
    assert (house.run.text, house.run.text_length) == ("", 0)
    await house.runtime.advance(0)
    house.run.answer("🙂")
    await house.runtime.advance(0.02)
    assert [(f["content"], f["offset"]) for f in await house.frames()] == [("Ja, ", 0), ("🙂", 4)]
    assert (house.run.text, house.run.text_length) == ("Ja, 🙂", 5)
    assert house.added == [0.0, pytest.approx(0.01)]
    assert await house.frames("run:run_1") == [{**frame, "topic": "run:run_1"} for frame in await house.frames()]


async def test_ids_are_on_every_event(house: House) -> None:
    house.run.status("generating", "…")
    house.run.node_started("n1", "Node")
    [status, started] = await house.frames("run:run_1")
    assert (status["run_id"], status["session_id"], status["message_id"]) == ("run_1", "ses_1", "msg_1")
    assert started["run_id"] == "run_1"
    assert "message_id" not in started
    assert await house.kinds() == ["status"]


async def test_text_comes_before_what_is_told_after_it(house: House) -> None:
    house.run.answer("first")
    house.run.status("generating", "then")
    house.run.node_started("n", "N")
    house.run.answer(" second")
    house.run.node_finished("n", 3)
    assert await house.kinds("run:run_1") == ["answer_chunk", "status", "node_started", "answer_chunk", "node_finished"]


async def test_sources_once_and_marks_as_citations_of_them(house: House) -> None:
    house.run.sources(PASSAGES)
    house.run.sources([])
    for piece in ("See [", "2", "] 🙂 [7]"):
        house.run.answer(piece)
        await house.runtime.advance(0.02)
    frames = await house.frames()
    assert [f["type"] for f in frames] == ["sources", "answer_chunk", "answer_chunk", "answer_chunk", "citation", "citation"]
    second, seventh = frames[-2], frames[-1]
    assert (second["n"], second["start"], second["end"], second["source_id"]) == (2, 4, 7, "doc_a:1:2")
    assert (second["source_start"], second["source_end"]) == (200, 200 + len("Passage number 2."))
    assert (seventh["n"], seventh["start"], seventh["end"], seventh["source_id"]) == (7, 10, 13, None)
    shown = ("n", "source_id", "start", "end", "source_start", "source_end")
    assert house.run.citations == [{name: frame[name] for name in shown if name in frame} for frame in (second, seventh)]
    assert [source["n"] for source in house.run.source_list] == [1, 2]


async def test_a_flood_is_cut_into_frames(house: House) -> None:
    house.log.subscribe("run:run_1", lambda _entry: None)
    long = "x" * (2 * MAX_DELTA_CHARACTERS + 5)
    house.run.reasoning(long)
    house.run.node_chunk("n", "text", long)
    house.run.answer(long)
    await house.runtime.advance(0)
    frames = await house.frames("run:run_1")
    for kind in ("node_chunk", "reasoning_chunk", "answer_chunk"):
        mine = [frame for frame in frames if frame["type"] == kind]
        assert [(f["offset"], len(f["content"])) for f in mine] == [
            (0, MAX_DELTA_CHARACTERS), (MAX_DELTA_CHARACTERS, MAX_DELTA_CHARACTERS), (2 * MAX_DELTA_CHARACTERS, 5),
        ]  # fmt: skip


async def test_nothing_comes_after_the_fence(house: House) -> None:
    house.run.sources(PASSAGES)
    house.run.answer("buffered")
    house.run.close()
    before = await house.kinds("run:run_1")
    assert before == ["sources", "answer_chunk"]
    house.run.answer("late")
    house.run.reasoning("late")
    house.run.status("generating", "late")
    house.run.node_started("n", "N")
    house.run.node_chunk("n", "text", "late")
    house.run.node_output("n", "text", "late")
    house.run.node_finished("n", 1)
    house.run.node_failed("n", "timeout", "late", 1)
    house.run.close()
    await house.runtime.advance(1.0)
    assert await house.kinds("run:run_1") == before
    assert house.run.text == "buffered"


async def test_what_nodes_write_is_gathered_until_somebody_follows(house: House) -> None:
    house.run.node_started("a", "A")
    for piece in ("one ", "two "):
        house.run.node_chunk("a", "text", piece)
        house.run.answer(piece)
        await house.runtime.advance(0.02)
    assert await house.kinds("run:run_1") == ["node_started", "answer_chunk", "answer_chunk"]
    unfollow = house.log.subscribe("run:run_1", lambda _entry: None)
    for piece in ("three ", "four "):
        house.run.node_chunk("a", "text", piece)
        await house.runtime.advance(0.02)
    chunks = [(f["offset"], f["content"]) for f in await house.frames("run:run_1") if f["type"] == "node_chunk"]
    assert chunks == [(0, "one two three "), (14, "four ")]
    unfollow()
    house.run.node_chunk("a", "text", "five")
    await house.runtime.advance(0.02)
    house.run.node_finished("a", 1)
    assert (await house.kinds("run:run_1"))[-2:] == ["node_chunk", "node_finished"]
    assert house.run.nodes_snapshot()["a"]["text"] == {"text": "one two three four five"}


@pytest.mark.parametrize("end", ["close", "node_failed", "tell_nodes"])
async def test_gathered_text_of_nodes_is_told_in_the_end(house: House, end: str) -> None:
    house.run.node_started("a", "A")
    house.run.node_chunk("a", "text", "all of it")
    await house.runtime.advance(1.0)
    if end == "node_failed":
        house.run.node_failed("a", "timeout", "Too late.", 1)
    else:
        getattr(house.run, end)()
    assert [f["content"] for f in await house.frames("run:run_1") if f["type"] == "node_chunk"] == ["all of it"]


async def test_nodes_are_shown_as_the_reducer_holds_them(house: House) -> None:
    house.run.node_started("a", "A")
    house.run.node_chunk("a", "text", "one ")
    house.run.node_chunk("a", "text", "two")
    house.run.node_started("b", "B")
    house.run.node_finished("a", 12)
    house.run.node_failed("b", "timeout", "Too slow.", 5)
    house.run.node_failed("c", "internal", "Never began.", 0)
    assert house.run.nodes_snapshot() == {
        "a": {"state": "finished", "label": "A", "text": {"text": "one two"}},
        "b": {"state": "failed", "label": "B", "text": {}},
        "c": {"state": "failed", "label": "c", "text": {}},
    }
    assert house.run.node_records(ended="completed")[0] == {"id": "a", "state": "finished", "label": "A", "duration_ms": 12}


async def test_outputs_are_small_whatever_a_node_gives(house: House) -> None:
    for value in ("y" * (MAX_OUTPUT_CHARACTERS + 1), 3, None, True, [1, 2], {"a": 1}, PASSAGES):
        house.run.node_output("n", "out", value)
    outputs = [frame.get("output") for frame in await house.frames("run:run_1")]
    assert outputs == ["y" * MAX_OUTPUT_CHARACTERS + "…", 3, None, True, {"items": 2}, {"type": "dict"}, {"items": 2}]


async def test_first_token_and_elapsed_are_measured_from_the_start(house: House) -> None:
    assert house.run.first_token_ms is None
    await house.runtime.advance(0.25)
    house.run.answer("x")
    await house.runtime.advance(0.75)
    house.run.answer("y")
    assert house.run.first_token_ms == 250
    assert house.run.elapsed_ms == 1000


async def test_a_run_without_session_has_one_topic() -> None:
    house = House(session_id=None)
    house.run.answer("x")
    await house.runtime.advance(0)
    assert await house.kinds("run:run_1") == ["answer_chunk"]
    assert "session_id" not in (await house.frames("run:run_1"))[0]


async def test_a_mark_in_quoted_text_is_the_documents_own(house: House) -> None:
    house.run.sources(PASSAGES)
    for piece in (QuotedText("As shown [2] by them [1"), " [1]", QuotedText("【2】"), " [2]"):
        house.run.answer(piece)
    await house.runtime.advance(0)
    text = house.run.text
    assert text == "As shown [2] by them [1 [1]【2】 [2]"
    assert [(c["n"], text[c["start"] : c["end"]]) for c in house.run.citations] == [(1, "[1]"), (2, "[2]")]
    assert [c["start"] for c in house.run.citations] == [24, 31]
