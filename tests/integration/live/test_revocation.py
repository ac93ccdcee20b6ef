"""Removed access takes effect on open sockets within 5 s, and the run goes on without them (promise P7, row A7)."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from antiphon.testing.people import Person, ask, join, new_person
from antiphon.testing.raw_socket import Frame, RawSocket
from antiphon.testing.server_process import OWNER_KEY, ServerProcess

LIMIT_S = 5.0
QUESTION = "a long one tokens=130"  # 6.5 s


class Scene:
    """A workspace of the owner; `author` asks in a session shared with it, `watcher` (a viewer) looks on."""

    def __init__(self, server: ServerProcess, name: str, author: Person) -> None:
        self.server = server
        self.workspace = server.call("POST", "/workspaces", {"name": name})["id"]
        self.author, self.watcher = author, new_person(server, f"watcher {name}")
        join(server, self.workspace, self.author, "editor")
        join(server, self.workspace, self.watcher, "viewer")
        self.session = self.author.call("POST", "/sessions", {"workspace_id": self.workspace}).body["id"]
        assert self.author.call("PATCH", f"/sessions/{self.session}", {"visibility": "workspace"}).code == "ok"

    @property
    def topic(self) -> str:
        return f"session:{self.session}"

    async def streaming(self, client: RawSocket) -> str:
        """Begins a run over another socket and returns its id once `client` sees text."""
        async with RawSocket(self.server.url, key=self.author.key) as asking:
            ack = await asking.command("chat_message", session_id=self.session, content=QUESTION)
        await client.until(lambda f: f["type"] == "answer_chunk")
        return ack["result"]["run_id"]

    async def finished(self, run_id: str) -> str:
        while (state := (await asyncio.to_thread(self.server.call, "GET", f"/runs/{run_id}"))["state"]) == "running":
            await asyncio.sleep(0.2)
        return state


@pytest.fixture(scope="module")
def author(server: ServerProcess) -> Person:
    return new_person(server, "author")


async def told_after(client: RawSocket, topic: str, revoke: Callable[[], Any]) -> tuple[Frame | int | None, float]:
    """What the client is told about `topic` after `revoke`: the `unsubscribed` frame, or the close code; and after how long."""
    await asyncio.to_thread(revoke)
    began = time.monotonic()
    async with asyncio.timeout(LIMIT_S + 5):
        while (frame := await client.receive()) is not None:
            if frame["type"] == "unsubscribed":
                assert frame["topic"] == topic
                return frame, time.monotonic() - began
    return client.close_code, time.monotonic() - began


async def silent_about(client: RawSocket, topic: str, seconds: float = 0.6) -> bool:
    first = len(client.frames)
    ack = await client.command("hello")
    assert ack["ok"]
    await asyncio.sleep(seconds)
    await client.command("hello")
    return not any(frame.get("topic") == topic for frame in client.frames[first:])


async def closing(
    server: ServerProcess, author: Person, name: str, revoke: Callable[[Scene], Any], **socket: Callable[[Scene], Any]
) -> str:
    """The watcher's socket is closed with 4003 while the answer streams; nobody else is touched."""
    scene = await asyncio.to_thread(Scene, server, name, author)
    options = {"key": scene.watcher.key, **{option: value(scene) for option, value in socket.items()}}
    async with RawSocket(server.url, **options) as watching, RawSocket(server.url, key=scene.author.key) as other:
        if "path" not in options:
            await watching.subscribe(scene.topic)
        await other.subscribe(scene.topic)
        run_id = await scene.streaming(watching)
        code, seconds = await told_after(watching, scene.topic, lambda: revoke(scene))
        assert (code, seconds < LIMIT_S) == (4003, True), (name, code, seconds)
        await other.until(lambda f: f["type"] == "answer_chunk")
        assert await scene.finished(run_id) == "completed", name
        await other.completed(scene.topic, run_id)
    return f"{name}: {code} after {seconds:.2f} s"


async def unsubscribing(
    server: ServerProcess,
    author: Person,
    name: str,
    revoke: Callable[[Scene], Any],
    finish: Callable[[Scene, str], Awaitable[Any]] | None = None,
) -> str:
    """The watcher keeps the socket, loses the topic, and can't get it back."""
    scene = await asyncio.to_thread(Scene, server, name, author)
    async with RawSocket(server.url, key=scene.watcher.key) as watching:
        await watching.subscribe(scene.topic)
        run_id = await scene.streaming(watching)
        await watching.subscribe(f"run:{run_id}")
        await watching.command("unsubscribe", topic=f"run:{run_id}")
        frame, seconds = await told_after(watching, scene.topic, lambda: revoke(scene))
        assert isinstance(frame, dict), (name, frame)
        assert (frame["code"], seconds < LIMIT_S) == ("not_found", True)
        assert await silent_about(watching, scene.topic)
        for kind, fields in (
            ("subscribe", {"topic": scene.topic}), ("subscribe", {"topic": f"run:{run_id}"}), ("history", {"topic": scene.topic}), ("stop", {"run_id": run_id}),
            ("chat_message", {"session_id": scene.session, "content": "me too?"}),
        ):  # fmt: skip
            ack = await watching.command(kind, **fields)
            assert (ack["error"] or {}).get("code") == "not_found", (name, kind, ack)
        if finish is None:
            assert await scene.finished(run_id) == "completed", name
        else:
            await finish(scene, run_id)
    return f"{name}: told after {seconds:.2f} s"


def remove(scene: Scene) -> None:
    scene.server.call("DELETE", f"/workspaces/{scene.workspace}/members/{scene.watcher.id}")


def revoke_key(scene: Scene) -> None:
    assert ask(scene.server, "DELETE", f"/keys/{scene.watcher.key_id}", None, scene.watcher.browser).code == "ok"


def suspend(scene: Scene) -> None:
    scene.server.call("PATCH", f"/users/{scene.watcher.id}", {"suspended": True})


async def test_p7_revoked_while_an_answer_streams(server: ServerProcess, author: Person) -> None:
    """All at once: each takes as long as its answer."""
    simple = lambda scene: f"/ws/chat?format=json&session_id={scene.session}"  # noqa: E731

    async def gone(scene: Scene, run_id: str) -> None:
        """Deleted with its workspace: nobody can look at it any more, and its sockets saw no further text."""
        del run_id
        assert scene.author.call("GET", f"/sessions/{scene.session}").code == "not_found"

    results = await asyncio.gather(
        closing(server, author, "key revoked", revoke_key),
        closing(server, author, "user suspended", suspend),
        closing(server, author, "signed out", lambda s: ask(server, "POST", "/auth/logout", {}, s.watcher.browser), key=lambda _: None, headers=lambda s: s.watcher.browser),
        closing(server, author, "ticket of a revoked key", revoke_key, key=lambda _: None, path=lambda s: f"/ws/chat?format=json&session_id={s.session}&ticket={s.watcher.ticket()}"),
        closing(server, author, "simple profile, member removed", remove, path=simple),
        unsubscribing(server, author, "member removed", remove),
        unsubscribing(server, author, "not shared any more", lambda s: s.author.call("PATCH", f"/sessions/{s.session}", {"visibility": "private"}), _finished_by_author),
        unsubscribing(server, author, "workspace deleted", lambda s: server.call("DELETE", f"/workspaces/{s.workspace}"), gone),
    )  # fmt: skip
    print("\n".join(results))


async def _finished_by_author(scene: Scene, run_id: str) -> None:
    while (answer := await asyncio.to_thread(scene.author.call, "GET", f"/runs/{run_id}")).body["state"] == "running":
        await asyncio.sleep(0.2)
    assert answer.body["state"] == "completed"


async def test_a_shared_session_is_seen_by_both_and_stopped_by_its_author(server: ServerProcess, author: Person) -> None:
    scene = await asyncio.to_thread(Scene, server, "shared", author)
    async with RawSocket(server.url, key=scene.author.key) as asking, RawSocket(server.url, key=scene.watcher.key) as watcher:
        await asking.subscribe(scene.topic)
        await watcher.subscribe(scene.topic)
        run_id = await scene.streaming(watcher)
        for target in ({"run_id": run_id}, {"session_id": scene.session}):
            refused = await watcher.command("stop", **target)
            assert refused["error"]["code"] == "forbidden"
        assert scene.watcher.call("POST", f"/runs/{run_id}/stop", {}).code == "forbidden"
        await watcher.until(lambda f: f["type"] == "answer_chunk")
        join(server, scene.workspace, scene.watcher, "editor")
        join(server, scene.workspace, scene.watcher, "viewer")  # what was raised and lowered again counts at once
        assert (await watcher.command("stop", run_id=run_id))["error"]["code"] == "forbidden"
        assert (await asking.command("stop", run_id=run_id))["result"]["state"] == "stopped"
        complete = await watcher.completed(scene.topic, run_id)
    assert asking.of_topic(scene.topic) == watcher.of_topic(scene.topic)
    assert complete["stopped_by"]["id"] == scene.author.id


async def test_a_held_socket_of_a_revoked_key_subscribes_to_nothing(server: ServerProcess, author: Person) -> None:
    """Each subscribe is authorised with what the credential is worth now, not when the socket was opened."""
    scene = await asyncio.to_thread(Scene, server, "held", author)
    async with RawSocket(server.url, key=author.key) as asking:
        ack = await asking.command("chat_message", session_id=scene.session, content="short tokens=1")
    topics = [scene.topic, f"run:{ack['result']['run_id']}", f"workspace:{scene.workspace}", f"user:{scene.watcher.id}"]
    async with RawSocket(server.url, key=scene.watcher.key) as held:
        for topic in topics:
            assert (await held.command("subscribe", topic=topic))["ok"]
            await held.command("unsubscribe", topic=topic)
        held.frames.clear()
        revoke_key(scene)
        for topic in topics:
            await held.send("subscribe", topic=topic)
        assert await held.closed() == 4003
    assert not [frame for frame in held.frames if frame["type"] in {"subscribed", "snapshot"}]
    acks = [frame["error"]["code"] for frame in held.frames if frame["type"] == "ack"]
    assert acks == ["unauthorized"] * len(acks)


async def test_a_key_narrowed_to_a_workspace_hears_nothing_of_the_others(server: ServerProcess) -> None:
    """The user's own topic tells of all workspaces: it is not for a key of one."""
    person = await asyncio.to_thread(new_person, server, "narrowed")
    here = person.call("POST", "/workspaces", {"name": "here"}).body["id"]
    there = person.call("POST", "/workspaces", {"name": "there"}).body["id"]
    key = person.call("POST", "/keys", {"name": "narrow", "workspace_id": here}).body["key"]
    async with RawSocket(server.url, key=key) as narrow:
        ack = await narrow.command("subscribe", topic=f"user:{person.id}")
        session = person.call("POST", "/sessions", {"workspace_id": there}).body["id"]
        await silent_about(narrow, "user:", 0.1)
        assert not any(session in raw for raw in narrow.raw)
        assert ack["error"]["code"] == "not_found"
        assert (await narrow.command("subscribe", topic=f"workspace:{here}"))["ok"]
        assert (await narrow.command("subscribe", topic=f"workspace:{there}"))["error"]["code"] == "not_found"


def test_a_person_is_who_the_key_says(server: ServerProcess) -> None:
    person: Person = new_person(server, "self")
    assert person.call("GET", "/me").body["id"] == person.id
    assert ask(server, "GET", "/me", None, {"Authorization": f"Bearer {OWNER_KEY}"}).body["name"] == "owner"
