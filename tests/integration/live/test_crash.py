"""kill -9: at a random moment of an answer, and at every named fail-point. Nothing acknowledged is lost, nothing doubled.

Promises P1, P3, P5 of security.md; invariants I1-I3 of docs/protocol.md.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import time
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from antiphon.core.failpoints import FAILPOINTS
from antiphon.testing.raw_socket import RawSocket
from antiphon.testing.server_process import OWNER_KEY, FakeModelServer, ServerProcess

DOCUMENT = b"# Vacation\n\nThere are 25 days of vacation.\n\n# Inventory\n\n" + b"".join(
    b"Shelf %d holds %d boxes of screws.\n\n" % (number, number * 7) for number in range(2500)
)
"""Too large for the way of small files, which takes many in one step: the steps in between are what is killed at."""
KILLED_ELSEWHERE = ("crawl.", "sync.", "queue.", "embed.", "reindex.")
"""In tests/integration/test_crawl_crash.py, test_dense_crash.py (vectors need an embedder) and in `test_kill_while_the_next_question_begins`."""
TERMINAL = {"completed", "stopped", "failed", "interrupted"}
GONE = (aiohttp.ClientError, ConnectionError, AssertionError, TimeoutError)


def start(tmp_path: Path, fake_model: FakeModelServer, **settings: Any) -> ServerProcess:
    return ServerProcess(
        tmp_path / "data", chat_base_url=fake_model.base_url, chat_model="fake-slow", limits_messages_per_minute=0, **settings
    )


async def test_kill_in_the_middle_of_an_answer(tmp_path: Path, fake_model: FakeModelServer) -> None:
    server = start(tmp_path, fake_model)
    workspace = server.call("POST", "/workspaces", {"name": "Crash"})["id"]
    session = server.call("POST", "/sessions", {"workspace_id": workspace})["id"]
    topic = f"session:{session}"
    async with RawSocket(server.url, key=OWNER_KEY) as client:
        await client.subscribe(topic)
        ack = await client.command("chat_message", session_id=session, content="survive? tokens=200")
        await client.until(lambda f: f["type"] == "answer_chunk" and len(client.states[topic].text(f["message_id"])) > 400)
        shown_at = time.monotonic()
        server.kill()
        with contextlib.suppress(*GONE):  # what is still in the socket was shown, too
            while await client.receive(1) is not None:
                shown_at = time.monotonic()
    state = client.states[topic]
    message_id, run_id = ack["result"]["message_id"], ack["result"]["run_id"]
    shown, old_epoch = state.text(message_id), state.epoch
    assert shown_at

    restarted = start(tmp_path, fake_model)
    try:
        async with RawSocket(restarted.url, key=OWNER_KEY) as again:
            again.states[topic] = state
            subscribed = await again.subscribe(topic, since=state.position)
            assert subscribed["mode"] == "snapshot"
            assert subscribed["epoch"] != old_epoch
            await again.until(lambda f: f["type"] == "snapshot")
        messages = restarted.call("GET", f"/sessions/{session}/messages")["items"]
        assert [m["content"] for m in messages if m["role"] == "user"] == ["survive? tokens=200"]
        kept = messages[-1]["content"]
        assert messages[-1]["state"] == "interrupted"
        assert again.states[topic].text(message_id) == kept
        assert shown.startswith(kept)
        lost_tokens = (len(shown) - len(kept)) / (len(shown) / shown.count("t="))
        print(f"shown {len(shown)} characters, kept {len(kept)}, lost {lost_tokens:.1f} tokens (20 a second)")
        assert lost_tokens <= 2.5  # 100 ms at 20 tokens/s, and the one in flight
        assert restarted.call("GET", f"/runs/{run_id}")["state"] == "interrupted"
        # the session goes on
        async with RawSocket(restarted.url, key=OWNER_KEY) as more:
            await more.subscribe(topic)
            assert (await more.command("chat_message", session_id=session, content="go on? tokens=2"))["ok"]
            await more.completed(topic)
    finally:
        restarted.terminate()


async def test_kill_while_the_next_question_begins(tmp_path: Path, fake_model: FakeModelServer) -> None:
    """Killed when the question that waited had its messages, and no event: it is sealed, and the one behind it is answered."""
    server = start(tmp_path, fake_model, failpoint="queue.after_commit")
    workspace = server.call("POST", "/workspaces", {"name": "Queue"})["id"]
    session = server.call("POST", "/sessions", {"workspace_id": workspace})["id"]
    async with RawSocket(server.url, key=OWNER_KEY) as client:
        with contextlib.suppress(*GONE):
            for number, busy in enumerate(("reject", "queue", "queue")):
                ack = await client.command("chat_message", session_id=session, content=f"n{number}? tokens=3", on_busy=busy)
                assert ack["ok"], ack
            while await client.receive(5) is not None:
                pass
    assert await _ends_soon(server), server.output[-2000:]
    assert server.process.poll() == -9
    restarted = start(tmp_path, fake_model)
    try:
        async with asyncio.timeout(20):
            while True:
                messages = restarted.call("GET", f"/sessions/{session}/messages")["items"]
                if len(messages) == 6 and messages[-1]["state"] == "complete":
                    break
                await asyncio.sleep(0.05)
        assert [m["content"] for m in messages if m["role"] == "user"] == [f"n{n}? tokens=3" for n in range(3)]
        assert [m["state"] for m in messages if m["role"] == "assistant"] == ["complete", "interrupted", "complete"]
    finally:
        assert restarted.terminate() == 0, restarted.output


async def _use(server: ServerProcess, name: str, acks: dict[str, dict[str, Any]], sent: list[str]) -> None:
    """Uses the server until the fail-point kills it: documents, questions, a stop, a removal."""
    workspace = await asyncio.to_thread(server.call, "POST", "/workspaces", {"name": f"Crash {name}"})
    document = await asyncio.to_thread(server.upload, workspace["id"], "a.md", DOCUMENT)
    acks["document"] = document
    async with RawSocket(server.url, key=OWNER_KEY) as client:
        for number in range(2):
            session = await asyncio.to_thread(server.call, "POST", "/sessions", {"workspace_id": workspace["id"]})
            topic = f"session:{session['id']}"
            await client.subscribe(topic)
            sent.append(command_id := f"command-{name}-{number}")
            ack = await client.command(
                "chat_message", command_id, session_id=session["id"], content=f"vacation {name} {number}? tokens=8"
            )
            acks[command_id] = ack["result"]
            if number == 1:
                await client.until(lambda f: f["type"] == "answer_chunk")
                await client.command("stop", run_id=ack["result"]["run_id"])  # `complete` comes before its ack
            else:
                await client.completed(topic)
    await asyncio.to_thread(server.call, "DELETE", f"/documents/{document['id']}")
    acks["deleted"] = document
    await asyncio.sleep(1.0)


@pytest.mark.parametrize("name", sorted(name for name in FAILPOINTS if not name.startswith(KILLED_ELSEWHERE)))
async def test_kill_at_fail_point(name: str, tmp_path: Path, fake_model: FakeModelServer) -> None:
    fake_model.requests(clear=True)
    server = start(tmp_path, fake_model, failpoint=name, ingest_workers=1)
    acks: dict[str, dict[str, Any]] = {}
    sent: list[str] = []
    try:
        await asyncio.wait_for(_use(server, name, acks, sent), 30)
    except (*GONE, OSError, RuntimeError):
        if server.process.poll() is None and not await _ends_soon(server):
            server.kill()
            raise
    code = server.process.poll()
    if code is None:
        server.kill()
    assert code == -9, f"the fail-point was never passed:\n{server.output[-2000:]}"

    restarted = start(tmp_path, fake_model)
    try:
        _nothing_acknowledged_is_lost(restarted, acks)
        await _every_run_ended_once(restarted, acks)
        await _sending_again_doubles_nothing(restarted, acks, sent)
        upstream = [entry["last"] for entry in fake_model.requests()]
        for command_id in sent:
            words = command_id.replace("command-", "vacation ").replace(f"{name}-", f"{name} ")
            assert sum(words in last for last in upstream) <= 1, upstream
        await _ingestion_ends(restarted, acks)
    finally:
        assert restarted.terminate() == 0, restarted.output


async def _ends_soon(server: ServerProcess) -> bool:
    for _ in range(100):
        await asyncio.sleep(0.02)
        if server.process.poll() is not None:
            return True
    return False


def _nothing_acknowledged_is_lost(server: ServerProcess, acks: dict[str, dict[str, Any]]) -> None:
    for key, result in acks.items():
        if key.startswith("command-"):
            messages = server.call("GET", f"/sessions/{result['session_id']}/messages")["items"]
            assert [m["id"] for m in messages] == [result["user_message_id"], result["message_id"]]
            assert messages[1]["state"] != "streaming"


async def _every_run_ended_once(server: ServerProcess, acks: dict[str, dict[str, Any]]) -> None:
    """I3: exactly one `complete`, in whatever of the log can still be had, and a terminal record."""
    async with RawSocket(server.url, key=OWNER_KEY) as client:
        for key, result in acks.items():
            if not key.startswith("command-"):
                continue
            assert server.call("GET", f"/runs/{result['run_id']}")["state"] in TERMINAL
            topic = f"run:{result['run_id']}"
            position = await client.subscribe(topic)
            async with RawSocket(server.url, key=OWNER_KEY) as fresh:
                replay = await fresh.subscribe(topic, since={"epoch": position["epoch"], "seq": 0})
                if replay["mode"] == "replay":
                    await fresh.until(lambda f, last=replay["seq"]: f.get("seq") == last and f["type"] != "subscribed")
                    assert sum(f["type"] == "complete" for f in fresh.of_topic(topic)) == 1
            message = server.call("GET", f"/sessions/{result['session_id']}/messages")["items"][1]
            record = server.call("GET", f"/runs/{result['run_id']}")["record"]
            if record.get("text_sha256"):
                assert record["text_sha256"] == hashlib.sha256(message["content"].encode()).hexdigest()


async def _sending_again_doubles_nothing(server: ServerProcess, acks: dict[str, dict[str, Any]], sent: list[str]) -> None:
    """A client that got no ack sends again with the same id: then it is there once."""
    workspaces = server.call("GET", "/workspaces")["items"]
    if not workspaces:
        return
    async with RawSocket(server.url, key=OWNER_KEY) as client:
        for command_id in sent:
            if command_id in acks:
                session, number = acks[command_id]["session_id"], command_id.rsplit("-", 1)[1]
                content = f"vacation {command_id.removeprefix('command-').rsplit('-', 1)[0]} {number}? tokens=8"
                again = await client.command("chat_message", command_id, session_id=session, content=content)
                assert again["ok"], again
                assert again["duplicate"]
                assert again["result"]["run_id"] == acks[command_id]["run_id"]


async def _ingestion_ends(server: ServerProcess, acks: dict[str, dict[str, Any]]) -> None:
    """Whatever was accepted becomes ready; what was deleted stays away."""
    workspace = server.call("GET", "/workspaces")["items"][0]["id"]
    for _ in range(200):
        documents = server.call("GET", f"/workspaces/{workspace}/documents")["documents"]
        if all(document["state"] in {"ready", "failed"} for document in documents):
            break
        await asyncio.sleep(0.05)
    found = server.call("POST", f"/workspaces/{workspace}/search", {"query": "vacation days", "k": 5})["passages"]
    if "deleted" in acks:
        assert documents == []
        assert found == []
    elif documents:
        assert [document["state"] for document in documents] == ["ready"]
        assert found[0]["text"].startswith("# Vacation")
