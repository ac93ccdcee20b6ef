"""`AntiphonClient` against the fake server: ask, stop, watch, history, and an orderly end."""

from __future__ import annotations

import asyncio

import pytest

from antiphon.client import AntiphonClient, ConnectionState
from antiphon.core.errors import NotFound, ShuttingDown, Timeout, Unauthorized, UnknownType
from antiphon.protocol.events import AnswerChunk, Complete, RunStarted, Snapshot, Sources, UserMessage
from antiphon.testing.fake_server import FakeServer, Fault

PIECES = ["Twenty", "-five", " days", "。", "二十五天"]


def connect(server: FakeServer, runtime, **options) -> AntiphonClient:
    return AntiphonClient("memory://", dial=server.dial, runtime=runtime, **options)


async def test_ask_gives_typed_events_in_order_and_the_whole_text(runtime):
    server = FakeServer(answers=lambda _: PIECES, runtime=runtime)
    async with connect(server, runtime) as client:
        await client.subscribe("session:ses_9")
        stream = client.ask("How many?", session_id="ses_9")
        events = [event async for event in stream]
    kinds = [type(event) for event in events]
    assert kinds == [UserMessage, RunStarted, Sources, *[AnswerChunk] * len(PIECES), Complete]
    assert "".join(e.content for e in events if isinstance(e, AnswerChunk)) == "".join(PIECES) == stream.text
    assert (stream.status, stream.verified) == ("completed", True)
    await server.close()


async def test_a_new_session_is_caught_up_by_snapshot_without_loss(runtime):
    server = FakeServer(answers=lambda _: PIECES, runtime=runtime)
    async with connect(server, runtime) as client:
        stream = client.ask("How many?")
        text = "".join([event.content async for event in stream if isinstance(event, AnswerChunk)])
    assert text == "".join(PIECES)
    assert stream.session_id == "ses_1"
    await server.close()


async def test_two_asks_at_once_in_one_session_share_the_subscription(runtime):
    server = FakeServer(answers=lambda question: [question, "!"], runtime=runtime)
    async with connect(server, runtime) as client:
        streams = [client.ask(question, session_id="ses_9") for question in ("a", "b")]

        async def text(stream):
            return "".join([event.content async for event in stream if isinstance(event, AnswerChunk)])

        assert await asyncio.gather(*map(text, streams)) == ["a!", "b!"]
    assert [c["type"] for c in server.commands].count("subscribe") == 1
    await server.close()


async def test_stop_ends_the_stream_with_stopped(runtime):
    server = FakeServer(answers=lambda _: ["x"] * 10_000, runtime=runtime)
    async with connect(server, runtime) as client:
        async with client.ask("long", session_id="ses_9") as stream:
            async for event in stream:
                if isinstance(event, AnswerChunk) and len(stream.text) == 5:
                    await stream.stop()
        assert stream.status == "stopped"
        assert len(stream.text) < 10_000
    await server.close()


async def test_history_and_unknown_commands(runtime):
    server = FakeServer(runtime=runtime)
    async with connect(server, runtime) as client:
        async for _ in client.ask("hi", session_id="ses_9"):
            pass
        page = await client.history("session:ses_9", limit=1)
        assert [m["content"] for m in page["messages"]] == ["You asked: hi"]
        with pytest.raises(UnknownType):
            await client.command("dance")
    await server.close()


async def test_subscribing_to_what_one_may_not_see_raises(runtime):
    server = FakeServer(runtime=runtime)
    async with connect(server, runtime) as client:
        with pytest.raises(NotFound):
            await client.subscribe("session:missing")
    await server.close()


async def test_a_subscription_starts_with_a_snapshot_and_ends_with_the_client(runtime):
    server = FakeServer(runtime=runtime)
    async with connect(server, runtime) as client:
        subscription = await client.subscribe("session:ses_9")
        assert isinstance(await anext(subscription), Snapshot)
    assert [event async for event in subscription] == []
    await server.close()


async def test_the_last_reader_unsubscribes(runtime):
    server = FakeServer(runtime=runtime)
    async with connect(server, runtime) as client:
        first, second = await client.subscribe("session:ses_9"), await client.subscribe("session:ses_9")
        first.close()
        await asyncio.sleep(0)
        assert not any(c["type"] == "unsubscribe" for c in server.commands)
        second.close()
        await asyncio.sleep(0)
        assert server.commands[-1]["type"] == "unsubscribe"
    await server.close()


async def test_terminal_close_codes_are_not_retried(runtime):
    server = FakeServer(runtime=runtime, faults=[Fault(frames=0, code=4001)])
    with pytest.raises(Unauthorized):
        async with connect(server, runtime):
            pass
    assert server.connections == 1


async def test_a_server_that_never_answers_is_a_timeout_with_its_reason(runtime):
    server = FakeServer(runtime=runtime)
    server.refuse = ConnectionRefusedError("nobody home")
    with pytest.raises(Timeout, match="nobody home"):
        async with connect(server, runtime, connect_timeout_s=0.05):
            pass


async def test_states_are_told_and_nothing_is_left_running(runtime):
    before = asyncio.all_tasks()
    states: list[ConnectionState] = []
    server = FakeServer(runtime=runtime, faults=[Fault(commands=1, code=4503)])
    async with connect(server, runtime, on_state=lambda state, _: states.append(state)) as client:
        async for _ in client.ask("hi", session_id="ses_9"):
            pass
    assert states == [
        ConnectionState.CONNECTED, ConnectionState.CONNECTING, ConnectionState.CONNECTED, ConnectionState.CLOSED,
    ]  # fmt: skip
    await server.close()
    await asyncio.sleep(0)
    assert asyncio.all_tasks() == before
    with pytest.raises(ShuttingDown):
        await client.command("history", topic="session:ses_9")
