"""A run over a real document, its record, its repetition, and outputs from memory: real process, real sockets."""

from __future__ import annotations

from typing import Any
from urllib.error import HTTPError
from urllib.request import urlopen

import msgspec
import pytest

from antiphon.testing.raw_socket import RawSocket
from antiphon.testing.server_process import OWNER_KEY, ServerProcess


def socket(server: ServerProcess) -> RawSocket:
    return RawSocket(server.url, key=OWNER_KEY)


async def ask(server: ServerProcess, session_id: str, content: str, **fields: object) -> dict[str, Any]:
    """The run as `GET /runs/{id}` says it, when it has ended."""
    async with socket(server) as client:
        await client.subscribe(f"session:{session_id}")
        ack = await client.command("chat_message", session_id=session_id, content=content, **fields)
        await client.completed(f"session:{session_id}")
    return server.call("GET", f"/runs/{ack['result']['run_id']}")


async def test_record_replay_and_what_is_gone(server: ServerProcess) -> None:
    workspace_id = server.call("POST", "/workspaces", {"name": "Repeat"})["id"]
    document = server.upload(workspace_id, "pump.md", b"# Pump\n\nThe pump is serviced every 500 hours.\n")
    session_id = server.call("POST", "/sessions", {"workspace_id": workspace_id})["id"]
    run = await ask(server, session_id, "How often is the pump serviced?", model="extractive", seed=5)
    record = run["record"]
    [passage] = record["retrievals"][0]["passages"]
    assert (passage["document_id"], passage["version"]) == (document["id"], 1)
    assert passage["scores"]["lexical"] > 0
    assert record["index"]["tokeniser"]
    assert (record["seed"], record["fixed_seed"], record["model"]) == (5, True, "extractive")
    assert record["usage"]["retrieval_ms"] is not None
    before = server.call("GET", f"/sessions/{session_id}/messages")["items"]
    told = server.call("POST", f"/runs/{run['id']}/replay", {})
    assert told["equal"] is True
    assert told["text_sha256"] == record["text_sha256"] == told["recorded_text_sha256"]
    assert server.call("GET", f"/sessions/{session_id}/messages")["items"] == before
    assert server.call("GET", f"/runs/{told['run_id']}")["kind"] == "replay"
    server.call("DELETE", f"/documents/{document['id']}")
    with pytest.raises(HTTPError) as refused:
        server.call("POST", f"/runs/{run['id']}/replay", {})
    assert refused.value.code == 409
    assert "The document 'Pump' was deleted" in refused.value.read().decode()


async def test_equal_questions_search_once_until_a_document_changes(server: ServerProcess) -> None:
    workspace_id = server.call("POST", "/workspaces", {"name": "Kept"})["id"]
    server.upload(workspace_id, "a.md", b"# Valve\n\nThe valve is opened by hand.\n")

    async def cached_nodes() -> tuple[set[str], str, list[str]]:
        session_id = server.call("POST", "/sessions", {"workspace_id": workspace_id})["id"]
        run = await ask(server, session_id, "How is the valve opened?", model="extractive")
        nodes = {node["id"] for node in run["record"]["nodes"] if node.get("cached")}
        return nodes, run["record"]["text_sha256"], [p["title"] for p in run["record"]["retrievals"][0]["passages"]]

    first, text, titles = await cached_nodes()
    assert first == set()
    again, same, same_titles = await cached_nodes()
    assert again == {"condense", "retrieve"}
    assert (same, same_titles) == (text, titles)
    server.upload(workspace_id, "b.md", b"# Valve\n\nThe valve is opened by a motor.\n")
    nodes, _, titles = await cached_nodes()
    assert nodes == {"condense"}
    assert len(titles) == 2
    with urlopen(f"{server.url}/metrics") as answer:
        figures = answer.read().decode()
    assert "antiphon_cached_nodes_total 3.0" in figures
    assert 'antiphon_tokens_total{kind="completion"}' in figures


async def test_a_record_holds_no_key_and_the_seed_reaches_the_model(server: ServerProcess, session_id: str) -> None:
    run = await ask(server, session_id, "vacation? tokens=5")
    assert OWNER_KEY not in msgspec.json.encode(run).decode()
    assert run["record"]["prompt"]["seed"] == run["record"]["seed"], "the drawn seed reaches the model"
