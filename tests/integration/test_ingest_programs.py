"""Programs that workers start (tesseract, LibreOffice stand-ins): inside the worker's memory, time and folder."""

from __future__ import annotations

import errno
import socket
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path

import psutil
import pytest

from antiphon.config.settings import Ingest, Settings
from antiphon.core.errors import Timeout, TooLarge
from antiphon.core.runtime import system_runtime
from antiphon.ingest.parsers import BUILT_IN_PARSERS, ParserSpec
from antiphon.ingest.worker import ParserPool

OPENER = """
import os, sys, tempfile
from pathlib import Path
from antiphon.ingest.plain_text import TextDocument
from antiphon.ingest.program import run_program

def open_with_program(path, password):
    order = path.read_text()
    folder = Path(tempfile.mkdtemp())
    code = {
        "convert": "import sys; sys.stdout.write(sys.stdin.read().upper()); open('out.txt', 'w').write('y' * 5000)",
        "eat": "kept = []\\nwhile True: kept.append(bytearray(b'x' * (4 << 20)))",
        "hang": "import time; time.sleep(60)",
        "fork": "import subprocess, sys, time; subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)']); time.sleep(60)",
        "environment": "import os; print(sorted(os.environ))",
        "network": "import socket, sys; print(socket.socket().connect_ex(('127.0.0.1', int(sys.argv[1]))))",
    }[order]
    port = path.with_name("port").read_text() if order == "network" else "0"
    done = run_program([sys.executable, "-c", code, port], timeout_s=1.0 if order == "hang" else 30.0, given=b"abc")
    written = Path(tempfile.gettempdir()) / "out.txt"
    size = written.stat().st_size if written.exists() else -1
    return TextDocument(f"{done.output.decode()} {done.status} {size} {tempfile.gettempdir()}", "", [])
"""
LINUX = pytest.mark.skipif(sys.platform != "linux", reason="leaving the network is Linux's")


@pytest.fixture
async def pool(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[ParserPool]:
    (tmp_path / "program_opener.py").write_text(OPENER)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setenv("ANTIPHON_OWNER_KEY", "a" * 40)
    spec = ParserSpec(media_types=["text/plain"], target="program_opener:open_with_program", label="programs")
    settings = Settings(data_dir=tmp_path, ingest=Ingest(timeout_s=4, memory_bytes=220 * 2**20))
    pool = ParserPool(settings, system_runtime(), (*BUILT_IN_PARSERS, spec))
    pool.start()
    yield pool
    await pool.close()


async def said(pool: ParserPool, tmp_path: Path, order: str) -> str:
    path = tmp_path / f"{order}.txt"
    path.write_text(order)
    return (await pool.parse(path, path.name)).pages[0].text


def alive(pool: ParserPool) -> list[psutil.Process]:
    return psutil.Process(pool.nursery_pid).children(recursive=True)


async def test_a_program_may_write_into_its_folder_which_is_gone_afterwards(pool: ParserPool, tmp_path: Path) -> None:
    output, status, size, folder = (await said(pool, tmp_path, "convert")).split()
    assert (output, status, size) == ("ABC", "0", "5000")
    deadline = time.monotonic() + 3
    while Path(folder).exists():
        assert time.monotonic() < deadline
        time.sleep(0.01)
    parent = Path(folder).parent
    assert parent.exists()
    await pool.close()
    assert not parent.exists()


async def test_a_programs_memory_is_its_workers(pool: ParserPool, tmp_path: Path) -> None:
    with pytest.raises(TooLarge, match="memory"):
        await said(pool, tmp_path, "eat")
    assert not alive(pool)


async def test_a_program_that_hangs_is_ended(pool: ParserPool, tmp_path: Path) -> None:
    began = time.perf_counter()
    with pytest.raises(Timeout, match="longer than 1 s"):
        await said(pool, tmp_path, "hang")
    assert time.perf_counter() - began < 3


async def test_what_a_program_starts_dies_with_its_worker(pool: ParserPool, tmp_path: Path) -> None:
    with pytest.raises(Timeout):
        await said(pool, tmp_path, "fork")
    deadline = time.monotonic() + 3
    while [process for process in alive(pool) if process.status() != psutil.STATUS_ZOMBIE]:
        assert time.monotonic() < deadline
        time.sleep(0.01)


async def test_nothing_of_the_servers_environment_reaches_a_program(pool: ParserPool, tmp_path: Path) -> None:
    assert "ANTIPHON" not in await said(pool, tmp_path, "environment")


@LINUX
async def test_c4_workers_and_programs_have_no_network_where_the_kernel_allows(pool: ParserPool, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        (tmp_path / "port").write_text(str(server.getsockname()[1]))
        status = (await said(pool, tmp_path, "network")).split()[0]
    if status == "0":
        pytest.skip("this machine does not let processes leave the network (no user namespaces, or a container without rights)")
    assert int(status) in {errno.ENETUNREACH, errno.EADDRNOTAVAIL}
