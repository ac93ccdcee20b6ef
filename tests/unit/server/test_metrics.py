from __future__ import annotations

import asyncio

import pytest

from antiphon.core.runtime import Runtime, system_runtime
from antiphon.server.metrics import Histogram, Metrics, watch_event_loop_lag


def test_names_are_those_of_names_md():
    metrics = Metrics()
    metrics.first_token.observe(0.03)
    metrics.added_token.observe(0.0007)
    metrics.count_resume("replay")
    metrics.runs_active, metrics.connections = 2, 5
    text = metrics.exposition().decode()
    for line in (
        'antiphon_first_token_seconds_bucket{le="0.05"} 1.0', "antiphon_first_token_seconds_count 1.0",
        'antiphon_added_token_seconds_bucket{le="0.001"} 1.0', "antiphon_retrieval_seconds_count 0.0",
        "antiphon_event_loop_lag_seconds_count 0.0", 'antiphon_resumes_total{result="replay"} 1.0',
        'antiphon_resumes_total{result="snapshot"} 0.0', "antiphon_runs_active 2.0", "antiphon_connections 5.0",
    ):  # fmt: skip
        assert line in text.splitlines(), line


def test_buckets_hold_what_is_not_larger_than_their_bound():
    histogram = Histogram((0.1, 1.0))
    for value in (0.05, 0.1, 0.5, 1.0, 7.0):
        histogram.observe(value)
    assert (histogram.counts, histogram.count) == ([2, 2, 1], 5)
    assert histogram.total_s == pytest.approx(8.65)


class _LateScheduler:
    """Every sleep takes 30 ms longer than asked; the third ends the watch."""

    def __init__(self) -> None:
        self.now_s, self.sleeps = 0.0, 0

    def monotonic(self) -> float:
        return self.now_s

    def now(self) -> float:
        return self.now_s

    async def sleep(self, seconds: float, /) -> None:
        self.sleeps += 1
        if self.sleeps == 3:
            raise asyncio.CancelledError
        self.now_s += seconds + 0.03


async def test_the_lag_is_how_late_the_loop_is():
    late, system, metrics = _LateScheduler(), system_runtime(), Metrics()
    runtime = Runtime(clock=late, random=system.random, ids=system.ids, scheduler=late)  # type: ignore[arg-type]
    with pytest.raises(asyncio.CancelledError):
        await watch_event_loop_lag(metrics, runtime, interval_s=0.1)
    assert metrics.loop_lag_s == pytest.approx(0.03)
    assert metrics.loop_lag.count == 2
