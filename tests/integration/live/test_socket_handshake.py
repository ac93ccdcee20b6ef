"""Who gets a socket: credentials, Origins and tickets, seen from outside (rows A1 and A3 of security.md)."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
import pytest

from antiphon.testing.byte_socket import TEXT, ByteSocket, client_frame
from antiphon.testing.people import Person, ask, new_person, sign_in
from antiphon.testing.raw_socket import RawSocket
from antiphon.testing.server_process import OWNER_KEY, ServerProcess

PATHS = ["/ws/v1", "/ws/chat", "/ws/conversation", "/api/v1/chat/stream"]


@pytest.fixture(scope="module")
def person(strict_server: ServerProcess) -> Person:
    return new_person(strict_server, "visitor")


async def outcome(server: ServerProcess, path: str = "/ws/v1", **headers: str) -> str:
    """`403`: refused in the handshake. `open`: it works. Else the close code."""
    async with ByteSocket(server.url, path, headers={name.replace("_", "-"): text for name, text in headers.items()}) as client:
        if client.status != 101:
            return str(client.status)
        await client.send(TEXT, b'{"type":"unsubscribe","id":"1","topic":"user:x"}' if path.startswith("/ws/v1") else b"{}")
        frame = await client.receive()
        return "open" if frame is not None and frame.opcode == TEXT else str(frame.code if frame else None)


async def test_hello(strict_server: ServerProcess) -> None:
    async with RawSocket(strict_server.url, key=None) as client:
        ack = await client.command("hello", token=OWNER_KEY)
        assert ack["ok"]
        assert [frame["type"] for frame in client.frames] == ["welcome", "ack"]
        welcome = client.frames[0]
        assert welcome["user"]["name"] == "owner"
        assert welcome["limits"]["frame_bytes"] == 16_384
        assert welcome["limits"]["subscriptions"] == 4


async def test_auth_refresh_takes_new_credentials_of_the_same_user_only(strict_server: ServerProcess) -> None:
    person = new_person(strict_server, "refreshing")
    made = person.call("POST", "/keys", {"name": "second"}).body
    async with RawSocket(strict_server.url, key=person.key) as client:
        ack = await client.command("auth_refresh", token=OWNER_KEY)
        assert ack["error"]["code"] == "forbidden"
        assert (await client.command("auth_refresh", token="wrong"))["error"]["code"] == "unauthorized"
        assert (await client.command("auth_refresh", token=made["key"]))["ok"]
        assert person.call("DELETE", f"/keys/{person.key_id}").code == "ok"  # the first one: the socket lives on the second
        assert (await client.command("subscribe", topic=f"user:{person.id}"))["ok"]
        await asyncio.sleep(2.5)  # the hub has looked at everybody since
        assert (await client.command("unsubscribe", topic=f"user:{person.id}"))["ok"]


@pytest.mark.parametrize("path", PATHS)
async def test_nobody_is_told_4001_or_4008(strict_server: ServerProcess, path: str) -> None:
    async with RawSocket(strict_server.url, key=None, path=path) as client:
        assert await client.closed(3.0) == (4008 if path == "/ws/v1" else 4001)


@pytest.mark.parametrize(
    ("frame", "code"),
    [
        ({"type": "hello", "id": "1", "token": "wrong"}, 4001),
        ({"type": "hello", "id": "1"}, 4001),
        ({"type": "hello", "id": "1", "token": ""}, 4001),
        ({"type": "hello", "id": "1", "token": "x" * 10_000}, 4001),
        ({"type": "subscribe", "id": "1", "topic": "user:x"}, 4001),
        ({"type": "hello", "id": "1", "token": OWNER_KEY, "role": "owner"}, 4000),
        ({"type": "hello", "id": "1", "token": 5}, 4000),
        ({"type": "hello", "id": 5, "token": OWNER_KEY}, 4000),
    ],
)
async def test_a_bad_first_frame(strict_server: ServerProcess, frame: dict[str, Any], code: int) -> None:
    async with RawSocket(strict_server.url, key=None) as client:
        await client.socket.send_str(msgspec.json.encode(frame).decode())
        assert await client.closed(3.0) == code
        assert client.frames == []


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("header", ["Bearer wrong", "Bearer ", "Basic abc", "Bearer " + "k" * 5000, "Bearer kü"])
async def test_a_wrong_bearer_is_accepted_then_closed_with_4001(strict_server: ServerProcess, path: str, header: str) -> None:
    assert await outcome(strict_server, path, Authorization=header) == "4001"


@pytest.mark.parametrize("path", PATHS)
async def test_a1_origin_and_cookie(strict_server: ServerProcess, person: Person, path: str) -> None:
    own, port = strict_server.url, strict_server.port
    assert await outcome(strict_server, path, Cookie=person.cookie, Origin=own) == "open"
    assert await outcome(strict_server, path, Cookie=person.cookie, Origin=f"http://localhost:{port}") == "open"
    foreign = [
        "https://evil.example", "null", "", f"{own}.evil.example", f"http://127.0.0.1.evil.example:{port}", f"https://127.0.0.1:{port}",
        "http://127.0.0.1", f"http://127.0.0.1:{port + 1}", f"{own}/", f"{own}@evil.example", f"http://evil.example#{own}",
        own.upper(), f"http://[::1]:{port}.evil", f"http://2130706433:{port}", f"{own}, {own}",
    ]  # fmt: skip
    refused = await asyncio.gather(*(outcome(strict_server, path, Cookie=person.cookie, Origin=origin) for origin in foreign))
    assert dict(zip(foreign, refused, strict=True)) == dict.fromkeys(foreign, "403")
    assert await outcome(strict_server, path, Cookie=person.cookie) == "403"  # no Origin at all


async def test_a_foreign_origin_is_refused_whatever_it_brings(strict_server: ServerProcess, person: Person) -> None:
    evil = "https://evil.example"
    ticket = await asyncio.to_thread(person.ticket, evil)
    assert await outcome(strict_server, f"/ws/v1?ticket={ticket}", Origin=evil) == "403"
    assert await outcome(strict_server, Authorization=f"Bearer {person.key}", Origin=evil) == "403"
    assert await outcome(strict_server, Origin=evil) == "403"
    assert await outcome(strict_server, Authorization=f"Bearer {person.key}") == "open"


async def test_two_origins_or_cookies_do_not_confuse(strict_server: ServerProcess, person: Person) -> None:
    """A second header of the same name must not hide the first."""
    evil = "https://evil.example"
    for first, second in ((strict_server.url, evil), (evil, strict_server.url)):
        assert await outcome(strict_server, Cookie=person.cookie, Origin=first, origin=second) in {"403", "400"}
    assert await outcome(strict_server, Cookie=f"x=1; {person.cookie}", Origin=strict_server.url) == "open"
    assert await outcome(strict_server, Cookie="antiphon_session=al_wrong", Origin=strict_server.url) == "4001"


async def test_a_foreign_host_name_is_refused(strict_server: ServerProcess, person: Person) -> None:
    """A name rebound to this machine: the Origin would match the Host, and neither is ours."""
    port = strict_server.port
    rebound = {"Host": f"evil.example:{port}", "Origin": f"http://evil.example:{port}", "Cookie": person.cookie}
    assert await outcome(strict_server, **rebound) == "403"
    assert await outcome(strict_server, Host=f"evil.example:{port}", Authorization=f"Bearer {person.key}") == "403"


@pytest.mark.parametrize("path", PATHS)
async def test_a3_a_ticket_works_once(strict_server: ServerProcess, person: Person, path: str) -> None:
    ticket = await asyncio.to_thread(person.ticket)
    assert await outcome(strict_server, f"{path}?ticket={ticket}") == "open"
    assert await outcome(strict_server, f"{path}?ticket={ticket}") == "4001"
    assert await outcome(strict_server, f"{path}?ticket=at_madeup") == "4001"


async def test_a3_of_many_at_once_exactly_one_succeeds(strict_server: ServerProcess, person: Person) -> None:
    ticket = await asyncio.to_thread(person.ticket)
    outcomes = await asyncio.gather(*(outcome(strict_server, f"/ws/v1?ticket={ticket}") for _ in range(6)))
    assert sorted(outcomes) == ["4001"] * 5 + ["open"]


async def test_a3_a_ticket_is_bound_to_its_origin_user_and_time(strict_server: ServerProcess, person: Person) -> None:
    own = strict_server.url
    other = await asyncio.to_thread(new_person, strict_server, "other")
    bound, unbound, foreign, old = [await asyncio.to_thread(person.ticket, origin) for origin in (own, None, own, own)]
    assert await outcome(strict_server, f"/ws/v1?ticket={bound}") == "4001"
    assert await outcome(strict_server, f"/ws/v1?ticket={bound}", Origin=own) == "4001"  # burnt by the wrong try
    assert await outcome(strict_server, f"/ws/v1?ticket={unbound}", Origin=own) == "4001"
    assert await outcome(strict_server, f"/ws/v1?ticket={foreign}", Origin=own, Authorization=f"Bearer {other.key}") == "4001"
    fresh = await asyncio.to_thread(person.ticket, own)
    assert await outcome(strict_server, f"/ws/v1?ticket={fresh}", Origin=own) == "open"
    await asyncio.sleep(1.05)
    assert await outcome(strict_server, f"/ws/v1?ticket={old}", Origin=own) == "4001"


@pytest.mark.parametrize("name", ["token", "key", "api_key", "access_token"])
async def test_a3_a_long_lived_token_in_the_address_is_refused(strict_server: ServerProcess, person: Person, name: str) -> None:
    for path in PATHS:
        assert await outcome(strict_server, f"{path}?{name}={person.key}") == "4001"


async def test_a3_a_key_is_no_ticket(strict_server: ServerProcess, person: Person) -> None:
    assert await outcome(strict_server, f"/ws/v1?ticket={person.key}") == "4001"
    ticket = await asyncio.to_thread(person.ticket)
    assert await outcome(strict_server, Authorization=f"Bearer {ticket}") == "4001"
    cookie_secret = person.cookie.partition("=")[2]
    assert await outcome(strict_server, Authorization=f"Bearer {cookie_secret}") == "4001"


async def test_withdrawn_credentials_open_nothing(strict_server: ServerProcess) -> None:
    revoked, suspended, left = [await asyncio.to_thread(new_person, strict_server, n) for n in ("revoked", "suspended", "left")]
    tickets = [await asyncio.to_thread(each.ticket) for each in (revoked, suspended)]
    assert ask(strict_server, "DELETE", f"/keys/{revoked.key_id}", None, revoked.browser).code == "ok"
    strict_server.call("PATCH", f"/users/{suspended.id}", {"suspended": True})
    assert ask(strict_server, "POST", "/auth/logout", {}, left.browser).code == "ok"
    for headers in (
        {"Authorization": f"Bearer {revoked.key}"}, {"Authorization": f"Bearer {suspended.key}"}, suspended.browser, left.browser,
    ):  # fmt: skip
        assert await outcome(strict_server, **headers) == "4001", headers
    for ticket in tickets:  # made while the credential was good
        assert await outcome(strict_server, f"/ws/v1?ticket={ticket}") == "4001"
    async with RawSocket(strict_server.url, key=None) as client:
        await client.send("hello", token=revoked.key)
        assert await client.closed(3.0) == 4001
    again = await asyncio.to_thread(sign_in, strict_server, left.name)
    assert await outcome(strict_server, Cookie=again, Origin=strict_server.url) == "open"


async def test_the_subprotocol_is_taken_when_offered(strict_server: ServerProcess, person: Person) -> None:
    for offered, taken in (("antiphon.v1", "antiphon.v1"), ("other, antiphon.v1", "antiphon.v1"), ("other", None), (None, None)):
        headers = {**person.bearer, **({"Sec-WebSocket-Protocol": offered} if offered else {})}
        async with ByteSocket(strict_server.url, headers=headers) as client:
            assert (client.status, client.answer.get("sec-websocket-protocol")) == (101, taken)


async def test_frames_sent_with_the_handshake_are_not_lost(strict_server: ServerProcess, person: Person) -> None:
    """In one packet with the request: whole frames, and the first half of one."""
    command = client_frame(TEXT, b'{"type":"unsubscribe","id":"early","topic":"user:x"}')
    later = client_frame(TEXT, b'{"type":"unsubscribe","id":"split","topic":"user:x"}')
    async with ByteSocket(strict_server.url, headers=person.bearer, early=command + later[:20]) as client:
        client.push(later[20:])
        frames = [await client.receive() for _ in range(3)]
    told = [msgspec.json.decode(frame.payload) for frame in frames if frame is not None]
    assert [frame.get("reply_to") for frame in told if frame["type"] == "ack"] == ["early", "split"]
