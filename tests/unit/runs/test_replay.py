"""runs/replay.py over the whole live core: the same text, or the first difference; and plain words when it cannot be."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from antiphon.access.scope import Action, scope
from antiphon.core.errors import BadRequest, Conflict, NotFound
from antiphon.plugins.manager import load_plugins
from antiphon.runs.language import language_of
from antiphon.runs.nodes import builtin
from antiphon.runs.replay import Replays, first_difference
from antiphon.storage.lexical.contract import Chunk
from antiphon.storage.records.rows import DOCUMENTS, MESSAGES, PAGES, RUNS, DocumentRow, PageRow
from antiphon.testing.flows import sample_passage
from antiphon.testing.live_core import EVERYTHING, SESSION_IDS, USER

TOPIC = f"session:{SESSION_IDS[0]}"


class Again:
    """Replays of what a talk's core recorded; `chunks`: those that are still there."""

    def __init__(self, talk: Any) -> None:
        self.talk = talk
        self.core = talk.core
        self.chunks = {1, 2, 3}

    async def seed(self) -> None:
        page = list(" " * 400)
        for n in (1, 2, 3):
            passage = sample_passage(n)
            page[passage.start : passage.end] = passage.text

        def write(tx: Any) -> None:
            tx.insert(DOCUMENTS, DocumentRow(id="doc_a", workspace_id="ws_1", name="a", created_at=0.0, updated_at=0.0))
            tx.insert(
                PAGES, PageRow(id="doc_a:1:1", document_id="doc_a", workspace_id="ws_1", version=1, number=1, text="".join(page))
            )

        await self.write(write)

    async def write(self, work: Any) -> Any:
        task = asyncio.ensure_future(self.core.running.store.write(work))
        await self.core.finish(task)
        return task.result()

    def chunk(self, _tx: Any, _scope: Any, chunk_id: int) -> Chunk | None:
        if chunk_id not in self.chunks:
            return None
        passage = sample_passage(chunk_id)
        return Chunk(
            document_id="doc_a", workspace_id="ws_1", version=1, ordinal=chunk_id, page=1, start=passage.start, end=passage.end,
            text=passage.text, tokeniser_version="1", tokens="", chunk_id=chunk_id,
        )  # fmt: skip

    async def prepare(self, run_id: str) -> Any:
        process = self.core.running
        replays = Replays(
            store=process.store, chunk_of=self.chunk, runtime=process.runtime, owner="test",
            catalogue=load_plugins([], builtin=[builtin], entry_points=False).catalogue(),
        )  # fmt: skip
        reach = await scope(USER, Action.READ, process.rights)
        task = asyncio.ensure_future(replays.prepare(USER, reach, run_id))
        await self.core.finish(task)
        return task.result()

    async def run(self, run_id: str, *texts: str) -> Any:
        """The row of the finished replay, for which the model says these."""
        question = await self.prepare(run_id)
        engine = self.core.running.engine
        engine.register(question.row)
        engine.launch(question)
        await self.core.settle()
        await self.talk.says(*texts)
        await self.talk.ends()
        return self.talk.run(question.row.id)


@pytest.fixture
async def again(talk: Any) -> Again:
    made = Again(talk)
    await made.seed()
    return made


async def answered(talk: Any, client: Any, *texts: str, **fields: Any) -> str:
    result = (await talk.ask(client, **fields))["result"]
    await talk.says(*texts)
    await talk.ends()
    client.read()
    return result["run_id"]


async def test_the_record_holds_what_a_repetition_needs(talk, again) -> None:
    client = await talk.client()
    first = await answered(talk, client, "Yes.", seed=7)
    run_id = await answered(talk, client, "Ja [1]", " 🙂", content="Und 假期?")
    record = talk.run(run_id).record
    messages = [row.id for row in talk.core.running.store.read_inline(lambda tx: tx.find(MESSAGES, EVERYTHING, order="ordinal"))]
    assert record["asked"] == {
        "question": "Und 假期?", "language": language_of("Und 假期?"), "workspace_ids": ["ws_1"], "history": messages[:2], "filter": None,
    }  # fmt: skip
    assert talk.run(first).record["seed"] == 7
    assert talk.run(first).record["fixed_seed"] is True
    assert record["fixed_seed"] is False
    assert 0 <= record["seed"] < 2**31
    assert record["prompt"]["seed"] == record["seed"]
    assert record["model"] == "directed"
    assert sorted(node["type"] for node in record["nodes"]) == [
        "chat_model", "condense", "decompose", "fit", "history", "output", "question", "retrieve", "template", "template",
        "whole_document",
    ]  # fmt: skip
    assert all(node["state"] == "finished" and "settings" in node and node["version"] == 1 for node in record["nodes"])
    [retrieval] = record["retrievals"]
    assert [(p["n"], p["chunk_id"], p["document_id"], p["version"]) for p in retrieval["passages"]] == [
        (1, 1, "doc_a", 1), (2, 2, "doc_a", 1), (3, 3, "doc_a", 1),
    ]  # fmt: skip
    assert retrieval["passages"][0]["scores"] == {"lexical": None, "dense": None, "rerank": None, "fused": None}
    assert set(record["timings"]) == {"queued_ms", "first_token_ms", "total_ms", "retrieval_ms"}
    assert len(record["flow"]["sha256"]) == 64
    assert record["usage"]["completion_tokens"] == 2


async def test_a_replay_says_the_same_and_leaves_the_conversation_alone(talk, again) -> None:
    client = await talk.client()
    await answered(talk, client, "Before.")
    run_id = await answered(talk, client, "Ja [1]", " 🙂")
    seen = len(talk.kinds(client))
    replay = await again.run(run_id, "Ja [1", "] 🙂")  # other pieces, the same text
    client.read()
    assert len(talk.kinds(client)) == seen
    assert (replay.kind, replay.session_id, replay.parent_run_id, replay.state) == ("replay", None, run_id, "completed")
    assert replay.record["replay"] == {"of": run_id, "equal": True, "recorded_text_sha256": replay.record["text_sha256"]}
    assert replay.record["seed"] == talk.run(run_id).record["seed"]
    assert replay.record["prompt"] == talk.run(run_id).record["prompt"]
    assert replay.record["text"] == "Ja [1] 🙂"
    assert len(again.core.retriever.calls) == 2, "the replay searched for nothing"
    twice = await again.run(replay.id, "Ja [1] 🙂")
    assert twice.record["replay"]["equal"]
    talk.all_well(client)


async def test_the_run_topic_of_a_replay_can_be_followed(talk, again) -> None:
    client = await talk.client()
    run_id = await answered(talk, client, "Ja")
    question = await again.prepare(run_id)
    engine = again.core.running.engine
    engine.register(question.row)
    engine.launch(question)
    await again.core.settle()
    await talk.says("Ne")
    topic = f"run:{question.row.id}"
    await talk.follow(client, topic)
    await talk.says("in [1]")
    await talk.ends()
    client.read()
    state = client.states[topic]
    assert state.text(question.row.message_id) == "Nein [1]"
    assert state.messages[question.row.message_id]["state"] == "complete"
    late = await talk.client("b", topic)
    assert late.states[topic].text(question.row.message_id) == "Nein [1]"
    talk.all_well(client, late)


async def test_the_first_difference_is_named(talk, again) -> None:
    client = await talk.client()
    run_id = await answered(talk, client, "The pump is serviced every 500 hours.")
    replay = await again.run(run_id, "The pump is serviced every 600 hours.")
    told = replay.record["replay"]
    assert told["equal"] is False
    assert told["first_difference"] | {"offset": 27, "recorded_length": 37, "replayed_length": 37} == told["first_difference"]
    assert "500 hours" in told["first_difference"]["recorded"]
    assert "600 hours" in told["first_difference"]["replayed"]
    assert (told["first_node"]["node_id"], told["first_node"]["port"]) == ("answer", "answer")


async def test_what_is_gone_is_said(talk, again) -> None:
    client = await talk.client()
    run_id = await answered(talk, client, "Ja")
    again.chunks = {1, 3}
    with pytest.raises(Conflict, match=r"'Title of doc_a' that were used are gone"):
        await again.prepare(run_id)
    await again.write(lambda tx: tx.update(DOCUMENTS, EVERYTHING, "doc_a", version=2))
    with pytest.raises(Conflict, match="version 1 was used, 2 is there now"):
        await again.prepare(run_id)
    await again.write(lambda tx: tx.update(DOCUMENTS, EVERYTHING, "doc_a", deleted_at=1.0))
    with pytest.raises(Conflict, match="was deleted"):
        await again.prepare(run_id)
    assert talk.core.running.store.read_inline(lambda tx: tx.count(RUNS, EVERYTHING, {"kind": "replay"})) == 0


async def test_what_cannot_be_repeated_says_why(talk, again) -> None:
    client = await talk.client()
    with pytest.raises(NotFound):
        await again.prepare("run_nowhere")
    result = (await talk.ask(client))["result"]
    with pytest.raises(Conflict, match="has not ended yet"):
        await again.prepare(result["run_id"])
    await talk.says("x")
    await talk.core.crash()
    client.lose()
    await talk.core.start()
    with pytest.raises(Conflict, match="no whole record"):
        await again.prepare(result["run_id"])
    await talk.back(client)
    run_id = await answered(talk, client, "Ja")
    nodes = [node | ({"type": "gone"} if node["id"] == "condense" else {}) for node in talk.run(run_id).record["nodes"]]
    await again.write(
        lambda tx: tx.update(RUNS, EVERYTHING, run_id, record={**tx.get(RUNS, EVERYTHING, run_id).record, "nodes": nodes})
    )
    with pytest.raises(BadRequest, match="condense"):
        await again.prepare(run_id)


@given(
    before=st.text(alphabet="ab🙂休", max_size=60),
    one=st.text(alphabet="ab", max_size=5),
    other=st.text(alphabet="xy", max_size=5),
)
def test_the_offset_is_where_the_texts_part(before: str, one: str, other: str) -> None:
    told = first_difference(before + one, before + other)
    assert told["offset"] == len(before)
    assert told["recorded"].endswith(one)
    assert told["replayed"].endswith(other)
