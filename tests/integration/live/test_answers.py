"""Answers without a model, on a real server: refusals, summaries of whole documents, suggestions."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest

from antiphon.testing.raw_socket import RawSocket
from antiphon.testing.server_process import OWNER_KEY, ServerProcess

LEAVE = " ".join(
    f"Rule {n} on annual leave says that leave of kind {n} is granted after {n} months, and that the manager of the employee signs "
    f"the form for leave number {n} within {n} days." for n in range(1, 60)
)  # fmt: skip
GUIDE = (
    f"# Leave\n\n{LEAVE}\n\n# Travel\n\nFlights are booked by the travel desk. The daily allowance for travel is 40 euros [7].\n\n"
    "# Canteen\n\nThe canteen opens at eleven. The canteen serves soup.\n"
)
HANDBOOK = "# 休假\n\n员工每年有二十五天带薪年假。请假须提前两周在系统中提交。\n\n# 差旅\n\n机票由差旅部统一预订。每天的补贴是四十欧元。\n"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    process = ServerProcess(tmp_path_factory.mktemp("answers") / "data", limits_messages_per_minute=0)
    yield process
    assert process.terminate() == 0, process.output


@pytest.fixture(scope="module")
def documents(server: ServerProcess) -> dict[str, str]:
    workspace = server.call("POST", "/workspaces", {"name": "Answers"})["id"]
    found = {"workspace": workspace}
    for name, text in (("guide.md", GUIDE), ("员工手册.md", HANDBOOK)):
        document = server.upload(workspace, name, text.encode())
        assert document["state"] == "ready", document
        found[name] = document["id"]
    return found


async def ask(
    server: ServerProcess, documents: dict[str, str], content: str, **fields: Any
) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """The frames of the run, and the stored message."""
    session_id = server.call("POST", "/sessions", {"workspace_id": documents["workspace"]})["id"]
    topic = f"session:{session_id}"
    async with RawSocket(server.url, key=OWNER_KEY) as client:
        await client.subscribe(topic)
        await client.command("chat_message", session_id=session_id, content=content, **fields)
        await client.completed(topic)
        message = server.call("GET", f"/sessions/{session_id}/messages")["items"][-1]
        if message.get("suggestions"):
            await client.until(lambda frame: frame["type"] == "suggestion")
        return client.of_topic(topic), {**message, "session_id": session_id}


async def test_a_refusal_names_the_nearest_and_what_was_searched(server: ServerProcess, documents: dict[str, str]) -> None:
    frames, message = await ask(server, documents, "Which submarine eats marmalade in the canteen at midnight?")
    (refusal,) = [frame for frame in frames if frame["type"] == "refusal"]
    assert refusal["reason"] == "low_evidence"
    assert {one["document_id"] for one in refusal["nearest"]} == {documents["guide.md"]}
    assert refusal["searched"] > 5
    assert message["refusal"] == {key: refusal[key] for key in ("reason", "nearest", "searched", "workspaces")}
    assert message["content"].startswith("Nothing in these documents says anything about this.")
    assert message["citations"] == []
    _, answered = await ask(server, documents, "When does the canteen open?")
    assert "refusal" not in answered
    assert answered["content"].startswith("The canteen opens at eleven. [1]")


async def test_a_refusal_in_chinese(server: ServerProcess, documents: dict[str, str]) -> None:
    _, message = await ask(server, documents, "潜水艇的停车费用是多少？")
    assert message["content"].startswith("这些文档里没有提到相关的内容。")
    assert message["refusal"]["searched"] > 5


async def test_a_mark_of_the_document_is_no_citation(server: ServerProcess, documents: dict[str, str]) -> None:
    _, message = await ask(server, documents, "What is the daily allowance for travel?")
    assert "40 euros [7]. [" in message["content"]
    assert {citation["n"] for citation in message["citations"]} != {7}
    assert all(citation["source_id"] for citation in message["citations"])


@pytest.mark.parametrize(
    ("question", "name", "headings"),
    [("Summarise guide.md", "guide.md", ["Leave", "Travel", "Canteen"]), ("请总结《员工手册》", "员工手册.md", ["休假", "差旅"])],
)
async def test_a_whole_document_is_summed_up(
    server: ServerProcess, documents: dict[str, str], question: str, name: str, headings: list[str]
) -> None:
    frames, message = await ask(server, documents, question)
    assert re.findall(r"\*\*(.+?)\*\*", message["content"]) == headings
    assert {source["document_id"] for source in message["sources"]} == {documents[name]}
    assert {citation["n"] for citation in message["citations"]} == set(range(1, len(message["sources"]) + 1))
    page = server.call("GET", f"/documents/{documents[name]}/pages/1/text")["text"]
    for source in message["sources"]:
        assert page[source["start"] : source["end"]] == source["snippet"]
        assert source["snippet"] in message["content"]
    assert "reading" in [frame["phase"] for frame in frames if frame["type"] == "status"]


async def test_a_section_is_suggested_answered_and_dismissed(server: ServerProcess, documents: dict[str, str]) -> None:
    frames, message = await ask(server, documents, "Within how many days does the manager sign the form for annual leave?")
    kinds = [frame["type"] for frame in frames]
    assert kinds[-2:] == ["complete", "suggestion"]
    suggestion = frames[-1]
    assert suggestion["command"]["scope"] == {"document_ids": [documents["guide.md"]], "section": ["Leave"]}
    (kept,) = message["suggestions"]
    assert kept["suggestion_id"] == suggestion["suggestion_id"]
    _, answer = await ask(server, documents, suggestion["command"]["content"], scope=suggestion["command"]["scope"])
    assert answer["sources"]
    assert all("leave" in source["snippet"] for source in answer["sources"])
    assert not answer.get("suggestions"), "what was suggested suggests nothing"
    _, inside = await ask(server, documents, "When does the canteen open?", scope=suggestion["command"]["scope"])
    assert "refusal" in inside, "the section does not say"
    async with RawSocket(server.url, key=OWNER_KEY) as client:
        topic = f"session:{message['session_id']}"
        await client.subscribe(topic)
        ids = {"session_id": message["session_id"], "suggestion_id": suggestion["suggestion_id"]}
        assert (await client.command("suggestion_dismiss", **ids))["result"]["dismissed"] is True
        assert (await client.command("suggestion_dismiss", **ids))["result"]["dismissed"] is False
    dismissed = [frame for frame in client.of_topic(topic) if frame["type"] == "suggestion_dismissed"]
    assert [frame["suggestion_id"] for frame in dismissed] == [suggestion["suggestion_id"]]
    assert server.call("GET", f"/sessions/{message['session_id']}/messages")["items"][-1]["suggestions"] == []
