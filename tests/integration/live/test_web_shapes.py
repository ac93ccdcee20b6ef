"""What a real server sends is what protocol/shapes.py tells the web app: decoded as these types, nothing is missing or other."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
import pytest
from websockets.asyncio.client import connect

from antiphon.protocol.shapes import SHAPED_FIELDS, WireMessage, WireSession
from antiphon.testing.server_process import OWNER_KEY, ServerProcess


@pytest.mark.slow
async def test_frames_are_of_their_shapes(tmp_path: Path) -> None:
    server = ServerProcess(tmp_path / "data")
    seen: set[tuple[str, str]] = set()
    try:
        workspace = server.call("POST", "/workspaces", {"name": "Shapes"})["id"]
        server.upload(workspace, "handbook.md", b"# Vacation\n\nEmployees get 25 days of paid vacation a year.\n")
        address = f"ws://127.0.0.1:{server.port}/ws/v1"
        async with connect(address, additional_headers={"Authorization": f"Bearer {OWNER_KEY}"}) as socket:
            me = server.call("GET", "/me")["id"]
            await socket.send(json.dumps({"type": "subscribe", "id": "1", "topic": f"user:{me}"}))
            question = {"content": "How many days of paid vacation?", "workspace_id": workspace}
            await socket.send(json.dumps({"type": "chat_message", "id": "2", **question}))
            session = ""
            while not session:
                frame = json.loads(await socket.recv())
                seen |= check(frame)
                if frame["type"] == "ack" and frame["reply_to"] == "2":
                    session = frame["result"]["session_id"]
            while server.call("GET", f"/sessions/{session}/messages")["items"][-1]["state"] != "complete":
                pass
            await socket.send(json.dumps({"type": "subscribe", "id": "3", "topic": f"session:{session}"}))
            for number, content in enumerate(("And how many days of paid vacation a year?", "quantum chromodynamics?"), 4):
                await socket.send(
                    json.dumps({"type": "chat_message", "id": str(number), "content": content, "session_id": session})
                )
                while (frame := json.loads(await socket.recv()))["type"] != "complete":
                    seen |= check(frame)
        for row in server.call("GET", f"/sessions/{session}/messages")["items"]:
            msgspec.convert(row, WireMessage)
        msgspec.convert(server.call("GET", f"/sessions/{session}"), WireSession)
    finally:
        assert server.terminate() == 0, server.output
    assert seen >= {
        ("snapshot", "messages"),
        ("session_created", "session"),
        ("ack", "error"),
        ("welcome", "user"),
        ("sources", "sources"),
    }


def check(frame: dict) -> set[tuple[str, str]]:
    """Decodes the shaped fields of a frame; which there were. Raises ValidationError."""
    found = {key: kind for key, kind in SHAPED_FIELDS.items() if key[0] == frame["type"] and key[1] in frame}
    for (_, field), kind in found.items():
        msgspec.convert(frame[field], kind)
    if frame["type"] == "session_created":
        assert frame["session"]["title"], "a session that a question opens is titled by it"
    return set(found)
