"""What 50 streaming conversations notice while 1,500 texts are ingested: ack, added token latency, event-loop lag.

    python bench/ingest_beside.py PASSAGES.jsonl [--conversations 50] [--rounds 3]

A real server process and the fake model server of ../shared/bench (skips with a printed reason when absent). First the
conversations alone, then again while every passage is uploaded as a file of its own through the API; both beside the floor
(the same driver straight against the model). The loop's lag is the product's own metric, read before and after. Targets: ack
p99 < 100 ms, added token p99 < 50 ms, lag < 100 ms.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import re
import sys
import tempfile
import time
import urllib.request
import uuid
from pathlib import Path

import aiohttp
from live import (
    KEY,
    SHARED,
    Process,
    Wire,
    connect,
    floor_client,
    free_port,
    handshake,
    http,
    masked,
    product_client,
    start_product,
)

AT_ONCE = 50
"""Files of one request, as `antiphon ingest` sends them."""
PACE_S = 0.5


class Acks:
    """A further connection that asks something small all the time and notes how long the answer takes."""

    def __init__(self, wire: Wire, session_id: str) -> None:
        self._wire = wire
        self._session_id = session_id
        self.took_ms: list[float] = []

    async def run(self) -> None:
        while True:
            self._wire.other.clear()
            command = str(uuid.uuid4())
            frame = {"type": "chat_message", "id": command, "session_id": self._session_id, "content": "hi"}
            began = time.perf_counter()
            self._wire.transport.write(masked(json.dumps(frame)))
            while command.encode() not in b"".join(self._wire.other):
                await asyncio.sleep(0.001)
            self.took_ms.append((time.perf_counter() - began) * 1000)
            run = re.search(rb'"run_id":"([^"]+)"', b"".join(self._wire.other))
            await asyncio.sleep(PACE_S / 2)
            if run is not None:
                stop = {"type": "stop", "id": str(uuid.uuid4()), "run_id": run[1].decode()}
                self._wire.transport.write(masked(json.dumps(stop)))
            await asyncio.sleep(PACE_S / 2)


class Lag:
    """The product's histogram of how late its event loop runs, between two readings."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._before = self._read()

    def worst(self) -> tuple[str, float]:
        """(the bound that no measurement passed, the bound that 99 % did not pass), in seconds as the metric names them."""
        now = self._read()
        counts = {bound: count - self._before.get(bound, 0.0) for bound, count in now.items()}
        total = counts.get("+Inf", 0.0)
        bounds = sorted((bound for bound in counts if bound != "+Inf"), key=float)
        most = next((bound for bound in bounds if counts[bound] >= total), "+Inf")
        nearly = next((bound for bound in bounds if counts[bound] >= 0.99 * total), "+Inf")
        return most, float(nearly)

    def _read(self) -> dict[str, float]:
        request = urllib.request.Request(f"{self._url}/metrics", headers={"Authorization": f"Bearer {KEY}"})
        with urllib.request.urlopen(request, timeout=10) as response:
            text = response.read().decode()
        found = re.findall(r'antiphon_event_loop_lag_seconds_bucket\{[^}]*le="([^"]+)"[^}]*\} (\S+)', text)
        return {bound: float(count) for bound, count in found}


async def ingest(url: str, workspace_id: str, passages: Path) -> dict[str, object]:
    """Uploads every passage as a file and waits until all are ready; what it took."""
    texts = [json.loads(line) for line in passages.read_text(encoding="utf-8").splitlines()]
    began = time.monotonic()
    async with aiohttp.ClientSession(headers={"Authorization": f"Bearer {KEY}"}) as session:
        for first in range(0, len(texts), AT_ONCE):
            form = aiohttp.FormData()
            for text in texts[first : first + AT_ONCE]:
                form.add_field("file", text["text"].encode(), filename=f"{text['doc_id']}.txt", content_type="text/plain")
            async with session.post(f"{url}/api/v1/workspaces/{workspace_id}/documents", data=form) as answer:
                answer.raise_for_status()
        sent_s = time.monotonic() - began
        while await open_documents(session, url, workspace_id):
            await asyncio.sleep(0.5)
    return {"texts": len(texts), "sent_s": round(sent_s, 1), "ready_s": round(time.monotonic() - began, 1)}


async def open_documents(session: aiohttp.ClientSession, url: str, workspace_id: str) -> bool:
    for state in ("queued", "parsing", "indexing"):
        async with session.get(f"{url}/api/v1/workspaces/{workspace_id}/documents?state={state}&limit=1") as answer:
            if (await answer.json())["documents"]:
                return True
    return False


async def stream(given: argparse.Namespace, port: int, workspace: str, procs, fake, acks: Acks, lag: Lag) -> dict[str, object]:
    """A level of streaming conversations, with the acks of a further one and the lag meanwhile."""
    from benchlib import level, pct, wait_idle

    url = f"http://127.0.0.1:{port}"
    sessions = [http("POST", f"{url}/api/v1/sessions", {"workspace_id": workspace})["id"] for _ in range(given.conversations)]
    asking = asyncio.create_task(acks.run())
    try:
        row = await level(
            lambda i: product_client(port, workspace, sessions[i]),
            given.conversations,
            procs,
            fake,
            rounds=given.rounds,
            timeout=90,
        )
    finally:
        asking.cancel()
    took, acks.took_ms = acks.took_ms, []
    most, nearly = lag.worst()
    await asyncio.to_thread(wait_idle, procs, fake)
    return {**row, "acks": len(took), "ack_p50": pct(took, 50), "ack_p99": pct(took, 99), "lag_most_s": most, "lag_p99_s": nearly}


async def measure(given: argparse.Namespace) -> dict[str, object]:
    from benchlib import Fake, Procs, level

    folder = Path(tempfile.mkdtemp(prefix="antiphon-bench-"))
    fake_port, port = free_port(), free_port()
    model = Process([sys.executable, str(SHARED / "fake_openai.py"), "--port", str(fake_port)], env={}, log=folder / "fake.log")
    try:
        model.wait_for(f"http://127.0.0.1:{fake_port}/health")
        product = start_product(folder, port, fake_port)
        try:
            product.wait_for(f"http://127.0.0.1:{port}/healthz")
            url, fake, procs = f"http://127.0.0.1:{port}", Fake(f"http://127.0.0.1:{fake_port}"), Procs(product.child.pid)
            await asyncio.sleep(3)
            chats = http("GET", f"{url}/api/v1/workspaces")["items"][0]["id"]
            library = http("POST", f"{url}/api/v1/workspaces", {"name": "News"})["id"]
            print(f"server process {product.child.pid}, its log {product.log.name}", flush=True)
            floor = await level(
                lambda i: floor_client(fake_port), given.conversations, Procs(fake.state()["pid"]), fake, rounds=given.rounds
            )
            acks = await acks_client(port, chats)
            alone = await stream(given, port, chats, procs, fake, acks, Lag(url))
            ingesting = asyncio.create_task(ingest(url, library, given.passages))
            beside = await stream(given, port, chats, procs, fake, acks, Lag(url))
            return {"floor": floor, "alone": alone, "beside": {**beside, **await ingesting}}
        finally:
            product.end()
    finally:
        model.end()


async def acks_client(port: int, workspace: str) -> Acks:
    """Its connection is opened as one of the conversations'."""
    session = http("POST", f"http://127.0.0.1:{port}/api/v1/sessions", {"workspace_id": workspace})["id"]
    wire = await connect(port)
    wire.transport.write(handshake(port))
    while b"welcome" not in b"".join(wire.other):
        await asyncio.sleep(0.002)
    return Acks(wire, session)


def show(name: str, row: dict, floor: dict) -> str:
    added = [round(row[f"lat_{which}"] - floor[f"lat_{which}"], 2) for which in ("p50", "p99")]
    more = f"; {row['texts']} texts sent in {row['sent_s']} s, all ready after {row['ready_s']} s" if "texts" in row else ""
    return (
        f"{name}: ack p50/p99 {row['ack_p50']:.1f}/{row['ack_p99']:.1f} ms of {row['acks']} (target p99 < 100), added token p50/p99 "
        f"{added[0]}/{added[1]} ms (target p99 < 50), lag p99 <= {row['lag_p99_s'] * 1000:g} ms, all <= {row['lag_most_s']} s (target < 0.1), "
        f"errors {row['errors']}, short {row['short']}, server CPU {row['server_cpu_s']} s of {row['wall_s']} s, others {row['other_cpu_s']} s{more}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("passages", type=Path)
    parser.add_argument("--conversations", type=int, default=50)
    parser.add_argument("--rounds", type=int, default=3, help="answers of each conversation, 4 s each")
    given = parser.parse_args()
    if not (SHARED / "benchlib.py").exists() or not given.passages.exists():
        print(f"bench/ingest_beside.py: skipped, there is no measuring library at {SHARED}, or no {given.passages}")
        return
    sys.path.insert(0, str(SHARED))
    import uvloop

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        result = runner.run(measure(given))
    print(f"floor: token p50/p99 {result['floor']['lat_p50']}/{result['floor']['lat_p99']} ms")
    for name in ("alone", "beside"):
        print(show(name, result[name], result["floor"]))
    folder = Path(__file__).resolve().parent.parent / "bench-results"
    folder.mkdir(exist_ok=True)
    (folder / "ingest_beside.json").write_text(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
