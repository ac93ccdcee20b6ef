"""When a watch is due: its interval, a little apart from others, and longer after failures. Pure.

Tests: tests/unit/library/test_watch_schedule.py.
"""

from __future__ import annotations

from typing import Final

from antiphon.core.runtime import Runtime

JITTER: Final = 0.1
"""Share of the interval, either way: watches that were made together do not stay together."""
_MOST_DOUBLINGS: Final = 10


def next_due(runtime: Runtime, interval_s: float, failures: int, *, most_s: float) -> float:
    """Seconds since the epoch. The wait doubles with each failure in a row, up to `most_s`."""
    wait_s = min(interval_s * 2 ** min(failures, _MOST_DOUBLINGS), max(most_s, interval_s))
    return runtime.clock.now() + wait_s * runtime.random.uniform(1 - JITTER, 1 + JITTER)
