"""When to connect again (rule R7 of docs/protocol.md). Tests: tests/unit/client/test_backoff.py."""

from __future__ import annotations

from typing import Final

from antiphon.core.runtime import RandomSource
from antiphon.protocol.close_codes import CloseCode

FIRST_JITTER_S: Final = 0.25
BASE_S: Final = 0.5
CAP_S: Final = 20.0
OVERLOAD_S: Final = 5.0


class Backoff:
    """0-250 ms before the first try after a loss, then up to 0.5 * 2^n s, at most 20 s, with full jitter."""

    def __init__(self, random: RandomSource) -> None:
        self._random = random
        self._failures = 0

    def succeeded(self) -> None:
        self._failures = 0

    def next_delay_s(self, close_code: int | None = None, *, asked_ms: int | None = None) -> float:
        """`asked_ms`: what the server asked for (`draining`, `retry_after_ms`); it is a lower bound."""
        if self._failures == 0:
            delay_s = self._random.uniform(0.0, FIRST_JITTER_S)
        else:
            delay_s = self._random.uniform(0.0, min(CAP_S, BASE_S * 2 ** min(self._failures, 16)))
        self._failures += 1
        if close_code == CloseCode.OVERLOAD:
            delay_s += OVERLOAD_S
        return delay_s + (asked_ms or 0) / 1000
