"""CPU of the server by thread: what a run's start and end cost, and what each further token costs.

    python bench/run_cost.py [conversations, default 100]

Wall-clock times are not looked at, so it may run beside other work (sharing caches moves the figures by a tenth or so).
Each conversation asks `ROUNDS` questions that are answered with one token, then `ROUNDS` with 200: the first gives the cost of
a run, the difference that of a token. Uses the fake model server of ../shared/bench like bench/live.py, and skips without it.
docs/decisions/0005-token-path.md quotes it.
"""

from __future__ import annotations

import asyncio
import os
import sys
import tempfile
from collections import Counter
from pathlib import Path

import live

ROUNDS = 4
LONG = 200


def cpu_by_thread(pid: int) -> Counter[str]:
    """Seconds of CPU by thread name of one process."""
    seconds: Counter[str] = Counter()
    for task in Path(f"/proc/{pid}/task").iterdir():
        try:
            text = (task / "stat").read_text()
            nanoseconds = int((task / "schedstat").read_text().split()[0])
        except OSError:  # it has ended
            continue
        name = text[text.index("(") + 1 : text.rindex(")")]
        seconds["loop" if int(task.name) == pid else name] += nanoseconds / 1e9
    return seconds


async def ask_all(port: int, workspace_id: str, conversations: int, *, tokens: int) -> None:
    """All conversations side by side, started within 0.7 s per hundred, as bench/live.py starts them."""
    from benchlib import Tracker

    async def one(number: int) -> None:
        session = live.http("POST", f"http://127.0.0.1:{port}/api/v1/sessions", {"workspace_id": workspace_id})["id"]
        ask = await live.product_client(port, workspace_id, session)
        clients.append(ask)

    clients: list = []
    for number in range(conversations):
        await one(number)

    async def converse(number: int, ask) -> None:
        await asyncio.sleep(2.0 * number / 300)
        for round_ in range(ROUNDS):
            await ask(Tracker(), f"{round_} tokens={tokens}")

    pid = product_pid()
    before = cpu_by_thread(pid)
    await asyncio.gather(*(converse(number, ask) for number, ask in enumerate(clients)))
    await asyncio.sleep(0.5)
    used = cpu_by_thread(pid) - before
    results[tokens] = {name: 1e6 * seconds / (conversations * ROUNDS) for name, seconds in used.items()}
    for ask in clients:
        await ask.close()


results: dict[int, dict[str, float]] = {}
_pids: list[int] = []


def product_pid() -> int:
    return _pids[-1]


async def measure(conversations: int) -> None:
    folder = Path(tempfile.mkdtemp(prefix="antiphon-cost-"))
    fake_port, port = live.free_port(), live.free_port()
    fake = live.Process(
        [sys.executable, str(live.SHARED / "fake_openai.py"), "--port", str(fake_port)], env={}, log=folder / "fake.log"
    )
    try:
        fake.wait_for(f"http://127.0.0.1:{fake_port}/health")
        product = live.start_product(folder, port, fake_port)
        try:
            product.wait_for(f"http://127.0.0.1:{port}/healthz")
            _pids.append(product.child.pid)
            await asyncio.sleep(4)
            workspace = live.http("GET", f"http://127.0.0.1:{port}/api/v1/workspaces")["items"][0]["id"]
            await ask_all(port, workspace, 20, tokens=5)  # warm
            await ask_all(port, workspace, conversations, tokens=1)
            await ask_all(port, workspace, conversations, tokens=LONG)
        finally:
            product.end()
    finally:
        fake.end()


def main() -> None:
    if not (live.SHARED / "benchlib.py").exists():
        print(f"bench/run_cost.py: skipped, there is no measuring library at {live.SHARED}")
        return
    sys.path.insert(0, str(live.SHARED))
    import uvloop

    conversations = int(sys.argv[1]) if len(sys.argv) > 1 else 100
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(measure(conversations))
    for name in sorted(results[1], key=lambda name: -results[1][name]):
        token = (results[LONG].get(name, 0.0) - results[1][name]) / (LONG - 1)
        print(f"{name:<18} {results[1][name]:8.0f} us a run {token:8.1f} us a token")
    run, long = sum(results[1].values()), sum(results[LONG].values())
    print(f"{'all threads':<18} {run:8.0f} us a run {(long - run) / (LONG - 1):8.1f} us a token  ({os.getloadavg()[0]:.1f} load)")


if __name__ == "__main__":
    main()
