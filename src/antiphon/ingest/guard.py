"""What holds a worker process: limits set by itself (Linux and macOS), and the reading of its memory by its parent.

Used by the nursery and its forks. `active_guards` is for `doctor`. Tests: tests/integration/test_ingest_guards.py.
"""

from __future__ import annotations

import ctypes
import math
import os
import resource
import signal
import subprocess
import sys
from pathlib import Path
from typing import Final

NICENESS: Final = 10
MOST_OPEN_FILES: Final = 64
LARGEST_WRITTEN_FILE_BYTES: Final = 0
"""A parser writes no files: its answer goes over a socket, which this limit does not touch."""

_PR_SET_PDEATHSIG: Final = 1
_LINUX: Final = sys.platform == "linux"
_PROC: Final = Path("/proc")


def confine(*, memory_bytes: int, cpu_s: float, parent: int) -> None:
    """Called first thing in a fork. Ends the process when its parent died before the death signal was set."""
    os.setsid()
    if _LINUX:
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        if os.getppid() != parent:
            os._exit(1)
    os.nice(NICENESS)
    _limit(resource.RLIMIT_CORE, 0)
    _limit(resource.RLIMIT_FSIZE, LARGEST_WRITTEN_FILE_BYTES)
    _limit(resource.RLIMIT_NOFILE, MOST_OPEN_FILES)
    _limit(resource.RLIMIT_CPU, max(1, math.ceil(cpu_s)))
    if _LINUX:  # macOS accepts the limit and ignores it; the parent watches there
        _limit(resource.RLIMIT_AS, memory_bytes)


def _limit(kind: int, amount: int) -> None:
    _, hard = resource.getrlimit(kind)
    if hard != resource.RLIM_INFINITY:
        amount = min(amount, hard)
    resource.setrlimit(kind, (amount, amount))


def resident_bytes(pid: int) -> int:
    """Memory of the process now; 0 when it is gone or can't be read."""
    if _LINUX:
        try:
            return int((_PROC / str(pid) / "statm").read_text().split()[1]) * resource.getpagesize()
        except (OSError, ValueError, IndexError):
            return 0
    found = subprocess.run(  # noqa: S603 - fixed program, a number as argument
        ["/bin/ps", "-o", "rss=", "-p", str(pid)], capture_output=True, check=False, text=True
    )
    return int(found.stdout.strip() or 0) * 1024


def active_guards() -> dict[str, bool]:
    """What holds parsers on this machine, for `doctor`."""
    return {
        "own_process": True,
        "memory_watched": True,
        "time_watched": True,
        "memory_limit": _LINUX,
        "dies_with_server": _LINUX,
    }
