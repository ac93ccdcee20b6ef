"""A reader that stops while megabytes are written: memory is bounded, nobody else waits, its text is exact (row H5)."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import re
import statistics
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Self

import msgspec
import psutil
import pytest

from antiphon.protocol.reducer import Outcome, TopicState
from antiphon.testing.byte_socket import CLOSE, PING, PONG, TEXT, ByteSocket, client_frame
from antiphon.testing.raw_socket import Frame, RawSocket
from antiphon.testing.server_process import OWNER_KEY, FakeModelServer, ServerProcess

BEARER = {"Authorization": f"Bearer {OWNER_KEY}"}
KEPT_OUTPUTS_MIB = 16
"""What outputs of nodes may take for being used again (`runs.cache_bytes`); long histories fill it."""
STAMP = re.compile(r"t=(\d+)/")


@pytest.fixture(scope="module")
def fast(tmp_path_factory: pytest.TempPathFactory, fake_model: FakeModelServer) -> Iterator[ServerProcess]:
    process = ServerProcess(
        tmp_path_factory.mktemp("fast") / "data", chat_base_url=fake_model.base_url, chat_model="fake-llm",
        limits_messages_per_minute=0, limits_connections_per_user=0, limits_slow_reader_s=3,
        runs_history_messages=0,
    )  # fmt: skip
    yield process
    assert process.terminate() == 0, process.output
    assert "Traceback" not in process.output, process.output


@pytest.fixture
def session(fast: ServerProcess) -> str:
    workspace = fast.call("POST", "/workspaces", {"name": "Fast"})["id"]
    return fast.call("POST", "/sessions", {"workspace_id": workspace})["id"]


class Reader(ByteSocket):
    """Reads only when told, and keeps a topic's state as the reducer sees it."""

    def __init__(self, url: str, topic: str) -> None:
        super().__init__(url, headers=BEARER, receive_buffer_bytes=4096)
        self.topic, self.state = topic, TopicState(topic)
        self.frames: list[Frame] = []
        self.outcomes: list[Outcome] = []

    async def subscribe(self, since: dict[str, Any] | None = None) -> Frame:
        fields = {"type": "subscribe", "id": "s", "topic": self.topic, **({"since": since} if since else {})}
        self.push(client_frame(TEXT, msgspec.json.encode(fields)))
        return await self.until(lambda f: f["type"] == "subscribed")

    async def read(self) -> Frame | None:
        while (frame := await self.receive()) is not None:
            if frame.opcode == CLOSE:
                self.close_code = frame.code
                return None
            if frame.opcode == PING:
                self.push(client_frame(PONG, frame.payload))
                continue
            told: Frame = msgspec.json.decode(frame.payload)
            self.frames.append(told)
            if told.get("topic") == self.topic:
                self.outcomes.append(self.state.apply(told))
            return told
        self.close_code = None
        return None

    async def until(self, done: Any) -> Frame:
        while True:
            frame = await self.read()
            assert frame is not None, f"closed with {self.close_code}"
            if done(frame):
                return frame

    def count(self, kind: str) -> int:
        return sum(frame["type"] == kind for frame in self.frames)


class Memory:
    """The highest resident memory of the server while the block runs, in MiB above that at its beginning."""

    def __init__(self, server: ServerProcess) -> None:
        self._process = psutil.Process(server.process.pid)

    def _now(self) -> float:
        return self._process.memory_info().rss / 2**20

    async def __aenter__(self) -> Self:
        self.before = self.highest = self._now()
        self._task = asyncio.create_task(self._watch())
        return self

    async def __aexit__(self, *_: object) -> None:
        self._task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._task

    async def _watch(self) -> None:
        while True:
            self.highest = max(self.highest, self._now())
            await asyncio.sleep(0.02)

    @property
    def growth(self) -> float:
        return self.highest - self.before


def pace(fake_model: FakeModelServer, mode: str) -> None:
    """`fast`: as fast as the socket takes it; `paced`: 50 tokens a second."""
    body = msgspec.json.encode({"mode": mode})
    urllib.request.urlopen(urllib.request.Request(f"{fake_model.root}/control/config", body, method="POST"), timeout=5).close()


async def ask(client: RawSocket, session: str, content: str) -> Frame:
    ack = await client.command("chat_message", session_id=session, content=content)
    assert ack["ok"], ack
    return await client.completed(f"session:{session}", ack["result"]["run_id"])


def sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


async def added_ms(client: RawSocket, session: str) -> list[float]:
    """Of a paced answer: from the writing of a token in the model server to its frame here."""
    lags: list[float] = []
    ack = await client.command("chat_message", session_id=session, content="paced tokens=50")
    while (frame := await client.receive()) is not None:
        now = time.monotonic_ns()
        if frame["type"] == "answer_chunk":
            lags += [(now - int(stamp)) / 1e6 for stamp in STAMP.findall(frame["content"])]
        if frame["type"] == "complete" and frame["run_id"] == ack["result"]["run_id"]:
            return lags
    raise AssertionError(f"closed with {client.close_code}")


async def test_h5_readers_that_stop(fast: ServerProcess, session: str, fake_model: FakeModelServer) -> None:
    topic = f"session:{session}"
    async with RawSocket(fast.url, key=OWNER_KEY) as victim, Reader(fast.url, topic) as pausing, Reader(fast.url, topic) as deaf:
        await victim.subscribe(topic)
        pace(fake_model, "fast")
        for _ in range(3):
            await ask(victim, session, "warm up tokens=40000")
        await pausing.subscribe()
        await deaf.subscribe()
        began = time.monotonic()
        produced = 0
        async with Memory(fast) as memory:
            for number in range(8):
                complete = await ask(victim, session, f"round {number} tokens=40000")
                text = victim.states[topic].text(complete["message_id"])
                assert sha256(text) == complete["text_sha256"]
                produced += len(text)
            pace(fake_model, "paced")
            took = time.monotonic() - began
            lags = await added_ms(victim, session)
        assert Outcome.GAP not in victim.outcomes
        p50, p95 = statistics.median(lags), statistics.quantiles(lags, n=20)[-1]
        print(f"{produced / 1e6:.1f} MB of text in {took:.1f} s, server {memory.growth:+.1f} MiB above {memory.before:.0f}")
        print(f"tokens of the other reader while two do not read: p50 {p50:.1f} ms, p95 {p95:.1f} ms")
        assert memory.growth < 40 + KEPT_OUTPUTS_MIB
        assert p50 < 15
        assert p95 < 200

        # who reads again gets merged frames or one snapshot, and its text is exact
        complete = victim.frames[-1]
        while (pausing.state.position or {"seq": 0})["seq"] < complete["seq"]:
            assert await pausing.read() is not None
        print(
            f"who read again got {len(pausing.frames)} frames, {pausing.count('snapshot')} snapshots; the other {len(victim.frames)}"
        )
        assert Outcome.GAP not in pausing.outcomes
        assert pausing.count("snapshot") == 2, "the first, and one after the pause"
        assert sha256(pausing.state.text(complete["message_id"])) == complete["text_sha256"]

        # who never reads is cut, and resumes
        await asyncio.to_thread(until_connections, fast, 2)
        print(f"cut after {time.monotonic() - began:.1f} s")
        while await deaf.read() is not None:
            pass
        assert deaf.close_code == 4501
    async with Reader(fast.url, topic) as again:
        again.state = deaf.state
        subscribed = await again.subscribe(deaf.state.position)
        while again.state.position["seq"] < complete["seq"]:
            assert await again.read() is not None
        print(f"who never read resumes by {subscribed['mode']}")
        assert Outcome.GAP not in again.outcomes
        assert sha256(again.state.text(complete["message_id"])) == complete["text_sha256"]


async def test_a_short_pause_is_made_up_by_merged_frames(fast: ServerProcess, session: str, fake_model: FakeModelServer) -> None:
    """What is missed fits into a replay: adjacent deltas come as one frame, with `prev_seq`, and no snapshot."""
    topic = f"session:{session}"
    async with RawSocket(fast.url, key=OWNER_KEY) as victim, Reader(fast.url, topic) as pausing:
        await victim.subscribe(topic)
        await pausing.subscribe()
        pace(fake_model, "fast")
        queued = [0]
        while len(queued) < 4 or len(set(queued[-3:])) > 1:  # until the kernel takes no more, and our own buffer is full too
            assert len(queued) < 200
            await ask(victim, session, "tokens=2500")
            queued.append(await asyncio.to_thread(kernel_queue, fast, pausing))
        pace(fake_model, "paced")
        complete = await ask(victim, session, "the last words tokens=30")
        while (pausing.state.position or {"seq": 0})["seq"] < complete["seq"]:
            assert await pausing.read() is not None
    merged = sum("prev_seq" in frame for frame in pausing.frames)
    print(
        f"{len(queued)} answers, {queued[-1]} bytes in the kernel; {merged} merged frames, {pausing.count('snapshot')} snapshots"
    )
    assert Outcome.GAP not in pausing.outcomes
    assert pausing.count("snapshot") == 1
    assert merged
    assert sha256(pausing.state.text(complete["message_id"])) == complete["text_sha256"]


def kernel_queue(server: ServerProcess, reader: Reader) -> int:
    """Bytes that wait in the kernel on the server's side of the connection."""
    port = reader.writer.get_extra_info("sockname")[1]
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        fields = line.split()
        if int(fields[1].partition(":")[2], 16) == server.port and int(fields[2].partition(":")[2], 16) == port:
            return int(fields[4].partition(":")[0], 16)
    raise AssertionError("no such connection")


async def test_a_page_of_history_is_no_larger_than_a_frame(
    fast: ServerProcess, session: str, fake_model: FakeModelServer
) -> None:
    """Ten long answers in one `ack` would be a megabyte: the page is shorter, and the older ones come with the next."""
    topic = f"session:{session}"
    async with RawSocket(fast.url, key=OWNER_KEY) as client:
        await client.subscribe(topic)
        pace(fake_model, "fast")
        for number in range(5):
            await ask(client, session, f"long {number} tokens=4000")
        pace(fake_model, "paced")
        found: list[Frame] = []
        pages, more = 0, True
        while more:
            before = {"before": found[0]["id"]} if found else {}
            page = (await client.command("history", topic=topic, limit=300, **before))["result"]
            assert len(client.raw[-1]) <= 262_144
            found, more, pages = page["messages"] + found, page["has_more"], pages + 1
    stored = fast.call("GET", f"/sessions/{session}/messages")["items"]
    assert [m["id"] for m in found] == [m["id"] for m in stored]
    assert 2 <= pages <= 5


@pytest.mark.parametrize("shape", ["text", "json"])
async def test_the_simple_profile_makes_up_for_a_pause(
    fast: ServerProcess, session: str, fake_model: FakeModelServer, shape: str
) -> None:
    """Bare text can't show a snapshot: the rest of the text comes all the same, exactly once."""
    async with (
        RawSocket(fast.url, key=OWNER_KEY) as asking,
        ByteSocket(fast.url, f"/ws/chat?session_id={session}&format={shape}", headers=BEARER, receive_buffer_bytes=4096) as slow,
    ):
        await asking.subscribe(f"session:{session}")
        pace(fake_model, "fast")
        ends = [await ask(asking, session, f"long {number} tokens=90000") for number in range(4)]
        pace(fake_model, "paced")
        state = asking.states[f"session:{session}"]
        wanted = {end["message_id"]: state.text(end["message_id"]) for end in ends}  # more than the kernel keeps
        texts, seen, completes = dict.fromkeys(wanted, ""), "", []
        while len(completes) < len(ends) and len(seen) < sum(map(len, wanted.values())):
            frame = await slow.receive()
            assert frame is not None
            assert frame.opcode == TEXT
            if shape == "text":
                seen += frame.payload.decode()
                continue
            told = msgspec.json.decode(frame.payload)
            assert told["type"] in {"status", "sources", "answer_chunk", "complete"}
            if told["type"] == "answer_chunk":
                assert told["offset"] == len(texts[told["message_id"]])
                texts[told["message_id"]] += told["content"]
            elif told["type"] == "complete":
                completes.append((told["message_id"], told["status"], told["text_length"], told["text_sha256"]))
    if shape == "text":
        assert sha256(seen) == sha256("".join(wanted.values()))
    else:
        assert texts == wanted
        assert completes == [(end["message_id"], end["status"], end["text_length"], end["text_sha256"]) for end in ends]


def until_connections(server: ServerProcess, wanted: int) -> None:
    """Waits until the server holds no more than `wanted` sockets."""
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        with urllib.request.urlopen(f"{server.url}/metrics", timeout=5) as answer:
            told = re.search(rb"^antiphon_connections (\S+)$", answer.read(), re.MULTILINE)
        assert told is not None
        if float(told[1]) <= wanted:
            return
        time.sleep(0.1)
    raise AssertionError("nobody was cut")
