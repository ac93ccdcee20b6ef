"""`GET /stream` and `GET /poll` on a real server: credentials, resume, filters, ends (docs/protocol.md sections 2 and 7)."""

from __future__ import annotations

import asyncio
import hashlib
import itertools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import msgspec
import pytest

from antiphon.testing.frame_check import check_frame
from antiphon.testing.people import join, new_person
from antiphon.testing.server_process import OWNER_KEY, ServerProcess

Frame = dict[str, Any]
BEARER = {"Authorization": f"Bearer {OWNER_KEY}"}


class Stream:
    """An open event stream; `cursor` is the last id."""

    def __init__(self, response: aiohttp.ClientResponse) -> None:
        self.response = response
        self.frames: list[Frame] = []
        self.cursor = ""

    async def next(self, limit_s: float = 10.0) -> Frame | None:
        async with asyncio.timeout(limit_s):
            fields: dict[str, str] = {}
            while line := (await self.response.content.readline()).decode():
                if line == "\n":
                    if "data" in fields:
                        break
                    continue
                name, _, value = line.rstrip("\n").partition(": ")
                fields[name] = value
        if "data" not in fields:
            return None
        self.cursor = fields.get("id", self.cursor)
        self.frames.append(msgspec.json.decode(fields["data"]))
        check_frame(self.frames[-1])
        return self.frames[-1]

    async def until(self, kind: str) -> Frame:
        while (frame := await self.next()) is not None:
            if frame["type"] == kind:
                return frame
        raise AssertionError(f"the stream ended without {kind}: {self.frames[-3:]}")


@asynccontextmanager
async def opened(server: ServerProcess, *, headers: dict[str, str] | None = None, **query: str) -> AsyncIterator[Stream]:
    async with (
        aiohttp.ClientSession() as session,
        session.get(f"{server.url}/api/v1/stream", params=query, headers=BEARER if headers is None else headers) as response,
    ):
        yield Stream(response)


async def command(server: ServerProcess, **frame: Any) -> Frame:
    async with (
        aiohttp.ClientSession() as session,
        session.post(f"{server.url}/api/v1/commands", json={"id": f"c{id(frame)}", **frame}, headers=BEARER) as response,
    ):
        return await response.json()


async def polled(server: ServerProcess, **query: str) -> dict[str, Any]:
    async with (
        aiohttp.ClientSession() as session,
        session.get(f"{server.url}/api/v1/poll", params=query, headers=BEARER) as response,
    ):
        assert response.status == 200, await response.text()
        return await response.json()


def text_of(frames: list[Frame]) -> str:
    text = ""
    for frame in frames:
        if frame["type"] == "snapshot":
            text = "".join(m["content"] for m in frame["messages"] if m["role"] == "assistant")
        elif frame["type"] == "answer_chunk":
            assert frame["offset"] == len(text), (frame, text)
            text += frame["content"]
    return text


async def test_an_answer_over_the_event_stream_resumed_by_its_last_id(server: ServerProcess, session_id: str) -> None:
    topic = f"session:{session_id}"
    async with opened(server, topics=topic) as stream:
        assert stream.response.headers["content-type"].startswith("text/event-stream")
        assert [(await stream.next() or {})["type"] for _ in range(3)] == ["welcome", "subscribed", "snapshot"]
        ack = await command(server, type="chat_message", session_id=session_id, content="vacation? tokens=30")
        assert ack["ok"], ack
        await stream.until("answer_chunk")
        await stream.until("answer_chunk")
    async with opened(server, headers={**BEARER, "Last-Event-ID": stream.cursor}, topics=topic) as again:
        assert ((await again.next()) or {})["type"] == "welcome"
        assert ((await again.next()) or {})["mode"] in {"replay", "live"}
        complete = await again.until("complete")
    whole = text_of(stream.frames + again.frames)
    assert hashlib.sha256(whole.encode()).hexdigest() == complete["text_sha256"]


async def test_from_the_stream_to_polls_in_the_middle_of_an_answer(server: ServerProcess, session_id: str) -> None:
    topic = f"session:{session_id}"
    async with opened(server, topics=topic) as stream:
        await stream.until("snapshot")
        await command(server, type="chat_message", session_id=session_id, content="vacation? tokens=30")
        await stream.until("answer_chunk")
    frames, cursor = stream.frames, stream.cursor
    while frames[-1]["type"] != "complete":
        answer = await polled(server, topics=topic, cursor=cursor, wait="5")
        assert not [frame for frame in answer["frames"] if frame["type"] == "snapshot"]
        frames, cursor = frames + answer["frames"], answer["cursor"]
    assert hashlib.sha256(text_of(frames).encode()).hexdigest() == frames[-1]["text_sha256"]
    seqs = [(frame.get("prev_seq", frame["seq"] - 1), frame["seq"]) for frame in frames if "seq" in frame and "mode" not in frame]
    assert all(later[0] == earlier[1] for earlier, later in itertools.pairwise(seqs)), seqs


async def test_a_poll_waits_for_the_first_frame_and_no_longer_than_asked(server: ServerProcess, session_id: str) -> None:
    first = await polled(server, topics=f"session:{session_id}", wait="0")
    assert [frame["type"] for frame in first["frames"]] == ["welcome", "subscribed", "snapshot"]
    empty = await polled(server, topics=f"session:{session_id}", cursor=first["cursor"], wait="0.2")
    assert [frame["type"] for frame in empty["frames"]] == ["subscribed"]
    assert empty["cursor"] == first["cursor"]
    waiting = asyncio.create_task(polled(server, topics=f"session:{session_id}", cursor=first["cursor"], wait="20"))
    await asyncio.sleep(0.2)
    await command(server, type="chat_message", session_id=session_id, content="vacation? tokens=2")
    answer = await asyncio.wait_for(waiting, 5)
    assert "user_message" in [frame["type"] for frame in answer["frames"]]


async def test_a_filter_keeps_the_chain(server: ServerProcess, session_id: str) -> None:
    async with opened(server, topics=f"session:{session_id}", types="complete,sources") as stream:
        await stream.until("snapshot")
        await command(server, type="chat_message", session_id=session_id, content="vacation? tokens=5")
        complete = await stream.until("complete")
    told = [frame for frame in stream.frames if "seq" in frame and frame["type"] not in {"subscribed", "snapshot"}]
    assert [frame["type"] for frame in told] == ["sources", "complete"]
    assert complete["prev_seq"] == told[0]["seq"]


@pytest.mark.parametrize("path", ["stream", "poll"])
async def test_a2_another_site_may_not_follow(server: ServerProcess, session_id: str, path: str) -> None:
    """Row A2 of security.md: cross-site EventSource and fetch."""
    person = new_person(server, "victim")
    for headers in (
        {"Cookie": person.cookie, "Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "cors"},
        {"Cookie": person.cookie, "Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "cors"},
    ):
        async with (
            aiohttp.ClientSession() as session,
            session.get(f"{server.url}/api/v1/{path}", params={"topics": f"user:{person.id}"}, headers=headers) as response,
        ):
            assert response.status == 403, headers
    async with opened(
        server, headers={"Cookie": person.cookie, "Sec-Fetch-Site": "same-origin"}, topics=f"user:{person.id}"
    ) as own:
        assert ((await own.next()) or {})["type"] == "welcome"


@pytest.mark.parametrize("path", ["stream", "poll"])
async def test_a_ticket_opens_it_once(server: ServerProcess, path: str) -> None:
    person = new_person(server, "ticket")
    query = {"topics": f"user:{person.id}", "ticket": person.ticket(), "wait": "0"}
    statuses = []
    for _ in range(2):
        async with aiohttp.ClientSession() as session, session.get(f"{server.url}/api/v1/{path}", params=query) as response:
            statuses.append(response.status)
    assert statuses == [200, 401]


@pytest.mark.parametrize(
    ("query", "code"),
    [({}, "bad_request"), ({"topics": "session:ses_x", "cursor": "x"}, "bad_request"), ({"topics": "session:ses_x"}, "not_found"),
     ({"topics": "nothing:x"}, "bad_request"), ({"topics": "session:ses_x", "key": OWNER_KEY}, "unauthorized")],
)  # fmt: skip
@pytest.mark.parametrize("path", ["stream", "poll"])
async def test_refusals(server: ServerProcess, path: str, query: dict[str, str], code: str) -> None:
    headers = {} if "key" in query else BEARER
    async with (
        aiohttp.ClientSession() as session,
        session.get(f"{server.url}/api/v1/{path}", params=query, headers=headers) as response,
    ):
        assert (await response.json())["error"]["code"] == code


async def test_a_topic_that_is_gone_beside_one_that_is_there(server: ServerProcess, session_id: str) -> None:
    answer = await polled(server, topics=f"session:{session_id},session:ses_gone", wait="0")
    gone = [frame for frame in answer["frames"] if frame["type"] == "unsubscribed"]
    assert [(frame["topic"], frame["code"]) for frame in gone] == [("session:ses_gone", "not_found")]
    assert any(frame["type"] == "snapshot" for frame in answer["frames"])


async def test_p7_removed_access_ends_the_stream_within_five_seconds(server: ServerProcess, workspace_id: str) -> None:
    watcher = new_person(server, "watcher")
    join(server, workspace_id, watcher, "viewer")
    async with opened(server, headers=watcher.bearer, topics=f"workspace:{workspace_id}") as stream:
        await stream.until("snapshot")
        await asyncio.to_thread(server.call, "DELETE", f"/workspaces/{workspace_id}/members/{watcher.id}")
        assert (await asyncio.wait_for(stream.until("unsubscribed"), 5))["code"] == "not_found"
        await asyncio.to_thread(watcher.call, "DELETE", f"/keys/{watcher.key_id}")
        closing = await asyncio.wait_for(stream.until("close"), 5)
        assert closing["code"] == 4003
        assert await stream.next() is None
