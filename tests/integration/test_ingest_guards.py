"""What holds worker processes: memory, time, crashes, and that none outlives a killed server."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path

import psutil
import pytest

from antiphon.config.settings import Ingest, Settings
from antiphon.core.errors import BadRequest, ShuttingDown, Timeout, TooLarge, Unsupported
from antiphon.core.runtime import system_runtime
from antiphon.ingest.chunker import ChunkRules
from antiphon.ingest.document import ParsedDocument, ParsedPage
from antiphon.ingest.parsers import BUILT_IN_PARSERS, ParserSpec
from antiphon.ingest.worker import ParserPool

HOSTILE = """
import ctypes, os, socket, subprocess, sys, time

def open_hostile(path, password):
    order = path.read_text()
    if order == "eat":
        kept = []
        while True:
            kept.append(bytearray(b"x" * (4 << 20)))
    if order == "map":  # as where RLIMIT_AS is ignored (macOS): root may lift it, for others it stays
        import mmap, resource
        try:
            resource.setrlimit(resource.RLIMIT_AS, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        except ValueError:
            pass
        kept = []
        while True:
            area = mmap.mmap(-1, 1 << 20)
            area.write(b"x" * (1 << 20))
            kept.append(area)
            time.sleep(0.002)
    if order == "hang":
        while True:
            time.sleep(1)
    if order == "spin":
        while True:
            pass
    if order == "crash":
        ctypes.string_at(0)
    if order == "leave":
        os._exit(0)
    if order == "raise":
        raise RuntimeError("a stranger's trace")
    if order == "write":
        open("/tmp/antiphon-should-not-be", "w").write("x" * 100)
    if order == "lie":
        for descriptor in range(3, 40):
            try:
                socket.socket(fileno=os.dup(descriptor)).sendall(bytes([255, 255, 255, 255]))
            except OSError:
                pass
        time.sleep(5)
    if order == "child":
        subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
        while True:
            time.sleep(1)
    raise AssertionError(order)
"""
SPECS = (*BUILT_IN_PARSERS, ParserSpec(media_types=["text/plain"], target="hostile_parser:open_hostile", label="hostile"))
LINUX = pytest.mark.skipif(sys.platform != "linux", reason="the death signal and the memory limit are Linux's")


@pytest.fixture
async def pool(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[ParserPool]:
    (tmp_path / "hostile_parser.py").write_text(HOSTILE)
    monkeypatch.syspath_prepend(str(tmp_path))
    settings = Settings(data_dir=tmp_path, ingest=Ingest(timeout_s=1.5, memory_bytes=200 * 2**20))
    pool = ParserPool(settings, system_runtime(), SPECS)
    pool.start()
    yield pool
    await pool.close()


async def attempt(pool: ParserPool, tmp_path: Path, order: str) -> None:
    path = tmp_path / f"{order}.txt"
    path.write_text(order)
    await pool.parse(path, path.name)


def descendants(pid: int) -> list[psutil.Process]:
    try:
        return psutil.Process(pid).children(recursive=True)
    except psutil.NoSuchProcess:
        return []


def gone(processes: list[psutil.Process], within_s: float = 3.0) -> bool:
    _, alive = psutil.wait_procs(processes, timeout=within_s)
    return not [process for process in alive if process.status() != psutil.STATUS_ZOMBIE]


@pytest.mark.parametrize(
    ("order", "error", "words"),
    [
        ("eat", TooLarge, "memory"),
        ("map", TooLarge, "memory"),
        ("hang", Timeout, "longer than 1.5 s"),
        ("spin", Timeout, "longer than 1.5 s"),
        ("crash", BadRequest, "crash"),
        ("leave", BadRequest, "crash"),
        ("raise", BadRequest, "could not be read"),
        ("lie", TooLarge, "more text than can be kept"),
    ],
)
async def test_a_hostile_parser_costs_its_document_an_error(
    pool: ParserPool, tmp_path: Path, order: str, error: type[Exception], words: str
) -> None:
    start = time.perf_counter()
    with pytest.raises(error, match=words) as caught:
        await attempt(pool, tmp_path, order)
    assert "stranger" not in str(caught.value)
    assert time.perf_counter() - start < 5
    # the pool is as good as before
    path = tmp_path / "fine.md"
    path.write_text("# Fine\n\nAll is well.")
    assert (await pool.parse(path, "fine.md")).title == "Fine"
    assert pool.nursery_pid is not None
    assert gone(descendants(pool.nursery_pid))


@LINUX
async def test_a_worker_writes_no_files(pool: ParserPool, tmp_path: Path) -> None:
    with pytest.raises(BadRequest):
        await attempt(pool, tmp_path, "write")
    left = Path("/tmp/antiphon-should-not-be")
    assert not left.exists() or not left.stat().st_size
    left.unlink(missing_ok=True)


async def test_cancelling_kills_the_worker_and_what_it_started(pool: ParserPool, tmp_path: Path) -> None:
    task = asyncio.create_task(attempt(pool, tmp_path, "child"))
    assert pool.nursery_pid is not None
    while len(found := descendants(pool.nursery_pid)) < 2:
        await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await asyncio.to_thread(gone, found, 0.8)  # well before the time limit would have done it


async def test_a_reader_of_chunks_that_stops_early_kills_the_worker(pool: ParserPool) -> None:
    text = "A sentence of some length stands here. " * 50_000
    document = ParsedDocument(media_type="text/plain", title="", paged=False, pages=[ParsedPage(number=1, text=text)])
    assert pool.nursery_pid is not None
    async with pool.chunks(document, ChunkRules(characters=900), title="t") as batches:
        async for batch in batches:
            assert batch
            break
    assert await asyncio.to_thread(gone, descendants(pool.nursery_pid))


async def test_a_killed_nursery_takes_its_workers_along_and_is_replaced(pool: ParserPool, tmp_path: Path) -> None:
    task = asyncio.create_task(attempt(pool, tmp_path, "hang"))
    first = pool.nursery_pid
    assert first is not None
    while not (found := descendants(first)):
        await asyncio.sleep(0.01)
    os.kill(first, signal.SIGKILL)
    with pytest.raises(BadRequest):
        await task
    if sys.platform == "linux":
        assert await asyncio.to_thread(gone, found)
    path = tmp_path / "fine.md"
    path.write_text("# Fine")
    assert (await pool.parse(path, "fine.md")).title == "Fine"
    assert pool.nursery_pid not in {None, first}


async def test_a_closed_pool_refuses(pool: ParserPool, tmp_path: Path) -> None:
    await pool.close()
    with pytest.raises(ShuttingDown):
        await attempt(pool, tmp_path, "hang")


async def test_the_servers_environment_does_not_reach_the_workers(
    pool: ParserPool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ANTIPHON_OWNER_KEY", "a" * 40)
    await pool.close()
    fresh = ParserPool(Settings(data_dir=tmp_path), system_runtime())
    fresh.start()
    assert fresh.nursery_pid is not None
    while "PYTHONPATH" not in (environment := psutil.Process(fresh.nursery_pid).environ()):
        await asyncio.sleep(0.01)
    assert not [name for name in environment if name.startswith("ANTIPHON")]
    await fresh.close()


async def test_content_decides_not_the_name(tmp_path: Path) -> None:
    pool = ParserPool(Settings(data_dir=tmp_path), system_runtime())
    program = tmp_path / "report.txt"
    program.write_bytes(b"MZ\x90\x00\x03" + bytes(200))
    with pytest.raises(Unsupported, match="Supported are PDF, Markdown, plain text"):
        await pool.parse(program, "report.txt")
    await pool.close()


SERVER = """
import asyncio, sys
from pathlib import Path
from antiphon.config.settings import Settings
from antiphon.core.runtime import system_runtime
from antiphon.ingest.parsers import BUILT_IN_PARSERS, ParserSpec
from antiphon.ingest.worker import ParserPool

async def main():
    spec = ParserSpec(media_types=["text/plain"], target="hostile_parser:open_hostile", label="hostile")
    pool = ParserPool(Settings(data_dir=Path(".")), system_runtime(), (*BUILT_IN_PARSERS, spec))
    pool.start()
    await pool.parse(Path(sys.argv[1]), "child.txt")

asyncio.run(main())
"""


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_no_worker_outlives_a_killed_server(tmp_path: Path, how: signal.Signals) -> None:
    (tmp_path / "hostile_parser.py").write_text(HOSTILE)
    (tmp_path / "child.txt").write_text("child")
    server = subprocess.Popen(
        [sys.executable, "-c", SERVER, str(tmp_path / "child.txt")], env={**os.environ, "PYTHONPATH": str(tmp_path)}
    )  # fmt: skip
    try:
        deadline = time.monotonic() + 10
        # nursery, its fork, and what the fork started
        while len(found := descendants(server.pid)) < 3:
            assert time.monotonic() < deadline
            assert server.poll() is None
            time.sleep(0.02)
        server.send_signal(how)
        server.wait(5)
        assert gone(found)
    finally:
        if server.poll() is None:
            server.kill()
            server.wait()
