"""storage/lock.py"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from antiphon.core.errors import FolderInUse
from antiphon.storage.lock import FolderLock, ServerInfo, running_server

HOLDER = """
import sys, time
from pathlib import Path
from antiphon.storage.lock import FolderLock, ServerInfo
lock = FolderLock.acquire(Path(sys.argv[1]))
lock.announce(ServerInfo(pid=4242, url="http://127.0.0.1:8000", version="1"))
print("held", flush=True)
time.sleep(60)
"""


def test_one_owner_at_a_time(tmp_path: Path) -> None:
    folder = tmp_path / "new" / "data"
    lock = FolderLock.acquire(folder)
    with pytest.raises(FolderInUse, match="not listening yet"):
        FolderLock.acquire(folder)
    lock.announce(ServerInfo(pid=77, url="http://127.0.0.1:1", version="1"))
    with pytest.raises(FolderInUse, match=r"process 77 at http://127\.0\.0\.1:1;"):
        FolderLock.acquire(folder)
    lock.release()
    lock.release()
    with FolderLock.acquire(folder):
        assert not (folder / "server.json").exists()


def test_server_json_is_private(tmp_path: Path) -> None:
    with FolderLock.acquire(tmp_path) as lock:
        info = ServerInfo(pid=1, url="u", version="1", token="t")
        lock.announce(info)
        assert (tmp_path / "server.json").stat().st_mode & 0o777 == 0o600
        assert running_server(tmp_path) == info
    assert running_server(tmp_path) is None
    assert running_server(tmp_path / "nowhere") is None
    assert not (tmp_path / "nowhere").exists()


def test_a_killed_owner_frees_the_folder_and_its_pid_is_not_trusted(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", HOLDER, str(tmp_path)], stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        found = running_server(tmp_path)
        assert found is not None
        assert found.pid == 4242
        with pytest.raises(FolderInUse):
            FolderLock.acquire(tmp_path)
        os.kill(holder.pid, signal.SIGKILL)
    assert (tmp_path / "server.json").exists()
    assert running_server(tmp_path) is None
    FolderLock.acquire(tmp_path).release()


def test_a_broken_server_json_is_as_none(tmp_path: Path) -> None:
    with FolderLock.acquire(tmp_path):
        (tmp_path / "server.json").write_text("{")
        assert running_server(tmp_path) is None
