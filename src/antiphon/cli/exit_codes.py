"""What the program's exit code says. Documented in docs/command-line.md. Tests: tests/unit/cli/test_main.py."""

from __future__ import annotations

from enum import IntEnum

from antiphon.core.errors import AntiphonError, FolderInUse, Forbidden, TokenExpired, Unauthorized, UnsafeSettings


class ExitCode(IntEnum):
    OK = 0
    """Done."""
    FAILED = 1
    """It could not be done; one sentence on stderr says why."""
    USAGE = 2
    """The command line itself is wrong."""
    REFUSED = 3
    """Not allowed: unsafe settings, a data folder in use, missing or insufficient credentials."""
    INCOMPLETE = 4
    """Partly done: a file could not be read, an answer failed or was interrupted, a check of `doctor` failed."""
    INTERRUPTED = 130
    """Stopped by Ctrl-C."""


def exit_code_of(error: AntiphonError) -> ExitCode:
    if isinstance(error, UnsafeSettings | FolderInUse | Unauthorized | TokenExpired | Forbidden):
        return ExitCode.REFUSED
    return ExitCode.FAILED
