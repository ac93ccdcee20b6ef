"""runs/pacing.py: at once when little runs, in windows when much does; never twice, never lost."""

from __future__ import annotations

import pytest

from antiphon.core.tick import TickQueue
from antiphon.runs.pacing import SAMPLE_S, WINDOWS_S, LoadGauge, Pacer
from antiphon.testing.simulated import SimulatedRuntime, simulated_runtime


class Flushes:
    def __init__(self, runtime: SimulatedRuntime, gauge: LoadGauge) -> None:
        self.moments: list[float] = []
        self._start = runtime.clock.monotonic()
        self._runtime = runtime
        self.pacer = Pacer(runtime, TickQueue(runtime.scheduler), gauge, self._flush)

    def _flush(self) -> None:
        self.moments.append(round(self._runtime.clock.monotonic() - self._start, 6))


@pytest.fixture
def runtime() -> SimulatedRuntime:
    return simulated_runtime()


@pytest.fixture
def gauge(runtime: SimulatedRuntime) -> LoadGauge:
    return LoadGauge(runtime)


@pytest.fixture
def flushes(runtime: SimulatedRuntime, gauge: LoadGauge) -> Flushes:
    return Flushes(runtime, gauge)


async def test_the_first_piece_goes_out_at_the_end_of_its_turn(runtime: SimulatedRuntime, flushes: Flushes) -> None:
    flushes.pacer.nudge()
    flushes.pacer.nudge()
    assert flushes.moments == []
    await runtime.scheduler.settle()
    assert flushes.moments == [0.0]


async def test_pieces_of_one_window_go_out_together_at_its_end(runtime: SimulatedRuntime, flushes: Flushes) -> None:
    for _ in range(5):
        flushes.pacer.nudge()
        await runtime.advance(0.004)
    assert flushes.moments == [0.0, 0.01, 0.02]


async def test_at_the_pace_of_a_model_nothing_is_merged(runtime: SimulatedRuntime, flushes: Flushes) -> None:
    for _ in range(4):
        flushes.pacer.nudge()
        await runtime.advance(0.02)
    assert flushes.moments == [0.0, 0.02, 0.04, 0.06]


async def test_flush_now_takes_what_waits_and_its_timer(runtime: SimulatedRuntime, flushes: Flushes) -> None:
    flushes.pacer.nudge()
    await runtime.scheduler.settle()
    flushes.pacer.nudge()
    flushes.pacer.nudge()
    flushes.pacer.flush_now()
    assert runtime.scheduler.next_due_s is None
    await runtime.advance(0.1)
    assert flushes.moments == [0.0, 0.0]
    flushes.pacer.nudge()
    flushes.pacer.flush_now()  # overtakes the turn's end
    await runtime.advance(0.1)
    assert flushes.moments == [0.0, 0.0, 0.1]


async def test_after_close_nothing_is_flushed(runtime: SimulatedRuntime, flushes: Flushes) -> None:
    flushes.pacer.close()
    flushes.pacer.nudge()
    await runtime.advance(0.1)
    assert flushes.moments == [0.0]


async def test_a_wider_window_holds_back_longer(runtime: SimulatedRuntime, gauge: LoadGauge, flushes: Flushes) -> None:
    gauge.window_s = WINDOWS_S[3]
    flushes.pacer.nudge()
    await runtime.advance(0.001)
    flushes.pacer.nudge()
    await runtime.advance(0.2)
    assert flushes.moments == [0.0, 0.1]


def test_the_window_widens_with_lag_and_shrinks_again(gauge: LoadGauge) -> None:
    seen = []
    for lag_s in (0.0, 0.1, 0.1, 0.1, 0.1, 0.1, *[0.0] * 20):
        gauge.observe(lag_s, 0)
        seen.append(gauge.window_s)
    assert seen[0] == WINDOWS_S[0]
    assert max(seen) == WINDOWS_S[3]
    assert seen[-1] == WINDOWS_S[0]
    assert set(seen) == set(WINDOWS_S)


def test_one_late_timer_is_not_a_load(gauge: LoadGauge) -> None:
    gauge.observe(0.02, 0)
    assert gauge.window_s == WINDOWS_S[0]


def test_a_backlog_widens_by_one_and_not_beyond_the_last(gauge: LoadGauge) -> None:
    gauge.observe(0.0, 201)
    assert gauge.window_s == WINDOWS_S[1]
    for _ in range(30):
        gauge.observe(1.0, 201)
    assert gauge.window_s == WINDOWS_S[3]
    gauge.observe(-5.0, 0)
    assert gauge.lag_s < 1.0


async def test_the_gauge_samples_lag_and_backlog_until_it_is_stopped(runtime: SimulatedRuntime) -> None:
    backlog = 500
    gauge = LoadGauge(runtime, lambda: backlog)
    gauge.start()
    await runtime.advance(SAMPLE_S)
    assert (gauge.lag_s, gauge.window_s) == (0.0, WINDOWS_S[1])
    backlog = 0
    runtime.clock.pass_time(1.0)  # the loop was busy
    await runtime.advance(0.0)
    assert gauge.lag_s == pytest.approx(0.3 * (1.0 - SAMPLE_S))
    gauge.stop()
    gauge.stop()
    assert runtime.scheduler.next_due_s is None
