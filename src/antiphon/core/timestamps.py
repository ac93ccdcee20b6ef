"""RFC 3339 timestamps at a price fit for the token path (0.3 us instead of 2): the second's text is kept.

Tests: tests/unit/core/test_timestamps.py.
"""

from __future__ import annotations

from datetime import UTC, datetime

from antiphon.core.runtime import Clock


class Timestamps:
    """`now()` -> `2026-11-20T10:23:45.120Z`, milliseconds, UTC."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._second = -1
        self._prefix = ""

    def now(self) -> str:
        moment = self._clock.now()
        second = int(moment)
        if second != self._second:
            self._second = second
            self._prefix = datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%dT%H:%M:%S.")
        return f"{self._prefix}{int(moment * 1000) % 1000:03d}Z"
