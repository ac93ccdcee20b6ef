"""commands/rate_limits.py"""

from __future__ import annotations

import pytest

from antiphon.commands import rate_limits
from antiphon.commands.rate_limits import TokenBuckets
from antiphon.core.errors import RateLimited
from antiphon.testing.simulated import simulated_runtime


def test_a_burst_then_the_pace() -> None:
    clock = simulated_runtime().clock
    buckets = TokenBuckets(clock, per_minute=30, burst=3)
    assert [buckets.retry_after_s("a") for _ in range(3)] == [0.0, 0.0, 0.0]
    assert buckets.retry_after_s("a") == pytest.approx(2.0)
    clock.pass_time(1.5)
    assert buckets.retry_after_s("a") == pytest.approx(0.5)  # a refusal takes nothing
    clock.pass_time(0.5)
    assert buckets.retry_after_s("a") == 0.0
    clock.pass_time(3600.0)
    assert [buckets.retry_after_s("a") > 0 for _ in range(4)] == [False, False, False, True]


def test_without_a_burst_a_minute_at_once() -> None:
    buckets = TokenBuckets(simulated_runtime().clock, per_minute=5)
    assert [buckets.retry_after_s("a") > 0 for _ in range(6)] == [False] * 5 + [True]


def test_each_has_its_own_and_zero_is_no_limit() -> None:
    clock = simulated_runtime().clock
    buckets = TokenBuckets(clock, per_minute=1)
    assert (buckets.retry_after_s("a"), buckets.retry_after_s("b")) == (0.0, 0.0)
    unlimited = TokenBuckets(clock, per_minute=0)
    assert {unlimited.retry_after_s("a") for _ in range(1000)} == {0.0}


def test_a_refusal_says_when_to_come_back() -> None:
    buckets = TokenBuckets(simulated_runtime().clock, per_minute=60, burst=1)
    buckets.take("a", "Too fast.")
    with pytest.raises(RateLimited, match="Too fast") as error:
        buckets.take("a", "Too fast.")
    assert error.value.data["retry_after_ms"] == pytest.approx(1000, abs=1)


def test_memory_is_bounded_and_the_oldest_is_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rate_limits, "MAX_BUCKETS", 2)
    buckets = TokenBuckets(simulated_runtime().clock, per_minute=1)
    for key in ("a", "b", "a", "c"):
        buckets.retry_after_s(key)
    assert list(buckets._buckets) == ["a", "c"]
