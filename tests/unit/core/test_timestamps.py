"""core/timestamps.py"""

from __future__ import annotations

from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from antiphon.core.timestamps import Timestamps
from antiphon.testing.simulated import START_S, simulated_runtime


@pytest.mark.parametrize(
    ("moment_s", "text"),
    [
        (0.0, "1970-01-01T00:00:00.000Z"), (START_S + 0.12, "2026-11-18T11:06:40.119Z"), (START_S + 59.9999, "2026-11-18T11:07:39.999Z"),
        (1_798_761_600.5, "2027-01-01T00:00:00.500Z"),
    ],
)  # fmt: skip
def test_now(moment_s: float, text: str) -> None:
    clock = simulated_runtime().clock
    clock.set_wall(moment_s)
    assert Timestamps(clock).now() in {text, text.replace(".119Z", ".120Z")}


@given(steps=st.lists(st.floats(-5.0, 5.0), max_size=20))
def test_it_is_the_clock_whatever_was_asked_before(steps: list[float]) -> None:
    clock = simulated_runtime().clock
    timestamps = Timestamps(clock)
    for step in steps:
        clock.set_wall(clock.now() + step)
        shown = datetime.fromisoformat(timestamps.now()).timestamp()
        assert -0.0005 <= clock.now() - shown < 0.0015
