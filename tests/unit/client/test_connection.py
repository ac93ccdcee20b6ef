"""Reconnecting: what is sent again, what is resumed, which codes mean what."""

from __future__ import annotations

import asyncio

import pytest

from antiphon.client import AntiphonClient
from antiphon.client.connection import close_error
from antiphon.core.errors import Forbidden, Internal, RateLimited, ShuttingDown, Timeout, TooLarge, Unauthorized
from antiphon.testing.fake_server import FakeServer, Fault


async def _ask(server: FakeServer, runtime, content: str = "hi") -> str:
    async with AntiphonClient("memory://", dial=server.dial, runtime=runtime) as client:
        stream = client.ask(content, session_id="ses_9")
        async for _ in stream:
            pass
        await server.close()
        return stream.text


@pytest.mark.parametrize("do_last", [True, False])
async def test_a_question_whose_ack_was_lost_is_sent_again_under_the_same_id_and_runs_once(runtime, do_last):
    server = FakeServer(runtime=runtime, faults=[Fault(commands=2, do_last=do_last)])
    assert await _ask(server, runtime) == "You asked: hi"
    sent = [c for c in server.commands if c["type"] == "chat_message"]
    assert len({c["id"] for c in sent}) == 1
    assert len(sent) == (2 if do_last else 1)
    assert server.runs_started == 1


async def test_a_lost_frame_is_noticed_and_asked_for_with_the_position(runtime):
    # welcome, ack, subscribed, snapshot, ack, user_message, run_started (lost)
    server = FakeServer(runtime=runtime, faults=[Fault(drop=frozenset({6}))])
    assert await _ask(server, runtime) == "You asked: hi"
    subscribes = [c for c in server.commands if c["type"] == "subscribe"]
    assert [c.get("since") for c in subscribes] == [None, {"epoch": "epoch1", "seq": 1}]
    assert server.connections == 1


async def test_a_lost_last_frame_is_found_through_the_heads_of_a_ping(runtime):
    server = FakeServer(runtime=runtime, faults=[Fault(drop=frozenset({9}))])
    async with AntiphonClient("memory://", dial=server.dial, runtime=runtime) as client:
        stream = client.ask("hi", session_id="ses_9")

        async def read():
            async for _ in stream:
                pass

        reading = asyncio.create_task(read())
        for _ in range(50):
            await asyncio.sleep(0)
        assert not reading.done(), "the complete was dropped, so nothing can tell"
        server.peers[0].send({"type": "ping", "heads": {"session:ses_9": 5}})
        await asyncio.wait_for(reading, 1)
        assert stream.status == "completed"
        assert any(c["type"] == "pong" for c in server.commands)
    await server.close()


async def test_a_new_epoch_replaces_what_was_known(runtime):
    server = FakeServer(answers=lambda _: list("abcdefgh"), runtime=runtime, faults=[Fault(frames=10, new_epoch=True)])
    assert await _ask(server, runtime) == "abcdefgh"


async def test_backing_off_grows_while_the_server_is_away(runtime):
    server = FakeServer(runtime=runtime)
    server.refuse = ConnectionRefusedError("away")
    with pytest.raises(Timeout):
        async with AntiphonClient("memory://", dial=server.dial, runtime=runtime, connect_timeout_s=0.05):
            pass
    slept = runtime.scheduler.slept_s
    assert slept[0] <= 0.25
    assert max(slept[1:]) > 1.0
    assert max(slept) <= 20.0


async def test_draining_is_obeyed(runtime):
    server = FakeServer(runtime=runtime)
    async with AntiphonClient("memory://", dial=server.dial, runtime=runtime) as client:
        server.peers[0].send({"type": "draining", "reconnect_in_ms": 3000})
        server.peers[0].close(4503)
        while client.connection.connects < 2:
            await asyncio.sleep(0)
    assert any(3.0 <= s <= 3.25 for s in runtime.scheduler.slept_s)


async def test_a_rate_limit_with_a_time_is_waited_for_one_without_is_final(runtime):
    server = FakeServer(runtime=runtime)
    async with AntiphonClient("memory://", dial=server.dial, runtime=runtime) as client:
        server.peers[0].send({"type": "error", "code": "rate_limited", "message": "slow", "retry_after_ms": 7000})
        server.peers[0].close(4029)
        while client.connection.connects < 2:
            await asyncio.sleep(0)
        assert any(7.0 <= s <= 7.25 for s in runtime.scheduler.slept_s)
        server.peers[0].close(4029)
        subscription = client.subscribe("session:ses_9")
        with pytest.raises(RateLimited):
            await subscription


async def test_an_ended_subscription_tells_its_readers(runtime):
    server = FakeServer(runtime=runtime)
    async with AntiphonClient("memory://", dial=server.dial, runtime=runtime) as client:
        subscription = await client.subscribe("session:ses_9")
        await anext(subscription)
        server.peers[0].send(
            {"type": "unsubscribed", "topic": "session:ses_9", "code": "forbidden", "reason": "Your role changed."}
        )
        with pytest.raises(Forbidden, match="Your role changed"):
            await anext(subscription)
    await server.close()


async def test_a_frame_that_is_no_json_ends_the_connection_with_a_sentence(runtime):
    server = FakeServer(runtime=runtime)
    async with AntiphonClient("memory://", dial=server.dial, runtime=runtime) as client:
        server.peers[0].out.put_nowait("{nonsense")
        with pytest.raises(Exception, match="not valid JSON"):
            await client.subscribe("session:ses_9")


@pytest.mark.parametrize(
    ("code", "kind"),
    [(4001, Unauthorized), (4003, Forbidden), (1009, TooLarge), (1000, ShuttingDown), (4029, RateLimited), (4077, ShuttingDown)],
)
def test_close_codes_have_their_error(code, kind):
    error = close_error(code, "because")
    assert type(error) is kind
    assert "because" in error.message


async def test_a_defect_in_the_connection_reaches_those_who_wait(runtime):
    server = FakeServer(runtime=runtime)
    server.refuse = RuntimeError("a bug")
    with pytest.raises(Internal, match="a bug"):
        async with AntiphonClient("memory://", dial=server.dial, runtime=runtime):
            pass
