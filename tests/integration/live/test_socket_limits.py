"""Floods and limits: what one client may take of the server (rows H2, H4, H6, H7 of security.md)."""

from __future__ import annotations

import asyncio
import contextlib
import time

import msgspec
import psutil
import pytest

from antiphon.testing.byte_socket import CLOSE, CONT, PING, PONG, TEXT, ByteSocket, client_frame
from antiphon.testing.people import Person, ask, new_person
from antiphon.testing.raw_socket import RawSocket
from antiphon.testing.server_process import ServerProcess

MIB = 2**20


def resident(server: ServerProcess) -> float:
    """MiB of the server process itself."""
    return psutil.Process(server.process.pid).memory_info().rss / MIB


@pytest.fixture(scope="module")
def person(strict_server: ServerProcess) -> Person:
    return new_person(strict_server, "flooder")


async def flood(client: ByteSocket, piece: bytes, times: int) -> None:
    """Pushes as fast as the server takes it, until it hangs up."""
    with contextlib.suppress(ConnectionError):
        for _ in range(times):
            client.push(piece)
            await client.writer.drain()


async def test_h2_a_million_fragments_cost_no_memory(strict_server: ServerProcess, person: Person) -> None:
    empty = client_frame(CONT, b"", fin=False) * 10_000
    before = resident(strict_server)
    async with ByteSocket(strict_server.url, headers=person.bearer) as client:
        client.push(client_frame(TEXT, b"{", fin=False))
        await asyncio.wait_for(flood(client, empty, 100), 10)
        assert await client.closed() in {1009, None}
    async with ByteSocket(strict_server.url, headers=person.bearer) as client:
        client.push(client_frame(TEXT, b"{", fin=False) + client_frame(CONT, b"x", fin=False) * 2000)
        assert await client.closed() == 1009
    assert resident(strict_server) - before < 8


async def test_h2_a_ping_flood_is_cut_and_costs_no_memory(strict_server: ServerProcess, person: Person) -> None:
    before = resident(strict_server)
    pings = client_frame(PING, b"x" * 125) * 1000
    async with ByteSocket(strict_server.url, headers=person.bearer) as reading:
        await flood(reading, pings, 10)
        frames = []
        while (frame := await reading.receive()) is not None:
            frames.append(frame)
        assert sum(frame.opcode == PONG for frame in frames) < 4000  # the 600 of the limit, and what came in one packet with them
        assert [frame.code for frame in frames if frame.opcode == CLOSE] == [4029]
    async with ByteSocket(strict_server.url, headers=person.bearer, receive_buffer_bytes=4096) as deaf:
        await asyncio.wait_for(flood(deaf, pings, 400), 10)
    assert resident(strict_server) - before < 8


async def test_h4_a_thousand_frames_at_once_end_with_4029(strict_server: ServerProcess, person: Person) -> None:
    async with ByteSocket(strict_server.url, headers=person.bearer) as client:
        began = time.monotonic()
        await flood(client, client_frame(TEXT, b'{"type":"pong"}') * 100, 30)
        assert await client.closed() == 4029
        assert time.monotonic() - began < 3
    async with RawSocket(strict_server.url, key=person.key) as other:  # nobody else is touched
        assert (await other.command("hello"))["ok"]


async def test_h5_commands_of_one_who_never_reads_are_not_answered_without_end(strict_server: ServerProcess) -> None:
    """Each `history` is some kilobytes out for a hundred bytes in: the server stops reading before its memory fills."""
    greedy = await asyncio.to_thread(new_person, strict_server, "greedy")
    workspace = greedy.call("POST", "/workspaces", {"name": "long talk"}).body["id"]
    session = greedy.call("POST", "/sessions", {"workspace_id": workspace}).body["id"]
    for number in range(3):
        asked = {"type": "chat_message", "id": f"long {number}", "session_id": session, "content": "long question " * 1000}
        assert greedy.call("POST", "/commands", asked).code == "ok"
        for _ in range(100):
            if greedy.call("GET", f"/sessions/{session}/messages").body["items"][-1]["state"] == "complete":
                break
            await asyncio.sleep(0.02)
    before = resident(strict_server)
    asks = b"".join(
        client_frame(TEXT, msgspec.json.encode({"type": "history", "id": str(n), "topic": f"session:{session}"}))
        for n in range(900)
    )
    async with ByteSocket(strict_server.url, headers=greedy.bearer, receive_buffer_bytes=4096) as deaf:
        deaf.push(asks)
        highest = before
        for _ in range(30):
            await asyncio.sleep(0.05)
            highest = max(highest, resident(strict_server))
        print(f"history without reading: {highest - before:+.1f} MiB")
        assert highest - before < 12
        replies = set()
        while len(replies) < 900:  # when it reads at last, every command gets its one answer
            frame = await deaf.receive()
            assert frame is not None
            told = msgspec.json.decode(frame.payload)
            if told["type"] == "ack":
                assert told["reply_to"] not in replies
                replies.add(told["reply_to"])


async def test_subscriptions_of_a_connection_are_limited(strict_server: ServerProcess, person: Person) -> None:
    workspace = person.call("POST", "/workspaces", {"name": "many"}).body["id"]
    topics = [f"session:{person.call('POST', '/sessions', {'workspace_id': workspace}).body['id']}" for _ in range(5)]
    async with RawSocket(strict_server.url, key=person.key) as client:
        acks = [await client.command("subscribe", topic=topic) for topic in topics]
        assert [ack["ok"] for ack in acks] == [True] * 4 + [False]
        assert acks[4]["error"]["code"] == "quota_exceeded"
        assert (await client.command("subscribe", topic=topics[0]))["ok"]  # again is no further one
        await client.command("unsubscribe", topic=topics[1])
        assert (await client.command("subscribe", topic=topics[4]))["ok"]


async def test_h6_connections_of_a_user_are_limited(strict_server: ServerProcess, person: Person) -> None:
    """Whatever the credential and the profile; other users are not touched, and a place is free at once when one leaves."""
    ways = [
        ("/ws/v1", person.bearer),
        ("/ws/chat", person.browser),
        ("/ws/v1", person.browser),
        ("/ws/conversation", person.bearer),
    ]
    async with contextlib.AsyncExitStack() as stack:
        held = [
            await stack.enter_async_context(ByteSocket(strict_server.url, path, headers=headers))
            for path, headers in [*ways, *ways[:2]]
        ]
        await asyncio.sleep(0.05)
        for path, headers in ways:
            async with ByteSocket(strict_server.url, path, headers=headers) as seventh:
                assert await seventh.closed() == 4009
        async with RawSocket(strict_server.url, key=None) as late:
            await late.send("hello", token=person.key)
            assert await late.closed() == 4009
        other = await asyncio.to_thread(new_person, strict_server, "neighbour")
        async with RawSocket(strict_server.url, key=other.key) as welcome:
            assert (await welcome.command("hello"))["ok"]
        held[0].writer.transport.abort()
        await asyncio.sleep(0.1)
        async with RawSocket(strict_server.url, key=person.key) as again:
            assert (await again.command("hello"))["ok"]


async def test_connections_of_the_process_are_limited(strict_server: ServerProcess, person: Person) -> None:
    """Sixty who say nothing take all places, for as long as the hello time-out; then there is room again."""
    async with contextlib.AsyncExitStack() as stack:
        silent = [await stack.enter_async_context(ByteSocket(strict_server.url)) for _ in range(60)]
        async with ByteSocket(strict_server.url, headers=person.bearer) as further:
            assert (further.status, await further.closed()) == (101, 1013)
        assert [await client.closed(3.0) for client in silent] == [4008] * 60
    async with RawSocket(strict_server.url, key=person.key) as again:
        assert (await again.command("hello"))["ok"]


async def test_h7_chat_messages_of_a_user_are_limited_on_every_way(strict_server: ServerProcess) -> None:
    talker = await asyncio.to_thread(new_person, strict_server, "talker")
    workspace = talker.call("POST", "/workspaces", {"name": "talk"}).body["id"]
    sessions = [talker.call("POST", "/sessions", {"workspace_id": workspace}).body["id"] for _ in range(4)]
    async with RawSocket(strict_server.url, key=talker.key) as client:
        acks = [await client.command("chat_message", session_id=session, content="vacation?") for session in sessions]
        assert [ack["ok"] for ack in acks] == [True] * 3 + [False]
        error = acks[3]["error"]
        assert (error["code"], error["retryable"]) == ("rate_limited", True)
        assert 0 < error["retry_after_ms"] <= 20_001
    frame = {"type": "chat_message", "id": "by http", "session_id": sessions[3], "content": "vacation?"}
    by_http = ask(strict_server, "POST", "/commands", frame, talker.browser)
    assert (by_http.status, by_http.code) == (429, "rate_limited")
    assert 0 < int(by_http.headers["retry-after"]) <= 21
    async with RawSocket(strict_server.url, key=talker.key, path="/ws/chat") as simple:
        await simple.socket.send_str('{"query":"vacation?"}')
        told = await simple.receive()
        assert told is not None
        assert (told["type"], told["code"]) == ("error", "rate_limited")
    assert talker.call("GET", f"/sessions/{sessions[3]}/messages").body["items"] == []
