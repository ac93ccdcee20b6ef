"""One node's stream in the simple profile, on a real server (docs/protocol.md section 2)."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from antiphon.testing.people import new_person
from antiphon.testing.raw_socket import RawSocket
from antiphon.testing.server_process import OWNER_KEY, ServerProcess

PATHS = ["/ws/runs/{run}/nodes/{node}", "/ws/stream/{node}?run_id={run}"]


class Follower(RawSocket):
    async def words(self) -> str:
        """In text format, until the server closes."""
        told = ""
        while (message := await self.socket.receive(15)).type.name == "TEXT":
            told += message.data
        self.close_code = self.socket.close_code
        return told


async def ask(server: ServerProcess, session_id: str, question: str) -> dict[str, Any]:
    async with RawSocket(server.url, key=OWNER_KEY) as client:
        return (await client.command("chat_message", session_id=session_id, content=question))["result"]


async def answering_node(server: ServerProcess, run_id: str) -> str:
    """The node of the default assistant whose words are the answer."""
    async with RawSocket(server.url, key=OWNER_KEY) as client:
        await client.command("subscribe", topic=f"run:{run_id}")
        frame = await client.until(lambda f: f["type"] == "node_chunk" or bool(f.get("state", {}).get("nodes")))
        if frame["type"] == "node_chunk":
            return str(frame["node_id"])
        spoken = [name for name, node in frame["state"]["nodes"].items() if node["text"]]
        if spoken:
            return str(spoken[0])
        return str((await client.until(lambda f: f["type"] == "node_chunk"))["node_id"])


@pytest.mark.parametrize("path", PATHS)
async def test_the_words_of_a_node_from_its_first_to_its_last(server: ServerProcess, session_id: str, path: str) -> None:
    run = await ask(server, session_id, "vacation? tokens=30")
    node = await answering_node(server, run["run_id"])
    address = path.format(run=run["run_id"], node=node)
    async with Follower(server.url, key=OWNER_KEY, path=address + ("&" if "?" in address else "?") + "format=text") as follower:
        words = await follower.words()
    assert follower.close_code == 1000
    messages = await asyncio.to_thread(server.call, "GET", f"/sessions/{session_id}/messages")
    assert words == messages["items"][-1]["content"]


async def test_its_events_with_envelope_and_nothing_of_other_nodes(server: ServerProcess, session_id: str) -> None:
    run = await ask(server, session_id, "vacation? tokens=30")
    node = await answering_node(server, run["run_id"])
    async with RawSocket(server.url, key=OWNER_KEY, path=f"/ws/runs/{run['run_id']}/nodes/{node}") as follower:
        while await follower.receive() is not None:
            pass
    assert {frame.get("node_id", node) for frame in follower.frames} == {node}
    kinds = [frame["type"] for frame in follower.frames]
    assert kinds[-1] == "complete"
    assert "node_finished" in kinds
    text = ""
    for frame in follower.frames:
        if frame["type"] == "node_chunk":
            assert frame["offset"] == len(text)
            text += frame["content"]
    assert text.count("t=") == 30 or len(text) > 30
    assert follower.close_code == 1000


async def test_a_foreign_run_is_missing(server: ServerProcess, session_id: str) -> None:
    run = await ask(server, session_id, "vacation? tokens=2")
    stranger = new_person(server, "stranger")
    codes = []
    for run_id in (run["run_id"], "run_nothing"):
        async with RawSocket(server.url, key=stranger.key, path=f"/ws/runs/{run_id}/nodes/answer") as follower:
            assert await follower.receive() is None
        codes.append(follower.close_code)
    assert codes == [4000, 4000]


async def test_a_node_that_is_not_in_a_finished_run(server: ServerProcess, session_id: str) -> None:
    run = await ask(server, session_id, "vacation? tokens=2")
    async with RawSocket(server.url, key=OWNER_KEY) as client:
        await client.command("subscribe", topic=f"run:{run['run_id']}")
        if client.frames[-1].get("active_runs") != []:
            await client.until(lambda f: f["type"] == "complete" or f.get("active_runs") == [])
    async with RawSocket(server.url, key=OWNER_KEY, path=f"/ws/runs/{run['run_id']}/nodes/nobody") as follower:
        assert await follower.receive() is None
    assert follower.close_code == 4000
