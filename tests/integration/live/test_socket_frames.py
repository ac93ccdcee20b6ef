"""What a socket does with each kind of frame, and whose topics it shows (rows B1, B2, B5, H3, H11 of security.md)."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import msgspec
import pytest

from antiphon.testing.byte_socket import BINARY, CLOSE, CONT, PING, PONG, TEXT, ByteSocket, client_frame
from antiphon.testing.people import Person, new_person
from antiphon.testing.raw_socket import Frame, RawSocket
from antiphon.testing.server_process import ServerProcess

COMMAND = b'{"type":"unsubscribe","id":"1","topic":"user:x"}'
LIMIT = 16_384


@pytest.fixture(scope="module")
def person(strict_server: ServerProcess) -> Person:
    return new_person(strict_server, "sender")


async def closed_by(server: ServerProcess, person: Person, data: bytes, path: str = "/ws/v1") -> int | None:
    async with ByteSocket(server.url, path, headers=person.bearer) as client:
        client.push(data)
        return await client.closed()


@pytest.mark.parametrize(
    "text",
    ["", " ", "{", "nonsense", "[]", "[1]", "1", '"x"', "null", "{}", '{"type":5}', '{"type":null}', '{"id":"1"}', "\x00", "{'a':1}",
     '{"type":"pong"}{"type":"pong"}', '{"type":"pong","id":""}', '{"type":"pong","id":7}', '{"type":"pong","id":"' + "x" * 129 + '"}',
     '{"type":"pong","id":NaN}', "[" * 8000, '{"a":' * 2000 + "1" + "}" * 2000],
)  # fmt: skip
async def test_what_is_no_frame_closes_with_4000(strict_server: ServerProcess, person: Person, text: str) -> None:
    assert await closed_by(strict_server, person, client_frame(TEXT, text.encode())) == 4000


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (client_frame(BINARY, COMMAND), 4000),
        (client_frame(BINARY), 4000),
        (client_frame(TEXT, b"x" * (LIMIT + 1)), 1009),
        (client_frame(TEXT, b"x" * LIMIT, fin=False) + client_frame(CONT, b"x"), 1009),
        (b"\x81\xff\x00\x00\x10\x00\x00\x00\x00\x00", 1009),  # says that 16 TiB follow
        (b"\x81\xff\xff\xff\xff\xff\xff\xff\xff\xff", {1002, 1009}),
        (client_frame(TEXT, b'{"type":"\xff\xfe"}'), 1007),
        (client_frame(TEXT, b"\xed\xa0\x80"), 1007),  # a surrogate
        (client_frame(TEXT, b'{"type":"pong","a":"\xe2\x82', fin=False) + client_frame(CONT, b'"}'), 1007),
        (client_frame(TEXT, COMMAND, masked=False), 1002),
        (client_frame(TEXT, COMMAND, rsv1=True), 1002),
        (client_frame(0x3, b"x"), 1002),
        (client_frame(CONT, b"x"), 1002),
        (client_frame(TEXT, b"{", fin=False) + client_frame(TEXT, b"}"), 1002),
        (client_frame(PING, b"x" * 126), 1002),
        (client_frame(PING, b"x", fin=False), 1002),
        (client_frame(CLOSE, b"\x03"), 1002),
        (client_frame(CLOSE, b"\x03\xe8"), 1000),
    ],
)
async def test_close_codes_of_the_wire(strict_server: ServerProcess, person: Person, data: bytes, code: int | set[int]) -> None:
    closed = await closed_by(strict_server, person, data)
    assert closed in (code if isinstance(code, set) else {code})


async def test_h3_deflate_is_not_taken(strict_server: ServerProcess, person: Person) -> None:
    offer = {"Sec-WebSocket-Extensions": "permessage-deflate; client_max_window_bits", **person.bearer}
    async with ByteSocket(strict_server.url, headers=offer) as client:
        assert client.status == 101
        assert "sec-websocket-extensions" not in client.answer


async def test_h11_hostile_json_is_refused_at_once(strict_server: ServerProcess, person: Person) -> None:
    bombs = [
        "[" * 16_000,
        '{"type":' + "[" * 8000,
        '{"type":"pong","n":1e' + "9" * 8000 + "}",
        '{"type":"pong","n":' + "9" * 16_000 + "}",
    ]
    for text in bombs:
        async with ByteSocket(strict_server.url, headers=person.bearer) as client:
            await client.receive()  # welcome
            began = time.monotonic()
            client.push(client_frame(TEXT, text.encode()))
            assert await client.closed() == 4000
            assert time.monotonic() - began < 0.1


async def test_fragments_and_pings_within_a_message(strict_server: ServerProcess, person: Person) -> None:
    async with ByteSocket(strict_server.url, headers=person.bearer) as client:
        await client.receive()
        client.push(
            client_frame(TEXT, COMMAND[:10], fin=False) + client_frame(PING, b"between") + client_frame(CONT, b"", fin=False)
        )
        client.push(client_frame(CONT, COMMAND[10:]))
        pong, ack = await client.receive(), await client.receive()
    assert pong is not None
    assert (pong.opcode, pong.payload) == (PONG, b"between")
    assert ack is not None
    assert msgspec.json.decode(ack.payload)["reply_to"] == "1"


async def test_refusals_keep_the_socket_open(strict_server: ServerProcess, person: Person) -> None:
    async with RawSocket(strict_server.url, key=person.key) as client:
        tried: dict[str, Frame] = {}
        for name, kind, fields in (
            ("unknown", "dance", {}), ("long", "x" * 5000, {}), ("rest only", "workspace_delete", {"workspace_id": "ws_1"}),
            ("internal", "session_open", {"reference": "ses_1"}), ("extra", "chat_message", {"content": "?", "role": "owner"}),
            ("extra scope", "chat_message", {"content": "?", "scope": {"everything": True}}), ("type", "chat_message", {"content": 5}),
            ("missing", "chat_message", {}), ("empty", "chat_message", {"content": " "}), ("subscribe", "subscribe", {"topic": "user:x", "as": "owner"}),
            ("since", "subscribe", {"topic": f"user:{person.id}", "since": {"epoch": "x", "seq": -1}}),
            ("big since", "subscribe", {"topic": f"user:{person.id}", "since": {"epoch": "x", "seq": 2**70}}),
            ("topic", "subscribe", {"topic": "planet:mars"}), ("no topic", "subscribe", {"topic": "session"}), ("odd topic", "subscribe", {"topic": "session:../x"}),
            ("pong", "pong", {"extra": 1}), ("hello", "hello", {"role": "owner"}), ("stop", "stop", {}), ("history", "history", {"topic": f"user:{person.id}"}),
        ):  # fmt: skip
            tried[name] = await client.command(kind, **fields)
        codes = {name: (ack["error"] or {}).get("code", "ok") for name, ack in tried.items()}
        assert codes == {
            "unknown": "unknown_type", "long": "unknown_type", "rest only": "unsupported", "internal": "unsupported", "extra": "bad_request",
            "extra scope": "bad_request", "type": "bad_request", "missing": "bad_request", "empty": "bad_request", "subscribe": "bad_request",
            "since": "ok", "big since": "ok", "topic": "bad_request", "no topic": "bad_request", "odd topic": "bad_request", "pong": "bad_request", "hello": "bad_request",
            "stop": "bad_request", "history": "unsupported",
        }  # fmt: skip
        refused = tried["unknown"]
        assert (refused["ok"], refused["result"], refused["error"]["retryable"]) == (False, None, False)
        assert set(refused["error"]) >= {"code", "message", "retryable", "request_id"}
        assert len(tried["long"]["error"]["message"]) < 300
        assert (await client.command("hello"))["ok"]


async def test_a_command_without_id_is_refused_and_told(strict_server: ServerProcess, person: Person) -> None:
    async with RawSocket(strict_server.url, key=person.key) as client:
        for frame in ({"type": "chat_message", "content": "?"}, {"type": "stop", "run_id": "x"}, {"type": "dance"}):
            await client.socket.send_str(msgspec.json.encode(frame).decode())
            ack = await client.until(lambda f: f["type"] == "ack")
            assert (ack["ok"], ack["reply_to"]) == (False, None)
            assert ack["error"]["code"] in {"bad_request", "unknown_type"}


async def test_subscribing_twice_and_unsubscribing(strict_server: ServerProcess, person: Person) -> None:
    topic = f"user:{person.id}"
    async with RawSocket(strict_server.url, key=person.key) as client:
        assert (await client.subscribe(topic))["mode"] == "snapshot"
        assert (await client.subscribe(topic))["mode"] == "snapshot"
        workspace = strict_server.call("POST", "/workspaces", {"name": "twice"}, key=person.key)["id"]
        strict_server.call("POST", "/sessions", {"workspace_id": workspace}, key=person.key)
        await client.until(lambda f: f["type"] == "session_created")
        first = await client.command("unsubscribe", topic=topic)
        second = await client.command("unsubscribe", topic=topic)
        assert (first["result"]["was_subscribed"], second["result"]["was_subscribed"]) == (True, False)
        strict_server.call("POST", "/sessions", {"workspace_id": workspace}, key=person.key)
        await client.command("hello")
        await asyncio.sleep(0.05)
        await client.command("hello")
    assert sum(frame["type"] == "session_created" for frame in client.frames) == 1


class Ground:
    """A workspace of `owner` with a shared and a private session and a run, one of another owner, and one that is deleted."""

    def __init__(self, server: ServerProcess) -> None:
        self.owner, self.viewer, self.stranger = (new_person(server, name) for name in ("keeper", "viewer", "stranger"))
        self.own = self._world(server, self.owner)
        member = f"/workspaces/{self.own['workspace']}/members/{self.viewer.id}"
        assert self.owner.call("PUT", member, {"role": "viewer"}).code == "ok"
        self.foreign = self._world(server, self.stranger)
        self.deleted = self._world(server, self.owner)
        assert self.owner.call("DELETE", f"/sessions/{self.deleted['session']}").code == "ok"
        assert self.owner.call("DELETE", f"/workspaces/{self.deleted['workspace']}").code == "ok"
        self.random = {name: ident[:-4] + "zzzz" for name, ident in self.own.items()}

    @staticmethod
    def _world(server: ServerProcess, owner: Person) -> dict[str, str]:
        workspace = owner.call("POST", "/workspaces", {"name": "ground"}).body["id"]
        session = owner.call("POST", "/sessions", {"workspace_id": workspace}).body["id"]
        shared = owner.call("POST", "/sessions", {"workspace_id": workspace}).body["id"]
        owner.call("PATCH", f"/sessions/{shared}", {"visibility": "workspace"})
        frame = {"type": "chat_message", "id": f"ground {session}", "session_id": session, "content": "anything?"}
        run = owner.call("POST", "/commands", frame).body["result"]["run_id"]
        return {"workspace": workspace, "session": session, "shared": shared, "run": run, "user": owner.id}


@pytest.fixture(scope="module")
def ground(server: ServerProcess) -> Ground:
    return Ground(server)


def told(ack: Frame, *ids: str) -> dict[str, Any]:
    """The error without what names the request or the object."""
    text = msgspec.json.encode({k: v for k, v in ack["error"].items() if k != "request_id"}).decode()
    for ident in ids:
        text = text.replace(ident, "ID")
    return msgspec.json.decode(text)


TOPICS = {"session": "session", "run": "run", "workspace": "workspace", "user": "user"}


@pytest.mark.parametrize("kind", TOPICS)
async def test_b1_topics_out_of_reach_are_missing(server: ServerProcess, ground: Ground, kind: str) -> None:
    places = {"foreign": ground.foreign, "deleted": ground.deleted, "random": ground.random, "private": ground.own}
    async with RawSocket(server.url, key=ground.viewer.key) as client:
        errors = {}
        for name, ids in places.items():
            if (kind, name) in {("workspace", "private"), ("user", "deleted")}:
                continue
            ack = await client.command("subscribe", topic=f"{kind}:{ids[kind]}", since={"epoch": "x", "seq": 1})
            errors[name] = told(ack, ids[kind])
        first = errors["random"]
        assert first["code"] == "not_found"
        assert errors == dict.fromkeys(errors, first)
        assert (await client.command("subscribe", topic=f"workspace:{ground.own['workspace']}"))["ok"]
        assert (await client.command("subscribe", topic=f"session:{ground.own['shared']}"))["ok"]
        await client.command("hello")  # everything before it is answered
    reached = {frame["topic"] for frame in client.frames if frame["type"] in {"subscribed", "snapshot"}}
    assert reached == {f"workspace:{ground.own['workspace']}", f"session:{ground.own['shared']}"}


@pytest.mark.parametrize(
    ("verb", "fields"),
    [
        ("chat_message", {"content": "?", "session_id": "{session}"}),
        ("chat_message", {"content": "?", "workspace_id": "{workspace}"}),
        ("chat_message", {"content": "?", "session_id": "OWN", "workspace_id": "{workspace}"}),
        ("chat_message", {"content": "?", "session_id": "OWN", "scope": {"workspace_ids": ["{workspace}"]}}),
        ("chat_message", {"content": "?", "session_id": "OWN", "scope": {"document_ids": ["{run}"]}}),
        ("chat_message", {"content": "?", "session_id": "OWN", "parent_id": "{run}"}),
        ("stop", {"run_id": "{run}"}),
        ("stop", {"session_id": "{session}"}),
        ("history", {"topic": "session:{session}"}),
    ],
)  # fmt: skip
async def test_b1_b2_foreign_ids_in_commands_are_missing(
    server: ServerProcess, ground: Ground, verb: str, fields: dict[str, Any]
) -> None:
    """Also nested in bodies."""
    errors = {}
    async with RawSocket(server.url, key=ground.owner.key) as client:
        for name, ids in {"foreign": ground.foreign, "deleted": ground.deleted, "random": ground.random}.items():
            text = msgspec.json.encode(fields).decode().replace("OWN", ground.own["shared"])
            for field, ident in ids.items():
                text = text.replace("{" + field + "}", ident)
            ack = await client.command(verb, **msgspec.json.decode(text))
            assert not ack["ok"], (name, ack)
            errors[name] = told(ack, *ids.values())
    assert errors["random"]["code"] == "not_found", errors
    assert errors == dict.fromkeys(errors, errors["random"])
