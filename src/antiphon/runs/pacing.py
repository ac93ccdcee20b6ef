"""How often a run's text is appended: at once when little runs, in widening windows as the load grows.

`LoadGauge` samples loop lag and backlog for the whole process; `Pacer` belongs to one run. A delta is appended at the end
of the turn when the run's last append lies a window back (10 ms when idle: nothing is merged at 50 tokens/s), else when
the window is over. Measurements: docs/decisions/0005-token-path.md. Tests: tests/unit/runs/test_pacing.py.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from antiphon.core.runtime import Cancellable, Runtime
from antiphon.core.tick import TickQueue

WINDOWS_S: Final = (0.010, 0.025, 0.050, 0.100)
WIDEN_AT_LAG_S: Final = (0.008, 0.020, 0.050)
"""Smoothed loop lag from which the 2nd, 3rd and 4th window holds."""
SAMPLE_S: Final = 0.05
SMOOTHING: Final = 0.3


class LoadGauge:
    """`window_s` is what all runs pace by. `lag_s`: how late the loop runs its timers, smoothed."""

    def __init__(self, runtime: Runtime, backlog: Callable[[], int] = lambda: 0) -> None:
        self._runtime = runtime
        self._backlog = backlog
        self._due_s = 0.0
        self._timer: Cancellable | None = None
        self.lag_s = 0.0
        self.window_s = WINDOWS_S[0]

    def start(self) -> None:
        self._due_s = self._runtime.clock.monotonic() + SAMPLE_S
        self._timer = self._runtime.scheduler.call_later(SAMPLE_S, self._sample)

    def stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _sample(self) -> None:
        self.observe(self._runtime.clock.monotonic() - self._due_s, self._backlog())
        self.start()

    def observe(self, lag_s: float, backlog: int) -> None:
        """`backlog`: works waiting for the writer."""
        self.lag_s += SMOOTHING * (max(0.0, lag_s) - self.lag_s)
        step = sum(self.lag_s >= bound for bound in WIDEN_AT_LAG_S)
        if backlog > 200:
            step = min(step + 1, len(WINDOWS_S) - 1)
        self.window_s = WINDOWS_S[step]


class Pacer:
    """Calls `flush` at the end of this turn, or when the window since the last flush is over. Never twice for one text."""

    __slots__ = ("_flush", "_gauge", "_last_s", "_pending", "_runtime", "_ticks", "_timer")

    def __init__(self, runtime: Runtime, ticks: TickQueue, gauge: LoadGauge, flush: Callable[[], None]) -> None:
        self._runtime = runtime
        self._ticks = ticks
        self._gauge = gauge
        self._flush = flush
        self._last_s = -1.0
        self._pending = False
        self._timer: Cancellable | None = None

    def nudge(self) -> None:
        """There is text to append."""
        if self._pending:
            return
        self._pending = True
        wait_s = self._last_s + self._gauge.window_s - self._runtime.clock.monotonic()
        if wait_s <= 0:
            self._ticks.add(self._fire)
        else:
            self._timer = self._runtime.scheduler.call_later(wait_s, self._fire)

    def flush_now(self) -> None:
        """Appends what waits, at once: before an event that must come after the text."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._pending = False
        self._last_s = self._runtime.clock.monotonic()
        self._flush()

    def close(self) -> None:
        """Appends what waits, for the last time; lets go of who is behind `flush` (a ring that the collector would find late)."""
        self.flush_now()
        self._flush = _nothing

    def _fire(self) -> None:
        if self._pending:
            self.flush_now()


def _nothing() -> None:
    """After the end there is no text."""
