"""Runs a command's coroutine on the kind of loop that the server runs on: a command may open the house in this process.

Tests: tests/integration/test_cli.py.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

import uvloop

T = TypeVar("T")


def run_to_end(work: Coroutine[Any, Any, T]) -> T:
    """Returns its result. Ctrl-C cancels it, unless the command listens for it itself."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(work)
