"""The process that forks worker processes: small, single-threaded, with the parsers already loaded.

Started once by `ParserPool` (`python -m antiphon.ingest.nursery FD SPECS`), it forks one child for each document and hands
it the socket that came with the order: a fork takes milliseconds where a fresh interpreter takes 700. It watches memory
and time of its children, kills their process groups, and reports how each one ended. When the server is gone, however it
died, the order socket ends: the nursery kills every child and leaves. When the nursery itself is killed, Linux kills the
children (PDEATHSIG). Each child has a folder for the files of programs that it starts (`tempfile` gives it), which is removed
with the child. `multiprocessing`'s forkserver was not taken: it loads the server's main module in every child, adds
a resource tracker process and can't watch (docs/decisions). Tests: tests/integration/test_ingest_guards.py.
"""

from __future__ import annotations

import contextlib
import gc
import os
import selectors
import shutil
import signal
import socket
import struct
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from types import FrameType
from typing import Final, Literal

import msgspec
from msgspec import Struct

from antiphon.core.runtime import SystemClock
from antiphon.ingest import guard
from antiphon.ingest.parsers import ParserSpec, load_parser
from antiphon.ingest.task import serve
from antiphon.storage.lexical.tokens import warm_up

ORDER: Final = struct.Struct(">cQQd")
"""b"F" fork, b"K" kill or b"E" extend its time, the child's number, memory in bytes, time in seconds (where they matter)."""
NOTICE: Final = struct.Struct(">cQi")
"""Why it ended (EndReason), the child's number, its exit status (negative: the signal that killed it)."""

EndReason = Literal[b"-", b"M", b"T", b"K"]
"""By itself, for memory, for time, by order."""

POLL_S: Final = 0.05
_CPU_SLACK_S: Final = 2.0
_FOLDER_PREFIX: Final = "antiphon-parsers-"


class _Child(Struct, kw_only=True):
    number: int
    pid: int
    memory_bytes: int
    deadline_s: float
    reason: EndReason = b"-"


class Nursery:
    def __init__(self, orders: socket.socket, specs: Sequence[ParserSpec]) -> None:
        self._orders = orders
        self._specs = specs
        self._clock = SystemClock()
        self._children: dict[int, _Child] = {}
        self._selector = selectors.DefaultSelector()
        self._wake, self._woken = socket.socketpair()
        _remove_folders_of_the_dead()
        self._folder = Path(tempfile.mkdtemp(prefix=f"{_FOLDER_PREFIX}{os.getpid()}-"))

    def run(self) -> None:
        """Returns when the server's end of the order socket is closed; all children are dead then."""
        self._wake.setblocking(False)
        self._woken.setblocking(False)
        signal.set_wakeup_fd(self._wake.fileno(), warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, _noticed)
        self._selector.register(self._orders, selectors.EVENT_READ)
        self._selector.register(self._woken, selectors.EVENT_READ)
        try:
            while True:
                for key, _ in self._selector.select(POLL_S if self._children else None):
                    if key.fileobj is self._orders:
                        if not self._obey():
                            return
                    else:
                        with contextlib.suppress(BlockingIOError):
                            self._woken.recv(4096)
                self._watch()
                self._reap()
        finally:
            signal.set_wakeup_fd(-1)  # children die now, when nobody reads of it any more
            for child in self._children.values():
                _kill_group(child.pid)
            shutil.rmtree(self._folder, ignore_errors=True)

    def _obey(self) -> bool:
        """Carries out one order; False when the server is gone."""
        try:
            message, descriptors, _, _ = socket.recv_fds(self._orders, ORDER.size, 1)
        except ConnectionResetError:  # it left without reading our last notice
            return False
        while 0 < len(message) < ORDER.size:
            rest = self._orders.recv(ORDER.size - len(message))
            if not rest:
                return False
            message += rest
        if not message:
            return False
        kind, number, memory_bytes, time_s = ORDER.unpack(message)
        if kind == b"F" and descriptors:
            self._fork(number, descriptors[0], memory_bytes, time_s)
        for child in self._children.values():
            if child.number == number and kind == b"E":
                child.deadline_s += time_s
            elif child.number == number and kind == b"K":
                child.reason = b"K"
                _kill_group(child.pid)
        return True

    def _fork(self, number: int, descriptor: int, memory_bytes: int, time_s: float) -> None:
        me = os.getpid()
        self._folder_of(number).mkdir()
        pid = os.fork()
        if pid == 0:
            status = 1
            try:
                self._become_worker(me, number, descriptor, memory_bytes, time_s)
                status = 0
            finally:
                os._exit(status)
        os.close(descriptor)
        deadline_s = self._clock.monotonic() + time_s
        self._children[pid] = _Child(number=number, pid=pid, memory_bytes=memory_bytes, deadline_s=deadline_s)

    def _folder_of(self, number: int) -> Path:
        return self._folder / str(number)

    def _become_worker(self, nursery: int, number: int, descriptor: int, memory_bytes: int, time_s: float) -> None:
        tempfile.tempdir = str(self._folder_of(number))
        signal.set_wakeup_fd(-1)
        for which in (signal.SIGCHLD, signal.SIGTERM, signal.SIGXFSZ):
            signal.signal(which, signal.SIG_DFL)
        self._selector.close()
        for inherited in (self._orders, self._wake, self._woken):
            inherited.close()
        guard.confine(memory_bytes=memory_bytes, cpu_s=time_s + _CPU_SLACK_S, parent=nursery)
        with socket.socket(fileno=descriptor) as connection:
            serve(connection, self._specs)

    def _watch(self) -> None:
        now_s = self._clock.monotonic()
        watched = {pid: child for pid, child in self._children.items() if child.reason == b"-"}
        memory = guard.group_memory(watched) if watched else {}
        for pid, child in watched.items():
            if now_s > child.deadline_s:
                child.reason = b"T"
            elif memory.get(pid, 0) > child.memory_bytes:
                child.reason = b"M"
            if child.reason != b"-":
                _kill_group(pid)

    def _reap(self) -> None:
        for pid, child in list(self._children.items()):
            ended = os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
            if ended is None:
                continue
            # the dead leader still holds the group's number: what it started can be killed without hitting a stranger
            _kill_group(pid)
            _, status = os.waitpid(pid, 0)
            del self._children[pid]
            shutil.rmtree(self._folder_of(child.number), ignore_errors=True)
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                self._orders.sendall(NOTICE.pack(child.reason, child.number, os.waitstatus_to_exitcode(status)))


def _noticed(_number: int, _frame: FrameType | None) -> None:
    """A handler must be there for the wake-up socket to be written; the reaping is done by the loop."""


def _remove_folders_of_the_dead() -> None:
    """What nurseries left behind that were killed themselves."""
    for folder in Path(tempfile.gettempdir()).glob(f"{_FOLDER_PREFIX}*-*"):
        owner = folder.name.removeprefix(_FOLDER_PREFIX).partition("-")[0]
        try:
            os.kill(int(owner), 0)
        except (ProcessLookupError, ValueError, OverflowError):
            shutil.rmtree(folder, ignore_errors=True)
        except PermissionError:  # alive, somebody else's
            continue


def _kill_group(pid: int) -> None:
    try:
        os.killpg(pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):  # not yet the leader of a group (just forked), or a zombie (macOS)
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def main(arguments: Sequence[str]) -> None:
    """`arguments`: the number of the inherited order socket, and the parser specs as JSON."""
    specs = msgspec.json.decode(arguments[1], type=list[ParserSpec])
    for spec in specs:
        load_parser(spec.target)
    warm_up()
    gc.collect()
    gc.freeze()  # children share these pages as long as no collection writes to them
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    guard.leave_network()
    with socket.socket(fileno=int(arguments[0])) as orders:
        Nursery(orders, specs).run()


if __name__ == "__main__":
    main(sys.argv[1:])
