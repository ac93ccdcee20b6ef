"""`/ws/chat` and its aliases, as a page of ten lines or wscat uses them (docs/protocol.md section 2)."""

from __future__ import annotations

import asyncio
import hashlib
import itertools
from typing import Any
from urllib.parse import urlencode

import aiohttp
import msgspec
import pytest

from antiphon.testing.byte_socket import PING, PONG, TEXT, ByteSocket
from antiphon.testing.people import Person, new_person
from antiphon.testing.raw_socket import RawSocket
from antiphon.testing.server_process import OWNER_KEY, FakeModelServer, ServerProcess

PATHS = ["/ws/chat", "/ws/conversation", "/api/v1/chat/stream"]
SHOWN = {"status", "answer_chunk", "tool_call", "sources", "error", "complete"}


class Chat(RawSocket):
    """One simple socket. What comes is kept as text, too, because it need not be JSON."""

    def __init__(
        self, server: ServerProcess, path: str = "/ws/chat", *, key: str | None = OWNER_KEY, headers: Any = None, **query: Any
    ) -> None:
        super().__init__(server.url, key=key, headers=headers, path=f"{path}?{urlencode(query)}" if query else path)

    async def say(self, words: Any) -> None:
        await self.socket.send_str(words if isinstance(words, str) else msgspec.json.encode(words).decode())

    async def text(self, limit_s: float = 10.0) -> str:
        message = await self.socket.receive(limit_s)
        assert message.type is aiohttp.WSMsgType.TEXT, (message.type, self.socket.close_code)
        return message.data

    async def answer(self) -> list[dict[str, Any]]:
        """Frames up to `complete` or `error`."""
        first = len(self.frames)
        await self.until(lambda f: f["type"] in {"complete", "error"})
        return self.frames[first:]


def words(frames: list[dict[str, Any]]) -> str:
    return "".join(frame["content"] for frame in frames if frame["type"] == "answer_chunk")


def check_chain(frames: list[dict[str, Any]], last: int | None = None) -> None:
    """R4: each frame says which it follows; nothing is missing and nothing comes twice."""
    for frame in frames:
        if last is not None:
            assert frame.get("prev_seq", frame["seq"] - 1) == last, (last, frame)
        last = frame["seq"]


@pytest.mark.parametrize("path", PATHS)
async def test_bare_text_in_bare_text_out(server: ServerProcess, workspace_id: str, path: str) -> None:
    async with Chat(server, path, workspace=workspace_id, model="extractive") as chat:
        await chat.say("How many days of paid vacation?")
        assert "25 days" in await chat.text()


async def test_bare_text_is_the_answer_and_nothing_else(server: ServerProcess, workspace_id: str) -> None:
    async with Chat(server, workspace=workspace_id, session_id="bare") as chat:
        await chat.say("vacation? tokens=6")
        told = ""
        while told.count("t=") < 6:
            told += await chat.text()
        with pytest.raises(TimeoutError):
            await chat.text(0.3)
    sessions = server.call("GET", f"/sessions?workspace_id={workspace_id}")["items"]
    messages = [server.call("GET", f"/sessions/{each['id']}/messages")["items"] for each in sessions]
    assert [told] == [m[-1]["content"] for m in messages if m and m[0]["content"] == "vacation? tokens=6"]


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize(
    "question",
    [{"type": "chat_message", "content": "vacation? tokens=4", "sessionId": "test_123"}, {"query": "vacation? tokens=4"},
     {"content": "vacation? tokens=4", "session_id": "test_123"}],
)  # fmt: skip
async def test_json_in_typed_frames_out(server: ServerProcess, workspace_id: str, path: str, question: dict[str, str]) -> None:
    async with Chat(server, path, workspace=workspace_id) as chat:
        await chat.say(question)
        frames = await chat.answer()
        await chat.say({"query": "and travel? tokens=2"})
        more = await chat.answer()
    assert {frame["type"] for frame in frames + more} <= SHOWN
    assert [f["type"] for f in frames].count("sources") == 1
    assert all({"seq", "timestamp", "topic", "session_id", "run_id", "message_id"} <= set(frame) for frame in frames + more)
    assert len({frame["session_id"] for frame in frames + more}) == 1
    check_chain(frames + more)
    assert "epoch" in frames[0]
    complete = frames[-1]
    assert (complete["type"], complete["status"]) == ("complete", "completed")
    assert hashlib.sha256(words(frames).encode()).hexdigest() == complete["text_sha256"]
    offsets = [(f["offset"], len(f["content"])) for f in frames if f["type"] == "answer_chunk"]
    assert all(a + n == b for (a, n), (b, _) in itertools.pairwise(offsets))


async def test_a_name_is_one_session_for_each_caller_and_workspace(server: ServerProcess, workspace_id: str) -> None:
    other = server.call("POST", "/workspaces", {"name": "Elsewhere"})["id"]
    colleague = await asyncio.to_thread(new_person, server, "colleague")
    server.call("PUT", f"/workspaces/{workspace_id}/members/{colleague.id}", {"role": "viewer"})

    async def session(key: str, workspace: str, name: str) -> str:
        async with Chat(server, key=key, workspace=workspace) as chat:
            await chat.say({"query": "hi? tokens=1", "sessionId": name})
            return (await chat.answer())[0]["session_id"]

    mine = await session(OWNER_KEY, workspace_id, "shared name")
    assert mine == await session(OWNER_KEY, workspace_id, "shared name")
    others = {await session(colleague.key, workspace_id, "shared name"), await session(OWNER_KEY, other, "shared name")}
    others.add(await session(OWNER_KEY, workspace_id, "another name"))
    assert len(others) == 3
    assert mine not in others
    async with Chat(server, key=colleague.key, workspace=workspace_id) as chat:  # an id of ours is no name
        await chat.say({"query": "hi? tokens=1", "session_id": mine})
        assert (await chat.answer())[0]["code"] == "not_found"
    at_once = await asyncio.gather(
        *(session(colleague.key, workspace_id, "at once") for _ in range(1)),
        *(_opened(server, colleague, workspace_id) for _ in range(4)),
    )
    assert len(set(at_once)) == 1


async def _opened(server: ServerProcess, person: Person, workspace_id: str) -> str:
    """The session of the name `at once`, by the refusal or the answer."""
    async with Chat(server, key=person.key, workspace=workspace_id, session_id="at once", format="json") as chat:
        await chat.say({"type": "stop"})
        await chat.say({"type": "nonsense"})
        return (await chat.answer())[0]["session_id"]


async def test_the_workspace_by_id_or_slug(server: ServerProcess, workspace_id: str) -> None:
    slug = server.call("GET", f"/workspaces/{workspace_id}")["slug"]
    for reference in (workspace_id, slug):
        async with Chat(server, workspace=reference, model="extractive") as chat:
            await chat.say({"query": "How many days of paid vacation?"})
            assert "25 days" in words(await chat.answer())
    for reference in ("no-such-workspace", "ws_0123456789", "../x"):
        async with Chat(server, workspace=reference) as chat:
            await chat.say({"query": "hi?"})
            assert (await chat.answer())[0]["code"] == "not_found"


async def test_formats(server: ServerProcess, workspace_id: str) -> None:
    async with Chat(server, format="text", workspace=workspace_id, model="extractive") as chat:
        await chat.say({"query": "How many days of paid vacation?"})  # is the question itself then
        assert "25 days" in await chat.text()
    async with Chat(server, format="json", workspace=workspace_id) as chat:
        await chat.say("bare words")
        assert (await chat.answer())[0]["code"] == "bad_request"
        await chat.say({"query": "hi? tokens=1"})
        assert (await chat.answer())[-1]["type"] == "complete"
    async with Chat(server, format="auto", workspace=workspace_id, model="extractive") as chat:
        await chat.say({"query": "How many days of paid vacation?"})
        assert (await chat.answer())[-1]["type"] == "complete"
        await chat.say("How many days of paid vacation?")
        assert (await chat.text()).startswith("Employees get 25 days")
    async with Chat(server, format="yaml") as chat:
        assert await chat.closed() == 4000


@pytest.mark.parametrize(
    ("sent", "code"),
    [({"type": "dance"}, "bad_request"), ({"query": 5}, "bad_request"), ({"query": " "}, "bad_request"), ({"query": "?", "model": "no-such"}, "not_found"),
     ({"query": "?", "session_id": 5}, "bad_request"), ({"type": "stop", "run_id": "run_0"}, "not_found"), ({"type": ["x"]}, "bad_request"), ({"query": "?", "id": 7}, "bad_request"),
     ({"query": "?", "id": "x" * 300}, "bad_request"), ({"query": "x" * 40_000}, "too_large")],
)  # fmt: skip
async def test_errors_are_readable_in_both_formats(
    server: ServerProcess, workspace_id: str, sent: dict[str, Any], code: str
) -> None:
    async with Chat(server, workspace=workspace_id) as chat:
        await chat.say(sent)
        told = (await chat.answer())[-1]
        assert told["type"] == "error"
        assert told["code"] in {code, "bad_request"}
        assert told["message"]
        await chat.say({"query": "still there? tokens=1"})
        assert (await chat.answer())[-1]["type"] == "complete"


async def test_errors_as_text(server: ServerProcess, workspace_id: str) -> None:
    async with Chat(server, workspace=workspace_id, model="no-such-model") as chat:
        await chat.say("hi?")
        told = await chat.text()
        assert told.startswith("[")
        assert "no-such-model" in told


async def test_stop(server: ServerProcess, workspace_id: str, fake_model: FakeModelServer) -> None:
    fake_model.requests(clear=True)
    async with Chat(server, workspace=workspace_id) as chat:
        await chat.say({"type": "stop"})
        assert (await chat.answer())[-1]["code"] == "bad_request"
        await chat.say({"query": "long? tokens=150"})
        await chat.until(lambda f: f["type"] == "answer_chunk")
        await chat.say({"type": "stop"})
        complete = (await chat.answer())[-1]
        assert complete["status"] == "stopped"
        assert words(chat.frames)
        assert hashlib.sha256(words(chat.frames).encode()).hexdigest() == complete["text_sha256"]
    assert [entry["outcome"] for entry in fake_model.requests()] == ["client_closed"]


async def test_history(server: ServerProcess, workspace_id: str) -> None:
    async with Chat(server, workspace=workspace_id, session_id="with history") as chat:
        for number in range(3):
            await chat.say({"query": f"question {number} tokens=1"})
            await chat.answer()
    for history, count in ((None, 0), ("0", 0), ("2", 2), ("all", 6), ("nonsense", 0), ("99999999", 0), ("-1", 0), ("500", 6)):
        query = {"history": history} if history else {}
        async with Chat(server, workspace=workspace_id, session_id="with history", format="json", **query) as chat:
            await chat.say({"type": "nonsense"})
            await chat.answer()
            messages = [frame["message"] for frame in chat.frames if frame["type"] == "message"]
            assert len(messages) == count, history
            if count == 6:
                assert [m["content"] for m in messages if m["role"] == "user"] == [f"question {n} tokens=1" for n in range(3)]
    async with Chat(server, workspace=workspace_id, session_id="with history", history="1") as chat:
        assert (await chat.text()).startswith("t=")


@pytest.mark.parametrize("cut_after", [1, 3, 8])
async def test_since_and_epoch_resume_in_the_middle_of_an_answer(
    server: ServerProcess, workspace_id: str, cut_after: int
) -> None:
    name = f"resumed {cut_after}"
    async with Chat(server, workspace=workspace_id) as chat:
        await chat.say({"query": "resume? tokens=25", "sessionId": name})
        while len(chat.frames) < cut_after:
            await chat.receive()
        got, epoch = list(chat.frames), chat.frames[0]["epoch"]
        chat.abort()
    await asyncio.sleep(0.3)
    async with Chat(server, workspace=workspace_id, session_id=name, since=got[-1]["seq"], epoch=epoch, format="json") as again:
        frames = got + await again.answer()
    check_chain(frames)
    assert hashlib.sha256(words(frames).encode()).hexdigest() == frames[-1]["text_sha256"]
    for query in (
        {"since": got[-1]["seq"]},
        {"since": got[-1]["seq"], "epoch": "another"},
        {"since": 10**9, "epoch": epoch},
        {"since": "x", "epoch": epoch},
    ):
        async with Chat(server, workspace=workspace_id, session_id=name, format="json", history="all", **query) as whole:
            assert (await whole.until(lambda f: f["type"] == "message"))["message"]["role"] == "user"


async def test_the_chain_holds_from_every_position(server: ServerProcess, workspace_id: str) -> None:
    """Also where what comes next is not shown: the first frame says which position it follows."""
    async with Chat(server, workspace=workspace_id, session_id="positions") as chat:
        for question in ({"query": "How many days of paid vacation?", "model": "extractive"}, {"query": "slow? tokens=12"}):
            await chat.say(question)
            await chat.answer()
        seen = {frame["seq"]: frame for frame in chat.frames}
        check_chain(chat.frames)
        epoch, session_id, head = chat.frames[0]["epoch"], chat.frames[0]["session_id"], max(seen)
    async with RawSocket(server.url, key=OWNER_KEY) as whole:
        await whole.subscribe(f"session:{session_id}", since={"epoch": epoch, "seq": 0})
        await whole.command("hello")
    kinds = [frame["type"] for frame in whole.of_topic(f"session:{session_id}")]
    assert {"citation", "usage", "user_message"} <= set(kinds)
    for since in range(head):
        async with Chat(server, workspace=workspace_id, session_id="positions", since=since, epoch=epoch, format="json") as again:
            while not again.frames or again.frames[-1]["seq"] < head:
                assert await again.receive() is not None
        check_chain(again.frames, last=since)
        rest = "".join(f["content"] for seq, f in seen.items() if f["type"] == "answer_chunk" and seq > since)
        assert words(again.frames) == rest, since


async def test_since_is_of_the_session_in_the_address_only(server: ServerProcess, workspace_id: str) -> None:
    """Another session's position means something else there."""
    async with Chat(server, workspace=workspace_id) as chat:
        await chat.say({"query": "one? tokens=1", "sessionId": "position one"})
        first = (await chat.answer())[0]
        await chat.say({"query": "two? tokens=1", "sessionId": "position two"})
        second = (await chat.answer())[0]
    async with Chat(
        server, workspace=workspace_id, session_id="position one", since=first["seq"], epoch=first["epoch"], format="json"
    ) as chat:
        await chat.answer()
        await chat.say({"query": "three? tokens=1", "sessionId": "position two"})
        frames = await chat.answer()
        assert second["run_id"] not in {frame["run_id"] for frame in frames}, "nothing old is replayed"


async def test_a_repeated_id_starts_nothing(server: ServerProcess, workspace_id: str, fake_model: FakeModelServer) -> None:
    fake_model.requests(clear=True)
    async with Chat(server, workspace=workspace_id, session_id="repeated") as chat:
        for _ in range(3):
            await chat.say({"query": "only once? tokens=3", "id": "page-1"})
        await chat.answer()
    assert sum("only once" in entry["last"] for entry in fake_model.requests()) == 1


async def test_cookie_ticket_and_key(server: ServerProcess, workspace_id: str) -> None:
    person = await asyncio.to_thread(new_person, server, "page")
    server.call("PUT", f"/workspaces/{workspace_id}/members/{person.id}", {"role": "viewer"})
    ticket = await asyncio.to_thread(person.ticket, server.url)
    ways = (
        {"key": person.key},
        {"key": None, "headers": person.browser},
        {"key": None, "headers": {"Origin": server.url}, "ticket": ticket},
    )
    for way in ways:
        async with Chat(server, workspace=workspace_id, model="extractive", **way) as chat:
            await chat.say("How many days of paid vacation?")
            assert "25 days" in await chat.text()


async def test_liveness_is_the_ping_of_the_wire(server: ServerProcess) -> None:
    async with ByteSocket(server.url, "/ws/chat", headers={"Authorization": f"Bearer {OWNER_KEY}"}) as client:
        await client.send(PING, b"are you there")
        frame = await client.receive()
        assert frame is not None
        assert (frame.opcode, frame.payload) == (PONG, b"are you there")
        await client.send(TEXT, b'{"type":"pong"}')  # harmless, and unanswered
        with pytest.raises(TimeoutError):
            await client.receive(0.2)
