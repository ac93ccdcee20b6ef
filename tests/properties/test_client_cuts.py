"""Whatever is cut, dropped, doubled or forgotten on the way: the client gives the whole text exactly once, and asks once."""

from __future__ import annotations

import asyncio
import random

from hypothesis import given, settings
from hypothesis import strategies as st

from antiphon.client import AntiphonClient
from antiphon.core.ids import IdFactory
from antiphon.core.runtime import LoopScheduler, Runtime, SystemClock
from antiphon.protocol.events import AnswerChunk, AnswerReplace, Complete
from antiphon.testing.fake_server import FakeServer, Fault


class _Random:
    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)

    def token(self, size_bytes: int, /) -> bytes:
        return self._random.randbytes(size_bytes)

    def uniform(self, low: float, high: float, /) -> float:
        return self._random.uniform(low, high)


class _Instant(LoopScheduler):
    """Lets others go first a few times, chosen by chance, instead of waiting."""

    def __init__(self, seed: int) -> None:
        super().__init__()
        self._random = random.Random(seed)

    async def sleep(self, seconds: float, /) -> None:
        for _ in range(self._random.randrange(1, 6)):
            await asyncio.sleep(0)


def _runtime(seed: int) -> Runtime:
    clock, source = SystemClock(), _Random(seed)
    return Runtime(clock=clock, random=source, ids=IdFactory(clock, source), scheduler=_Instant(seed))


faults = st.builds(
    Fault,
    frames=st.none() | st.integers(0, 14),
    commands=st.none() | st.integers(1, 4),
    do_last=st.booleans(),
    code=st.sampled_from([None, 1001, 1012, 4500, 4501, 4503]),
    drop=st.frozensets(st.integers(4, 12), max_size=2),
    duplicate=st.frozensets(st.integers(1, 12), max_size=3),
    new_epoch=st.booleans(),
)


async def _ping_forever(server: FakeServer) -> None:
    """What the heartbeat does for a client that lost the last frame."""
    while True:
        for peer in list(server.peers):
            peer.send({"type": "ping", "heads": {topic: server.head(topic) for topic in sorted(peer.topics)}})
        for _ in range(20):
            await asyncio.sleep(0)


async def _schedule(pieces: list[str], plan: list[Fault], keep: int, seed: int, session_id: str | None) -> None:
    runtime = _runtime(seed)
    server = FakeServer(answers=lambda _: pieces, faults=plan, runtime=runtime, keep=keep)
    pinging = asyncio.create_task(_ping_forever(server))
    client = AntiphonClient("memory://", dial=server.dial, runtime=runtime)
    try:
        async with asyncio.timeout(20), client:
            stream = client.ask("go", session_id=session_id)
            events = [event async for event in stream]
    finally:
        pinging.cancel()
        await server.close()
    chunks = [event for event in events if isinstance(event, AnswerChunk)]
    assert "".join(chunk.content for chunk in chunks) == "".join(pieces) == stream.text
    assert not any(isinstance(event, AnswerReplace) for event in events)
    assert [type(event) for event in events].count(Complete) == 1
    assert isinstance(events[-1], Complete)
    assert stream.verified in {True, None}
    assert server.runs_started == 1
    offset = 0
    for chunk in chunks:
        assert chunk.offset == offset
        offset += len(chunk.content)


@settings(max_examples=150, deadline=None)
@given(
    pieces=st.lists(st.text(alphabet="ab 你好🙂", min_size=1, max_size=4), max_size=12),
    plan=st.lists(faults, max_size=6),
    keep=st.sampled_from([2, 5, 1000]),
    seed=st.integers(0, 1000),
    session_id=st.sampled_from([None, "ses_9"]),
)
def test_any_schedule_of_faults_gives_the_whole_text_once(pieces, plan, keep, seed, session_id):
    asyncio.run(_schedule(pieces, plan, keep, seed, session_id))
