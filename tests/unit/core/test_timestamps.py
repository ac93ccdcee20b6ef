"""core/timestamps.py"""

from __future__ import annotations

from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from antiphon.core.runtime import rfc3339
from antiphon.core.timestamps import Timestamps
from antiphon.testing.simulated import SimulatedClock


def test_milliseconds_and_utc() -> None:
    clock = SimulatedClock(datetime(2026, 11, 20, 10, 23, 45, 125_000, UTC).timestamp())
    assert Timestamps(clock).now() == "2026-11-20T10:23:45.125Z"


def test_the_kept_second_goes_with_the_clock() -> None:
    clock = SimulatedClock(datetime(2026, 12, 31, 23, 59, 59, 500_000, UTC).timestamp())
    stamps = Timestamps(clock)
    seen: list[str] = []
    for step_s in (0.0, 0.25, 0.25, 0.75, 60.0):
        clock.pass_time(step_s)
        seen.append(stamps.now())
    clock.set_wall(clock.now() - 61.0)  # set back, as an administrator may
    assert [*seen, stamps.now()] == [
        "2026-12-31T23:59:59.500Z",
        "2026-12-31T23:59:59.750Z",
        "2027-01-01T00:00:00.000Z",
        "2027-01-01T00:00:00.750Z",
        "2027-01-01T00:01:00.750Z",
        "2026-12-31T23:59:59.750Z",
    ]


@given(st.lists(st.floats(min_value=0.0, max_value=4e9), min_size=1, max_size=5))
def test_any_moments_are_told_to_the_millisecond(moments: list[float]) -> None:
    """Within one ms of what REST says of the same moment, and never after it."""
    clock = SimulatedClock(0.0)
    stamps = Timestamps(clock)
    for moment in moments:
        clock.set_wall(moment)
        told = datetime.fromisoformat(stamps.now()).timestamp()
        assert moment - 0.001_001 < told <= moment + 1e-6
        assert abs(told - datetime.fromisoformat(rfc3339(moment)).timestamp()) < 0.001_001
