"""What holds a worker process: limits set by itself (Linux and macOS), and the reading of its memory by its parent.

A worker's soft limits are tight; the hard ones leave room for one program that it may start (tesseract, LibreOffice; see
program.py), which `loosen` raises the soft ones for. Memory is counted for the whole process group, and the group is killed
together, so a program costs its worker's document, never more.
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
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Final

NICENESS: Final = 10
MOST_OPEN_FILES: Final = 64
LARGEST_WRITTEN_FILE_BYTES: Final = 0
"""A parser writes no files: its answer goes over a socket, which this limit does not touch."""
MOST_OPEN_FILES_OF_PROGRAMS: Final = 1024
LARGEST_FILE_OF_PROGRAMS_BYTES: Final = 2**29
PROGRAM_ADDRESS_SPACE_BYTES: Final = 2**33
"""What a program may reserve; what it really takes is counted with its worker's memory."""

_PR_SET_PDEATHSIG: Final = 1
_CLONE_NEWUSER: Final = 0x10000000
_CLONE_NEWNET: Final = 0x40000000
_LINUX: Final = sys.platform == "linux"
_PROC: Final = Path("/proc")


def confine(*, memory_bytes: int, cpu_s: float, parent: int) -> None:
    """Called first thing in a fork. Ends the process when its parent died before the death signal was set."""
    os.setsid()
    _die_with_parent()
    if _LINUX and os.getppid() != parent:
        os._exit(1)
    os.nice(NICENESS)
    _limit(resource.RLIMIT_CORE, 0, 0)
    _limit(resource.RLIMIT_FSIZE, LARGEST_WRITTEN_FILE_BYTES, LARGEST_FILE_OF_PROGRAMS_BYTES)
    _limit(resource.RLIMIT_NOFILE, MOST_OPEN_FILES, MOST_OPEN_FILES_OF_PROGRAMS)
    cpu_limit_s = max(1, math.ceil(cpu_s))
    _limit(resource.RLIMIT_CPU, cpu_limit_s, cpu_limit_s)
    if _LINUX:  # macOS accepts the limit and ignores it; the parent watches there
        _limit(resource.RLIMIT_AS, memory_bytes, max(memory_bytes, PROGRAM_ADDRESS_SPACE_BYTES))


def loosen(cpu_s: float | None = None) -> None:
    """Called in the fork of a worker that becomes a program: it may write files and reserve more than parsers may. `cpu_s`: after so
    much computing it is ended with SIGXCPU."""
    _die_with_parent()
    for kind in (resource.RLIMIT_FSIZE, resource.RLIMIT_NOFILE, *((resource.RLIMIT_AS,) if _LINUX else ())):
        _, hard = resource.getrlimit(kind)
        resource.setrlimit(kind, (hard, hard))
    if cpu_s is not None:
        _, hard = resource.getrlimit(resource.RLIMIT_CPU)
        whole_s = max(1, math.ceil(cpu_s))
        resource.setrlimit(resource.RLIMIT_CPU, (whole_s if hard == resource.RLIM_INFINITY else min(whole_s, hard), hard))


def leave_network() -> bool:
    """Takes this process and all its later children off the network, where the kernel allows it; whether it did."""
    if not _LINUX:
        return False
    unshare = ctypes.CDLL(None).unshare
    return unshare(_CLONE_NEWNET) == 0 or unshare(_CLONE_NEWUSER | _CLONE_NEWNET) == 0


def group_memory(leaders: Collection[int]) -> dict[int, int]:
    """Leader of a process group -> resident bytes of all its members now. Groups that are gone are left out."""
    found: dict[int, int] = {}
    for group, size_bytes in _processes(leaders):
        found[group] = found.get(group, 0) + size_bytes
    return found


def _processes(leaders: Collection[int]) -> Iterator[tuple[int, int]]:
    """(process group, resident bytes) of the members of these groups."""
    if not _LINUX:
        listed = subprocess.run(["/bin/ps", "-axo", "pgid=,rss="], capture_output=True, check=False, text=True)
        for line in listed.stdout.splitlines():
            group, _, size_kib = line.strip().partition(" ")
            if group.isdecimal() and int(group) in leaders:
                yield int(group), int(size_kib or 0) * 1024
        return
    page_bytes = resource.getpagesize()
    for name in os.listdir(_PROC):  # noqa: PTH208 - every 50 ms: names suffice
        if name.isdecimal():
            try:
                group = os.getpgid(int(name))
                if group in leaders:
                    yield group, int((_PROC / name / "statm").read_text().split()[1]) * page_bytes
            except (OSError, ValueError, IndexError):  # it ended meanwhile
                continue


def _die_with_parent() -> None:
    if _LINUX:
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


def _limit(kind: int, soft: int, hard: int) -> None:
    _, present = resource.getrlimit(kind)
    if present != resource.RLIM_INFINITY:
        soft, hard = min(soft, present), min(hard, present)
    resource.setrlimit(kind, (soft, hard))


def active_guards() -> dict[str, bool]:
    """What holds parsers on this machine, for `doctor`."""
    return {
        "own_process": True,
        "memory_watched": True,
        "time_watched": True,
        "memory_limit": _LINUX,
        "dies_with_server": _LINUX,
    }
