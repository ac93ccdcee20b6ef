"""Heartbeats and idle sockets on a server with short times: who is alive, who is cut with 4502, who is closed for silence."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Iterator

import pytest

from antiphon.testing.byte_socket import TEXT, ByteSocket, client_frame
from antiphon.testing.raw_socket import RawSocket
from antiphon.testing.server_process import OWNER_KEY, FakeModelServer, ServerProcess


@pytest.fixture(scope="module")
def quick(tmp_path_factory: pytest.TempPathFactory, fake_model: FakeModelServer) -> Iterator[ServerProcess]:
    """A ping after 1 s, 1 s for the pong, idle after 4 s. The server looks once a second."""
    process = ServerProcess(
        tmp_path_factory.mktemp("quick") / "data", chat_base_url=fake_model.base_url, chat_model="fake-slow",
        heartbeat_interval_s=1, heartbeat_pong_timeout_s=1, limits_idle_s=4,
    )  # fmt: skip
    yield process
    assert process.terminate() == 0, process.output


async def lifetime(client: RawSocket, answer: str | None, limit_s: float) -> tuple[int | None, float, int]:
    """(close code or None while it still lives, seconds, pings). `answer`: what it sends at each ping."""
    began, pings = time.monotonic(), 0
    with contextlib.suppress(TimeoutError):
        while (frame := await client.receive(max(0.01, began + limit_s - time.monotonic()))) is not None:
            if frame["type"] == "ping":
                pings += 1
                if answer is not None:
                    await client.send(answer, **({"topic": "user:x"} if answer == "unsubscribe" else {}))
        return client.close_code, time.monotonic() - began, pings
    return None, time.monotonic() - began, pings


async def test_heartbeats_and_idle_sockets(quick: ServerProcess) -> None:
    """All at once, because they only wait."""
    workspace = quick.call("POST", "/workspaces", {"name": "Beat"})["id"]
    session = quick.call("POST", "/sessions", {"workspace_id": workspace})["id"]
    async with contextlib.AsyncExitStack() as stack:
        open_socket = lambda **more: stack.enter_async_context(RawSocket(quick.url, key=OWNER_KEY, **more))  # noqa: E731
        mute, ponging, busy, watching, simple, simple_watching = [
            await open_socket(**more) for more in ({}, {}, {}, {}, {"path": "/ws/chat"}, {"path": f"/ws/chat?format=json&session_id={session}"})
        ]  # fmt: skip
        await watching.subscribe(f"session:{session}")
        await watching.command("chat_message", session_id=session, content="long? tokens=140")
        results = await asyncio.gather(
            lifetime(mute, None, 7.5), lifetime(ponging, "pong", 7.5), lifetime(busy, "unsubscribe", 7.5),
            lifetime(watching, "pong", 6.5), lifetime(simple, None, 7.5), lifetime(simple_watching, None, 6.5),
        )  # fmt: skip
    code, seconds, pings = results[0]
    assert (code, pings) == (4502, 1)
    assert 1.5 < seconds < 4.5
    code, seconds, pings = results[1]
    assert (code, pings >= 3) == (1000, True), "answering pings keeps the socket alive, but is no activity"
    assert 3.5 < seconds < 7
    code, _, pings = results[2]
    assert (code, pings >= 4) == (None, True), "any frame counts as a pong"
    assert results[3][0] is None, "an active run keeps its readers"
    assert results[4][0] == 1000, "the simple profile has no pings, but idles out"
    assert results[4][2] == 0
    assert results[5][0] is None
    heads = next(frame["heads"] for frame in watching.frames if frame["type"] == "ping")
    assert set(heads) == {f"session:{session}"}
    assert isinstance(heads[f"session:{session}"], int)
    assert heads[f"session:{session}"] > 0


async def test_a_frame_that_comes_in_drops_is_no_activity(quick: ServerProcess) -> None:
    """A byte now and then is not a frame: the socket is cut like one that says nothing."""
    async with ByteSocket(quick.url, headers={"Authorization": f"Bearer {OWNER_KEY}"}) as client:
        closing = asyncio.create_task(client.closed(8))
        for byte in client_frame(TEXT, b'{"type":"pong"}' + b" " * 100)[:40]:
            if closing.done():
                break
            client.push(bytes([byte]))
            await asyncio.sleep(0.15)
        assert await closing == 4502
