"""`TickQueue`: work that should happen once at the end of this turn of the loop, in one callback for everybody.

A burst of tokens that arrives in one read becomes one append per run and one write per connection. Callbacks added
while the queue runs are run in the same pass (runs flush first, and what they append makes connections flush).
Tests: tests/unit/core/test_tick.py.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from antiphon.core.runtime import Scheduler


class TickQueue:
    def __init__(self, scheduler: Scheduler) -> None:
        self._scheduler = scheduler
        self._callbacks: deque[Callable[[], None]] = deque()
        self._scheduled = False

    def add(self, callback: Callable[[], None]) -> None:
        """`callback` must not raise; the caller sees to it that it is added once a turn."""
        self._callbacks.append(callback)
        if not self._scheduled:
            self._scheduled = True
            self._scheduler.call_soon(self._run)

    def _run(self) -> None:
        callbacks = self._callbacks
        try:
            while callbacks:
                callbacks.popleft()()
        finally:
            # A callback that raises all the same must not silence the others for ever.
            self._scheduled = False
            if callbacks:
                self._scheduled = True
                self._scheduler.call_soon(self._run)
