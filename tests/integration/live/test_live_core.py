"""The promises of the live core, seen against a real server process and a fake model server (docs/protocol.md section 8)."""

from __future__ import annotations

import asyncio
import hashlib
import time
from typing import Any

import pytest

from antiphon.protocol.reducer import Outcome
from antiphon.testing.raw_socket import RawSocket
from antiphon.testing.server_process import OWNER_KEY, FakeModelServer, ServerProcess


def socket(server: ServerProcess, **more: Any) -> RawSocket:
    return RawSocket(server.url, key=OWNER_KEY, **more)


def sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


async def test_order_of_a_run(server: ServerProcess, session_id: str) -> None:
    topic = f"session:{session_id}"
    async with socket(server) as client:
        assert (await client.receive() or {})["type"] == "welcome"
        await client.subscribe(topic)
        sent = await client.send("chat_message", session_id=session_id, content="How many days of vacation? tokens=5")
        await client.completed(topic)
    kinds = [frame["type"] for frame in client.frames]
    kinds = kinds[kinds.index("snapshot") + 1 :]
    assert kinds[:3] == ["ack", "user_message", "run_started"]
    assert kinds.count("sources") == 1
    assert kinds.index("sources") < kinds.index("answer_chunk")
    assert kinds[-2:] == ["usage", "complete"]
    first = next(frame for frame in client.frames if frame["type"] == "user_message")
    assert first["cause"] == sent
    assert first["client_id"] == sent
    sources = next(frame for frame in client.frames if frame["type"] == "sources")["sources"]
    assert sources[0]["n"] == 1
    assert "25 days" in sources[0]["snippet"]
    page = server.call("GET", f"/documents/{sources[0]['document_id']}/pages/1/text")["text"]
    assert page[sources[0]["start"] : sources[0]["end"]].startswith(sources[0]["snippet"][:200])
    assert set(client.outcomes) <= {Outcome.APPLIED, Outcome.IGNORED}


async def test_two_clients_see_one_sequence(server: ServerProcess, session_id: str) -> None:
    topic = f"session:{session_id}"
    async with socket(server) as one, socket(server) as two:
        await one.subscribe(topic)
        await two.subscribe(topic)
        await one.command("chat_message", session_id=session_id, content="vacation? tokens=20")
        await asyncio.gather(one.completed(topic), two.completed(topic))
    assert one.of_topic(topic) == two.of_topic(topic)
    seqs = [frame["seq"] for frame in one.of_topic(topic)]
    assert seqs == list(range(seqs[0], seqs[0] + len(seqs)))


async def test_leaving_and_returning_gives_the_rest_exactly(server: ServerProcess, session_id: str) -> None:
    topic = f"session:{session_id}"
    async with socket(server) as client:
        await client.subscribe(topic)
        await client.command("chat_message", session_id=session_id, content="vacation? tokens=40")
        for _ in range(5):
            await client.until(lambda frame: frame["type"] == "answer_chunk")
        state = client.states[topic]
        client.abort()
    await asyncio.sleep(0.5)  # the run goes on without anybody
    async with socket(server) as again:
        again.states[topic] = state
        subscribed = await again.subscribe(topic, since=state.position)
        assert subscribed["mode"] == "replay"
        complete = await again.completed(topic)
    message = state.messages[complete["message_id"]]
    assert Outcome.GAP not in again.outcomes
    assert len(message["content"]) == complete["text_length"]
    assert sha256(message["content"]) == complete["text_sha256"]
    stored = server.call("GET", f"/sessions/{session_id}/messages")["items"][-1]
    assert stored["content"] == message["content"]
    assert stored["state"] == "complete"


async def test_a_late_device_gets_a_snapshot_and_goes_on_live(server: ServerProcess, session_id: str) -> None:
    topic = f"session:{session_id}"
    async with socket(server) as first:
        await first.subscribe(topic)
        ack = await first.command("chat_message", session_id=session_id, content="vacation? tokens=30")
        for _ in range(8):
            await first.until(lambda frame: frame["type"] == "answer_chunk")
        async with socket(server) as late:
            assert (await late.subscribe(topic))["mode"] == "snapshot"
            snapshot = await late.until(lambda frame: frame["type"] == "snapshot")
            assert snapshot["active_runs"][0]["run_id"] == ack["result"]["run_id"]
            assert snapshot["messages"][-1]["state"] == "streaming"
            assert snapshot["messages"][-1]["content"].count("t=") >= 8
            await late.completed(topic)
            await first.completed(topic)
    message_id = ack["result"]["message_id"]
    assert late.states[topic].text(message_id) == first.states[topic].text(message_id)


async def test_stop_closes_the_upstream_and_keeps_the_text(
    server: ServerProcess, session_id: str, fake_model: FakeModelServer
) -> None:
    topic = f"session:{session_id}"
    fake_model.requests(clear=True)
    async with socket(server) as client, socket(server) as other:
        await client.subscribe(topic)
        await other.subscribe(topic)
        ack = await client.command("chat_message", session_id=session_id, content="vacation? tokens=200")
        for _ in range(6):
            await client.until(lambda frame: frame["type"] == "answer_chunk")
        asked_ns = time.monotonic_ns()
        stopped = await other.command("stop", run_id=ack["result"]["run_id"])
        assert stopped["ok"]
        assert stopped["result"]["state"] == "stopped"
        complete = await client.completed(topic)
    text = client.states[topic].text(ack["result"]["message_id"])
    assert complete["status"] == "stopped"
    assert complete["stopped_by"]["name"] == "owner"
    assert complete["text_sha256"] == sha256(text)
    request = next(entry for entry in fake_model.requests() if "tokens=200" in entry["last"])
    assert request["outcome"] == "client_closed"
    assert (request["end_ns"] - asked_ns) / 1e9 < 1.0
    stored = server.call("GET", f"/sessions/{session_id}/messages")["items"][-1]
    assert (stored["content"], stored["state"], stored["stopped_by"]) == (text, "stopped", "owner")
    kinds = [frame["type"] for frame in client.of_topic(topic)]
    assert kinds[kinds.index("complete") :] == ["complete"]


async def test_stopping_a_finished_run_is_fine(server: ServerProcess, session_id: str) -> None:
    topic = f"session:{session_id}"
    async with socket(server) as client:
        await client.subscribe(topic)
        ack = await client.command("chat_message", session_id=session_id, content="vacation? tokens=2")
        await client.completed(topic)
        stopped = await client.command("stop", run_id=ack["result"]["run_id"])
        assert stopped["ok"]
        assert stopped["result"]["state"] == "completed"


async def test_one_command_id_starts_one_run(server: ServerProcess, session_id: str, fake_model: FakeModelServer) -> None:
    """P4: fifty sends over two sockets, and one more after a reconnect."""
    fake_model.requests(clear=True)
    command_id = "0d9a2f0e-0000-4000-8000-1234567890ab"
    question = {"session_id": session_id, "content": "idempotent? tokens=3"}
    async with socket(server) as one, socket(server) as two:
        for _ in range(25):
            await one.send("chat_message", command_id, **question)
            await two.send("chat_message", command_id, **question)
        acks = [await client.until(lambda f: f["type"] == "ack") for client in (one, two) for _ in range(25)]
    async with socket(server) as later:
        acks.append(await later.command("chat_message", command_id, **question))
        clash = await later.command("chat_message", command_id, session_id=session_id, content="something else")
    assert all(ack["ok"] for ack in acks), acks
    assert len({ack["result"]["run_id"] for ack in acks}) == 1
    assert sum(not ack["duplicate"] for ack in acks) == 1
    assert clash["error"]["code"] == "conflict"
    assert sum("idempotent?" in entry["last"] for entry in fake_model.requests()) == 1


async def test_a_second_question_while_one_runs_is_refused(server: ServerProcess, session_id: str) -> None:
    async with socket(server) as client:
        ack = await client.command("chat_message", session_id=session_id, content="vacation? tokens=100")
        refused = await client.command("chat_message", session_id=session_id, content="and travel?")
        assert refused["error"]["code"] == "run_active"
        assert refused["error"]["retryable"]
        await client.command("stop", run_id=ack["result"]["run_id"])
        again = await client.command("chat_message", session_id=session_id, content="and travel? tokens=1")
        assert again["ok"]


async def test_resume_modes(server: ServerProcess, session_id: str) -> None:
    topic = f"session:{session_id}"
    async with socket(server) as client:
        await client.subscribe(topic)
        await client.command("chat_message", session_id=session_id, content="vacation? tokens=3")
        await client.completed(topic)
        position = client.states[topic].position
        assert position is not None
        assert (await client.subscribe(topic, since=position))["mode"] == "live"
        back = {**position, "seq": position["seq"] - 4}
        assert (await client.subscribe(topic, since=back))["mode"] == "replay"
        assert (await client.subscribe(topic, since={**position, "epoch": "another"}))["mode"] == "snapshot"
        assert (await client.subscribe(topic, since={**position, "seq": position["seq"] + 1}))["mode"] == "snapshot"


async def test_a_delta_costs_less_than_300_bytes_beside_its_text(server: ServerProcess, session_id: str) -> None:
    topic = f"session:{session_id}"
    async with socket(server) as client:
        await client.subscribe(topic)
        await client.command("chat_message", session_id=session_id, content="vacation? tokens=20")
        await client.completed(topic)
    chunks = [(raw, frame) for raw, frame in zip(client.raw, client.frames, strict=True) if frame["type"] == "answer_chunk"]
    assert chunks
    assert max(len(raw.encode()) - len(frame["content"].encode()) for raw, frame in chunks) <= 300


async def test_history_pages_backwards(server: ServerProcess, session_id: str) -> None:
    topic = f"session:{session_id}"
    async with socket(server) as client:
        await client.subscribe(topic)
        for number in range(3):
            await client.command("chat_message", session_id=session_id, content=f"question {number} tokens=1")
            await client.completed(topic)
        newest = (await client.command("history", topic=topic, limit=2))["result"]
        older = (await client.command("history", topic=topic, limit=2, before=newest["messages"][0]["id"]))["result"]
    assert newest["messages"][0]["content"] == "question 2 tokens=1"
    assert older["messages"][0]["content"] == "question 1 tokens=1"
    assert older["has_more"]


async def test_node_events_on_the_run_topic(server: ServerProcess, session_id: str) -> None:
    async with socket(server) as client:
        ack = await client.command("chat_message", session_id=session_id, content="vacation? tokens=10")
        topic = f"run:{ack['result']['run_id']}"
        await client.subscribe(topic)
        complete = await client.completed(topic)
    state = client.states[topic]
    assert {"question", "retrieve", "answer", "output"} <= set(state.nodes)
    assert all(node["state"] == "finished" for node in state.nodes.values())
    assert sha256(state.nodes["answer"]["text"]["answer"]) == complete["text_sha256"]
    record = server.call("GET", f"/runs/{ack['result']['run_id']}")
    assert record["state"] == "completed"
    assert record["record"]["text_sha256"] == complete["text_sha256"]


@pytest.mark.parametrize("model", ["fake-slow", "extractive"])
async def test_final_text_equals_record_and_hash(server: ServerProcess, session_id: str, model: str) -> None:
    topic = f"session:{session_id}"
    async with socket(server) as client:
        await client.subscribe(topic)
        await client.command("chat_message", session_id=session_id, content="What is the daily allowance? tokens=9", model=model)
        complete = await client.completed(topic)
    text = client.states[topic].text(complete["message_id"])
    assert sha256(text) == complete["text_sha256"]
    if model == "extractive":
        assert "40 euros" in text
        citations = client.states[topic].messages[complete["message_id"]]["citations"]
        assert citations
        assert all(text[c["start"] : c["end"]].startswith("[") and c["source_id"] for c in citations)
