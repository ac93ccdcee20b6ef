"""Added latency per token and to the first token, CPU and memory: the product beside the floor, in one run.

    python bench/live.py [levels, default 1 10 50 100 200 300]

Uses the fake model server and the measuring library of ../shared/bench (skips with a printed reason when absent). The
driver is raw asyncio on both sides, so that driver and fake model together stay under one core; a level where they do not
is printed but marked as not counting. Writes bench-results/live.json; docs/benchmarks.md quotes it.
"""

from __future__ import annotations

import asyncio
import base64
import gc
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
import uuid
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parent.parent
SHARED = Path(os.environ.get("ANTIPHON_BENCH_SHARED", REPOSITORY.parent / "shared" / "bench"))
KEY = "bench-owner-key-0123456789abcdef0123456789abcdef"
LEVELS = (1, 10, 50, 100, 200, 300)
ROUNDS = 2
TOKENS = 200


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


class Wire(asyncio.Protocol):
    """A client that keeps (time, bytes) and looks for nothing but the end of the answer."""

    def __init__(self) -> None:
        self.tracker = None
        self.ended: asyncio.Future[None] | None = None
        self.end_mark = b""
        self.tail = b""
        self.transport: asyncio.Transport | None = None
        self.other: list[bytes] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def data_received(self, data: bytes) -> None:
        if self.tracker is None:
            self.other.append(data)
            return
        self.tracker.delta(data)
        window = self.tail + data
        if self.end_mark in window:
            self.tail = b""
            if self.ended is not None and not self.ended.done():
                self.ended.set_result(None)
        else:
            self.tail = data[-len(self.end_mark) :]

    def connection_lost(self, exc: Exception | None) -> None:
        if self.ended is not None and not self.ended.done():
            self.ended.set_exception(ConnectionError("connection lost"))

    async def track(self, tracker, mark: bytes, send: bytes) -> None:
        self.tracker, self.end_mark, self.tail = tracker, mark, b""
        self.ended = asyncio.get_running_loop().create_future()
        self.transport.write(send)
        await self.ended
        tracker.done()
        self.tracker = None


def masked(text: str) -> bytes:
    payload = text.encode()
    head = b"\x81" + (bytes((0x80 | len(payload),)) if len(payload) < 126 else b"\xfe" + len(payload).to_bytes(2, "big"))
    return head + b"\0\0\0\0" + payload  # a mask of zeros leaves the payload as it is


async def connect(port: int) -> Wire:
    _, wire = await asyncio.get_running_loop().create_connection(Wire, "127.0.0.1", port)
    return wire


async def floor_client(fake_port: int):
    wire = await connect(fake_port)
    body = json.dumps({"model": "fake-llm", "stream": True, "messages": [{"role": "user", "content": "hi"}]}).encode()
    request = (
        b"POST /v1/chat/completions HTTP/1.1\r\nHost: fake\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
        % len(body)
    ) + body

    async def ask(tracker, _round: int) -> None:
        await wire.track(tracker, b"[DONE]", request)

    async def close() -> None:
        wire.transport.close()

    ask.__dict__["close"] = close
    return ask


def handshake(port: int) -> bytes:
    nonce = base64.b64encode(os.urandom(16)).decode()
    return (
        f"GET /ws/v1 HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: {nonce}\r\n"
        f"Sec-WebSocket-Version: 13\r\nAuthorization: Bearer {KEY}\r\n\r\n"
    ).encode()


async def product_client(port: int, workspace_id: str, session_id: str):
    wire = await connect(port)
    wire.transport.write(handshake(port))
    while b"welcome" not in b"".join(wire.other):
        await asyncio.sleep(0.002)
    wire.transport.write(masked(json.dumps({"type": "subscribe", "id": "s", "topic": f"session:{session_id}"})))
    while b'"type":"snapshot"' not in b"".join(wire.other):
        await asyncio.sleep(0.002)
    wire.other.clear()

    async def ask(tracker, number: int) -> None:
        frame = {
            "type": "chat_message",
            "id": str(uuid.uuid4()),
            "session_id": session_id,
            "content": f"question {number}: hi there",
        }
        await wire.track(tracker, b'"type":"complete"', masked(json.dumps(frame)))

    async def close() -> None:
        wire.transport.close()

    ask.__dict__["close"] = close
    return ask


def http(method: str, url: str, body: object | None = None):
    request = urllib.request.Request(
        url, None if body is None else json.dumps(body).encode(), {"Authorization": f"Bearer {KEY}", "Content-Type": "application/json"},
        method=method,
    )  # fmt: skip
    with urllib.request.urlopen(request, timeout=20) as response:
        return json.loads(response.read())


class Process:
    """A child with its output in a file; ended at the end."""

    def __init__(self, command: list[str], *, env: dict[str, str], log: Path) -> None:
        self.log = log.open("ab")
        self.child = subprocess.Popen(
            command, env={**os.environ, **env}, stdout=self.log, stderr=self.log, start_new_session=True
        )

    def wait_for(self, url: str, limit_s: float = 60.0) -> float:
        began = time.monotonic()
        while time.monotonic() - began < limit_s:
            if self.child.poll() is not None:
                raise SystemExit(f"a server ended with {self.child.returncode}; see {self.log.name}")
            try:
                with urllib.request.urlopen(url, timeout=2) as response:
                    if response.status == 200:
                        return time.monotonic() - began
            except OSError:
                time.sleep(0.005)
        raise SystemExit(f"{url} did not answer")

    def end(self) -> None:
        self.child.terminate()
        self.child.wait(15)
        self.log.close()


def start_product(folder: Path, port: int, fake_port: int) -> Process:
    env = {
        "ANTIPHON_PORT": str(port), "ANTIPHON_DATA_DIR": str(folder / "data"), "ANTIPHON_OWNER_KEY": KEY,
        "ANTIPHON_CHAT_BASE_URL": f"http://127.0.0.1:{fake_port}/v1", "ANTIPHON_CHAT_MODEL": "fake-llm", "ANTIPHON_CHAT_TITLES": "false",
        "ANTIPHON_LIMITS_MESSAGES_PER_MINUTE": "0", "ANTIPHON_LIMITS_CONNECTIONS_PER_USER": "0", "ANTIPHON_LOG_LEVEL": "warning",
    }  # fmt: skip
    program = [str(Path(sys.executable).parent / "antiphon"), "serve"]
    return Process(program, env=env, log=folder / "product.log")


async def measure(levels: list[int]) -> dict[str, object]:
    from benchlib import Fake, Procs, level, wait_idle

    folder = Path(tempfile.mkdtemp(prefix="antiphon-bench-"))
    fake_port, port = free_port(), free_port()
    fake_process = Process(
        [sys.executable, str(SHARED / "fake_openai.py"), "--port", str(fake_port)], env={}, log=folder / "fake.log"
    )
    rows: list[dict[str, object]] = []
    result: dict[str, object] = {"levels": rows}
    try:
        fake_process.wait_for(f"http://127.0.0.1:{fake_port}/health")
        first = start_product(folder, port, fake_port)
        result["first_start_s"] = round(first.wait_for(f"http://127.0.0.1:{port}/healthz"), 2)
        first.end()
        product = start_product(folder, port, fake_port)
        try:
            result["second_start_s"] = round(product.wait_for(f"http://127.0.0.1:{port}/healthz"), 2)
            await asyncio.sleep(5)
            procs = Procs(product.child.pid)
            result["rss_mb_5s"] = round(procs.rss_mb(), 1)
            result["processes"] = procs.count()
            workspace = http("GET", f"http://127.0.0.1:{port}/api/v1/workspaces")["items"][0]["id"]
            fake = Fake(f"http://127.0.0.1:{fake_port}")
            for n in levels:
                sessions = [
                    http("POST", f"http://127.0.0.1:{port}/api/v1/sessions", {"workspace_id": workspace})["id"] for _ in range(n)
                ]
                floor = await level(
                    lambda i: floor_client(fake_port), n, Procs(fake.state()["pid"]), fake, rounds=ROUNDS, expect=TOKENS
                )
                wait_idle(procs, fake)
                row = await level(
                    lambda i, s=sessions: product_client(port, workspace, s[i]),
                    n,
                    procs,
                    fake,
                    rounds=ROUNDS,
                    expect=TOKENS,
                    timeout=60,
                )
                wait_idle(procs, fake)
                rows.append(compare(n, floor, row))
                print(line(rows[-1]), flush=True)
                gc.collect()
        finally:
            product.end()
    finally:
        fake_process.end()
    return result


def compare(n: int, floor: dict, row: dict) -> dict[str, object]:
    harness = (row["driver_cpu_s"] + row["fake_cpu_s"]) / row["wall_s"]
    return {
        "n": n, "added_p50_ms": round(row["lat_p50"] - floor["lat_p50"], 2), "added_p99_ms": round(row["lat_p99"] - floor["lat_p99"], 2),
        "lat_p50_ms": row["lat_p50"], "lat_p99_ms": row["lat_p99"], "lat_max_ms": row["lat_max"], "floor_p50_ms": floor["lat_p50"],
        "floor_p99_ms": floor["lat_p99"], "first_p50_ms": row["ttft_p50"], "first_p99_ms": row["ttft_p99"],
        "floor_first_p50_ms": floor["ttft_p50"], "first_added_p50_ms": round(row["ttft_p50"] - floor["ttft_p50"], 2),
        "cpu_us_token": row["cpu_ms_per_1k_tok"], "rss_mb": row["rss_mb"], "tok_s": row["tok_s"], "tok_per_event": row["tok_per_event"],
        "harness_cores": round(harness, 2), "counts": harness < 1.0, "errors": row["errors"], "error": row["error"], "short": row["short"],
        "server_cores": round(row["server_cpu_s"] / row["wall_s"], 2), "other_cpu_s": row["other_cpu_s"],
    }  # fmt: skip


def line(r: dict[str, object]) -> str:
    return (
        f"{r['n']:>4} conversations: token p50/p99 {r['lat_p50_ms']}/{r['lat_p99_ms']} ms (floor {r['floor_p50_ms']}/{r['floor_p99_ms']}), "
        f"first text p50 {r['first_p50_ms']} ms (floor {r['floor_first_p50_ms']}), CPU {r['cpu_us_token']} us/token, RSS {r['rss_mb']} MB, "
        f"tokens/event {r['tok_per_event']}, server {r['server_cores']} cores, harness {r['harness_cores']} cores, errors {r['errors']}, short {r['short']}"
        + ("" if r["counts"] else "  [does not count: the harness needed a core or more]")
    )


def main() -> None:
    if not (SHARED / "benchlib.py").exists():
        print(f"bench/live.py: skipped, there is no measuring library at {SHARED}")
        return
    sys.path.insert(0, str(SHARED))
    import uvloop

    levels = [int(text) for text in sys.argv[1:]] or list(LEVELS)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        result = runner.run(measure(levels))
    print(
        f"second start {result['second_start_s']} s, RSS 5 s after start {result['rss_mb_5s']} MB in {result['processes']} processes"
    )
    folder = REPOSITORY / "bench-results"
    folder.mkdir(exist_ok=True)
    (folder / "live.json").write_text(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
