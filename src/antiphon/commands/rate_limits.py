"""Token buckets, per user, the same bucket on every transport (security.md H4, H7). Tests: tests/unit/commands/test_rate_limits.py."""

from __future__ import annotations

from antiphon.core.errors import RateLimited
from antiphon.core.runtime import Clock

MAX_BUCKETS = 10_000


class TokenBuckets:
    """`per_minute` permits a minute, of which up to `burst` at once (default: all). 0: no limit."""

    def __init__(self, clock: Clock, *, per_minute: int, burst: int | None = None) -> None:
        self._clock = clock
        self._rate_per_s = per_minute / 60
        self._burst = float(burst if burst is not None else per_minute)
        self._buckets: dict[str, tuple[float, float]] = {}

    def retry_after_s(self, key: str) -> float:
        """Takes one permit; 0.0 when there was one, else the seconds until there is one (none is taken then)."""
        if self._rate_per_s <= 0:
            return 0.0
        now = self._clock.monotonic()
        level, at = self._buckets.pop(key, (self._burst, now))
        level = min(self._burst, level + (now - at) * self._rate_per_s)
        granted = level >= 1.0
        self._buckets[key] = (level - 1.0 if granted else level, now)
        if len(self._buckets) > MAX_BUCKETS:
            del self._buckets[next(iter(self._buckets))]  # the one not asked for longest
        return 0.0 if granted else (1.0 - level) / self._rate_per_s

    def take(self, key: str, sentence: str) -> None:
        """Raises RateLimited with `retry_after_ms`."""
        wait_s = self.retry_after_s(key)
        if wait_s > 0:
            raise RateLimited(sentence, data={"retry_after_ms": int(wait_s * 1000) + 1})
