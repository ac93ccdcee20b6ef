"""`TickQueue`: work that should happen once at the end of this turn of the loop, in one callback for everybody.

A burst of tokens that arrives in one read becomes one append per run and one write per connection. What a callback adds
while it runs comes right behind it, in the same pass: a run appends, then the connections that follow it write, then the
next run appends. So the first of a hundred streams that tick together does not wait for the appends of the other
ninety-nine (docs/decisions/0005-token-path.md). Tests: tests/unit/core/test_tick.py.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from antiphon.core.runtime import Scheduler


class TickQueue:
    def __init__(self, scheduler: Scheduler) -> None:
        self._scheduler = scheduler
        self._callbacks: deque[Callable[[], None]] = deque()
        self._caused: deque[Callable[[], None]] = deque()
        self._scheduled = False
        self._running = False

    def add(self, callback: Callable[[], None]) -> None:
        """`callback` must not raise; the caller sees to it that it is not added again before it ran."""
        if self._running:
            self._caused.append(callback)
            return
        self._callbacks.append(callback)
        if not self._scheduled:
            self._scheduled = True
            self._scheduler.call_soon(self._run)

    def _run(self) -> None:
        callbacks, caused = self._callbacks, self._caused
        self._running = True
        try:
            while callbacks:
                callbacks.popleft()()
                while caused:
                    caused.popleft()()
        finally:
            # A callback that raises all the same must not silence the others for ever.
            self._running = self._scheduled = False
            if caused:
                callbacks.extendleft(reversed(caused))
                caused.clear()
            if callbacks:
                self._scheduled = True
                self._scheduler.call_soon(self._run)
