"""Runs a program (tesseract, LibreOffice) for a worker process, inside the worker's time, memory and process group.

For parsers, in worker processes only. `tempfile` gives a folder of the worker's own there, which is removed with the worker: a
program may write into it, the worker itself may only make links and folders. The program sees no environment of the server's,
and no network where the kernel allows that. Tests: tests/integration/test_ingest_programs.py.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from functools import cache, partial
from typing import Final

from msgspec import Struct

from antiphon.core.errors import Timeout
from antiphon.ingest import guard

SEARCH_PATH: Final = os.pathsep.join(
    (os.defpath, "/usr/local/bin", "/opt/homebrew/bin", "/Applications/LibreOffice.app/Contents/MacOS")
)
"""Where programs are looked for; the server's own PATH does not reach the workers."""


class Finished(Struct, frozen=True, kw_only=True):
    """`status`: 0 is success, negative the signal that ended it."""

    status: int
    output: bytes
    complaints: bytes


@cache
def find_program(*names: str) -> str | None:
    """The path of the first of these programs that is installed."""
    for name in names:
        found = shutil.which(name, path=SEARCH_PATH)
        if found is not None:
            return found
    return None


def run_program(
    command: Sequence[str],
    *,
    timeout_s: float,
    cpu_s: float | None = None,
    given: bytes = b"",
    environment: Mapping[str, str] | None = None,
) -> Finished:
    """Waits for its end. Raises Timeout after killing it; OSError when it can't be started. The working folder is the worker's.

    `cpu_s`: of computing, whole seconds; `timeout_s` then only has to bound the waiting on a busy machine."""
    folder = tempfile.gettempdir()
    surroundings = {"PATH": SEARCH_PATH, "LANG": "C.UTF-8", "HOME": folder, "TMPDIR": folder, **(environment or {})}
    process = subprocess.Popen(  # noqa: S603 - a program of our choosing, no shell
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=folder, env=surroundings,
        preexec_fn=partial(guard.loosen, cpu_s),  # noqa: PLW1509 - workers have one thread
    )  # fmt: skip
    try:
        output, complaints = process.communicate(given, timeout=timeout_s)
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGKILL)
        process.wait()
        raise _too_slow(command, timeout_s) from None
    if process.returncode == -signal.SIGXCPU:
        raise _too_slow(command, cpu_s or 0.0)
    return Finished(status=process.returncode, output=output, complaints=complaints[-2000:])


def _too_slow(command: Sequence[str], limit_s: float) -> Timeout:
    return Timeout(f"{os.path.basename(command[0])} took longer than {limit_s:g} s and was ended.")  # noqa: PTH119
