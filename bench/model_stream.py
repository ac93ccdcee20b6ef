"""CPU per token of reading a model's stream: httptools path, aiohttp path, and the callback against an async generator.

    python bench/model_stream.py [--fake PATH] [--streams 64] [--tokens 300] [--rate 50] [--runs 3]

The fake model runs in a process of its own; every measured run is a process of its own, too. CPU is user + system time of the
reading process between the first request and the last token. Quoted in docs/decisions/0004-model-stream.md.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import os
import socket
import statistics
import subprocess
import sys
import time
from pathlib import Path

import msgspec
import uvloop

from antiphon.core.runtime import system_runtime
from antiphon.models.aiohttp_transport import AiohttpTransport
from antiphon.models.chat import ChatDelta, ChatMessage, ChatRequest, TextDelta
from antiphon.models.httptools_transport import HttptoolsTransport
from antiphon.models.openai_compatible import OpenAICompatibleChat
from antiphon.models.transport import parse_server_address

PATHS = ("httptools", "httptools+generator", "aiohttp", "aiohttp+generator", "sockets only")
FAKE = Path(__file__).resolve().parents[2] / "shared" / "bench" / "fake_openai.py"


def cpu_s() -> float:
    spent = os.times()
    return spent.user + spent.system


async def by_callback(chat: OpenAICompatibleChat, request: ChatRequest, late_ms: list[float]) -> int:
    count = 0

    def listen(delta: ChatDelta) -> None:
        nonlocal count
        if isinstance(delta, TextDelta):
            count += 1
            late_ms.append((time.monotonic_ns() - int(delta.text[2:].partition("/")[0])) / 1e6)

    await chat.stream(request, listen)
    return count


async def by_generator(chat: OpenAICompatibleChat, request: ChatRequest, late_ms: list[float]) -> int:
    """The same adapter behind the usual shape: a queue and an async generator that the consumer pulls from."""

    async def pieces():
        queue: asyncio.Queue[ChatDelta | None] = asyncio.Queue()

        async def produce() -> None:
            try:
                await chat.stream(request, queue.put_nowait)
            finally:
                queue.put_nowait(None)

        task = asyncio.ensure_future(produce())
        while (delta := await queue.get()) is not None:
            yield delta
        await task

    count = 0
    async for delta in pieces():
        if isinstance(delta, TextDelta):
            count += 1
            late_ms.append((time.monotonic_ns() - int(delta.text[2:].partition("/")[0])) / 1e6)
    return count


class _Counting(asyncio.Protocol):
    """The floor: nothing but the socket's reads, counting tokens by their marks."""

    def __init__(self, body: bytes, host: str) -> None:
        self._head = f"POST /v1/chat/completions HTTP/1.1\r\nHost: {host}\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body
        self.count = 0
        self.ended = asyncio.get_running_loop().create_future()

    def connection_made(self, transport) -> None:
        self.transport = transport
        transport.write(self._head)

    def data_received(self, data: bytes) -> None:
        self.count += data.count(b'"content":"t=')
        if b"[DONE]" in data:
            self.transport.abort()
            self.ended.set_result(None)


async def bare(base_url: str, body: bytes) -> int:
    address = parse_server_address(base_url)
    _, protocol = await asyncio.get_running_loop().create_connection(
        lambda: _Counting(body, address.host_header), address.host, address.port
    )
    await protocol.ended
    return protocol.count


async def measure(path: str, base_url: str, streams: int, tokens: int) -> dict[str, float]:
    runtime = system_runtime()
    transport = HttptoolsTransport(runtime) if path.startswith("httptools") else AiohttpTransport(runtime)
    chat = OpenAICompatibleChat(parse_server_address(base_url), transport, runtime)
    late_ms: list[float] = []

    def request(count: int) -> ChatRequest:
        return ChatRequest(model="fake-llm", messages=[ChatMessage(role="user", content=f"tokens={count}")])

    consume = by_generator if path.endswith("generator") else by_callback

    async def one(count: int, delay_s: float) -> int:
        await asyncio.sleep(delay_s)
        if path == "sockets only":
            body = {"model": "fake-llm", "stream": True, "messages": [{"role": "user", "content": f"tokens={count}"}]}
            return await bare(base_url, msgspec.json.encode(body))
        return await consume(chat, request(count), late_ms)

    await asyncio.gather(*(one(5, 0.0) for _ in range(streams)))
    late_ms.clear()
    gc.collect()
    gc.freeze()
    begun_s, begun_cpu_s = time.monotonic(), cpu_s()
    counts = await asyncio.gather(*(one(tokens, 0.5 * n / streams) for n in range(streams)))
    spent_s, wall_s = cpu_s() - begun_cpu_s, time.monotonic() - begun_s
    await chat.close()
    if counts != [tokens] * streams:
        raise SystemExit(f"{path}: wrong number of tokens, {sum(counts)} of {streams * tokens}")
    late_ms.sort()
    late = {"late_p50_ms": late_ms[len(late_ms) // 2], "late_p99_ms": late_ms[int(len(late_ms) * 0.99)]} if late_ms else {}
    return {"cpu_us_per_token": spent_s / (streams * tokens) * 1e6, "tokens_per_s": streams * tokens / wall_s, **late}


def run_child(path: str, base_url: str, args: argparse.Namespace) -> dict[str, float]:
    sizes = ["--streams", str(args.streams), "--tokens", str(args.tokens)]
    child = [sys.executable, __file__, "--child", path, "--base-url", base_url, *sizes]
    return json.loads(subprocess.run(child, check=True, capture_output=True, timeout=120).stdout)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--fake", type=Path, default=FAKE)
    parser.add_argument("--streams", type=int, default=64)
    parser.add_argument("--tokens", type=int, default=300)
    parser.add_argument("--rate", type=float, default=50.0)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--child")
    parser.add_argument("--base-url")
    args = parser.parse_args()
    if args.child:
        print(json.dumps(uvloop.run(measure(args.child, args.base_url, args.streams, args.tokens))))
        return
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    options = ["--port", str(port), "--rate", str(args.rate)]
    fake = subprocess.Popen([sys.executable, str(args.fake), *options], stdout=subprocess.PIPE)
    try:
        fake.stdout.readline()
        print(f"{args.streams} streams x {args.tokens} tokens at {args.rate:g} tokens/s, medians of {args.runs} runs")
        rows: dict[str, list[dict[str, float]]] = {path: [] for path in PATHS}
        for _ in range(args.runs):
            for path in PATHS:  # interleaved, so that a busy moment of the machine hits all of them
                rows[path].append(run_child(path, f"http://127.0.0.1:{port}/v1", args))
        print(f"{'path':<22}{'CPU us/token':>14}{'all runs':>24}{'late p50 ms':>13}{'p99 ms':>9}")
        for path, runs in rows.items():
            cpu = [run["cpu_us_per_token"] for run in runs]
            late = [statistics.median(run.get(name, float("nan")) for run in runs) for name in ("late_p50_ms", "late_p99_ms")]
            every = " ".join(f"{value:.1f}" for value in cpu)
            print(f"{path:<22}{statistics.median(cpu):>14.1f}{every:>24}{late[0]:>13.2f}{late[1]:>9.2f}")
    finally:
        fake.terminate()
        fake.wait(10)


if __name__ == "__main__":
    main()
