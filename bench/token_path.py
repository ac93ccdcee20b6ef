"""CPU of the token path without sockets: bytes of the model's stream -> log -> subscriptions -> frames ready to be written.

    python bench/token_path.py

One thread, `time.thread_time`, the best of many rounds: it gives the same figure to a few hundredths beside other work, where
bench/live.py gives none. Prints (1) microseconds a token of one stream, (2) how long the middle one of 100 streams that tick in
the same turn waits from the turn's first byte to its frame. docs/decisions/0005-token-path.md quotes it.
"""

from __future__ import annotations

import asyncio
import gc
import tempfile
import time
from functools import partial
from pathlib import Path

from antiphon.core.runtime import Runtime, system_runtime
from antiphon.core.tick import TickQueue
from antiphon.models.chat import ChatDelta, TextDelta
from antiphon.models.openai_compatible import _StreamedAnswer
from antiphon.runs.live import LiveRun
from antiphon.runs.pacing import LoadGauge
from antiphon.runs.stream import PushTextStream
from antiphon.server.metrics import Metrics
from antiphon.storage.event_log.contract import Position, text_frame
from antiphon.storage.event_log.sqlite import SqliteEventLog
from antiphon.storage.records.rows import RunRow
from antiphon.storage.sqlite.database import Database
from antiphon.transports.connection import Connection
from antiphon.transports.subscription import ReplayLimits, Subscription

TOKENS = 400
STREAMS = 100
ROUNDS = 60


class Queue:
    """Stands for the loop: what is due soon is run by `turn`; timers never come."""

    def __init__(self) -> None:
        self.due: list = []

    def call_soon(self, callback):
        self.due.append(callback)
        return self

    def call_later(self, _delay_s, _callback):
        return self

    def cancel(self) -> None: ...

    def turn(self) -> None:
        while self.due:
            self.due.pop(0)()


class Sink:
    """As `WireSink`, without a socket; notes when it is written to."""

    paused = False
    pending_bytes = 0

    def __init__(self, written: list[int]) -> None:
        self._written = written

    def of_entry(self, entry) -> bytes:
        return entry.wire

    def of_frame(self, frame: bytes) -> bytes:
        return text_frame(frame)

    def write(self, pieces: list[bytes]) -> None:
        if len(pieces) > 1:
            b"".join(pieces)
        self._written.append(time.thread_time_ns())

    def on_resume(self, callback) -> None: ...


class Streams:
    """`count` runs, each with a model's stream going in and one connection that follows its session."""

    def __init__(self, database: Database, count: int) -> None:
        system = system_runtime()
        self.queue = Queue()
        self.written: list[int] = []
        runtime = Runtime(clock=system.clock, random=system.random, ids=system.ids, scheduler=self.queue)  # type: ignore[arg-type]
        self._log = SqliteEventLog(
            database, runtime=runtime, epoch="log_bench", unclean=False, batch_s=0.05, ring_entries=8192, ring_bytes=2**20, replay_s=600
        )  # fmt: skip
        self._ticks, self._gauge = TickQueue(runtime.scheduler), LoadGauge(runtime)
        self._gauge.window_s = 0.0
        self._observe = Metrics().added_token.observe
        self.feeds = [self._stream(runtime) for _ in range(count)]

    def _stream(self, runtime: Runtime) -> _StreamedAnswer:
        new = runtime.ids.new
        row = RunRow(
            id=new("run"), session_id=new("ses"), workspace_id=new("ws"), author_id=new("usr"), kind="chat", model="m",
            message_id=new("msg"), user_message_id=new("msg"), state="running", owner="bench", created_at=0.0,
        )  # fmt: skip
        run = LiveRun(row, log=self._log, runtime=runtime, ticks=self._ticks, gauge=self._gauge, on_added=self._observe)
        connection = Connection("con", kind="realtime", sink=Sink(self.written), runtime=runtime, ticks=self._ticks)
        topic = f"session:{row.session_id}"
        followed = Subscription(
            topic, log=self._log, outlet=connection, limits=ReplayLimits(frames=300, bytes=2**18), snapshot=None
        )  # type: ignore[arg-type]
        with_nothing_to_wait_for(followed.start_live(position=Position("log_bench", 0)))
        run.node_started("answer", "Answer")
        stream = PushTextStream()
        stream.listen(partial(run.node_chunk, "answer", "answer"))
        stream.listen(run.answer)

        def on_delta(delta: ChatDelta) -> None:
            if type(delta) is TextDelta:
                stream.write(delta.text)

        answer = _StreamedAnswer(on_delta, "server", "model", None)
        answer.on_head(200, {"content-type": "text/event-stream"}, None)  # type: ignore[arg-type]
        answer.on_body(b": begins\n\n")
        return answer


def with_nothing_to_wait_for(work) -> None:
    try:
        work.send(None)
    except StopIteration:
        return
    raise RuntimeError("It waits for something.")


def event(number: int) -> bytes:
    return (
        b'data: {"id":"chatcmpl-1","object":"chat.completion.chunk","created":1,"model":"m",'
        b'"choices":[{"index":0,"delta":{"content":"t=%d/%d "},"finish_reason":null}]}\n\n' % (time.monotonic_ns(), number)
    )


def one_stream(database: Database) -> float:
    """Microseconds a token, each in a turn of its own."""
    streams = Streams(database, 1)
    pieces = [event(n) for n in range(TOKENS)]
    began = time.thread_time_ns()
    for piece in pieces:
        streams.feeds[0].on_body(piece)
        streams.queue.turn()
    return (time.thread_time_ns() - began) / TOKENS / 1e3


def in_one_turn(streams: Streams, number: int) -> float:
    """Milliseconds from the first byte of the turn to the frame of the middle stream."""
    piece = event(number)
    streams.written.clear()
    began = time.thread_time_ns()
    for feed in streams.feeds:
        feed.on_body(piece)
    streams.queue.turn()
    return (sorted(streams.written)[STREAMS // 2] - began) / 1e6


async def measure() -> None:
    database = Database.open(Path(tempfile.mkdtemp(prefix="antiphon-path-")) / "antiphon.db", runtime=system_runtime())
    gc.disable()
    single = sorted(one_stream(database) for _ in range(ROUNDS))
    print(f"one stream: {single[0]:.1f} us a token at best, {single[ROUNDS // 2]:.1f} in the middle of {ROUNDS} rounds")
    together = Streams(database, STREAMS)
    waits = sorted(in_one_turn(together, n) for n in range(ROUNDS * 2))
    print(f"{STREAMS} in one turn: the middle one is ready after {waits[0]:.2f} ms at best, {waits[ROUNDS]:.2f} in the middle")
    await database.close()


if __name__ == "__main__":
    asyncio.run(measure())
