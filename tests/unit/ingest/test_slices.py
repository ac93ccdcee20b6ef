from __future__ import annotations

from antiphon.ingest.slices import AIM_MS, SliceSize, SliceTime


def test_slices_settle_where_they_take_about_the_aim() -> None:
    size = SliceSize()
    for cost_ms in (0.1, 2.0, 0.5):
        for _ in range(30):
            rows = size.rows
            size.measured(rows, rows * cost_ms)
        assert AIM_MS / 4 <= size.rows * cost_ms <= AIM_MS
    size.measured(0, 100.0)
    size.measured(1, 500.0)
    assert size.rows == 1


def test_a_slice_that_was_cut_short_says_nothing_about_growth() -> None:
    size = SliceSize()
    size.measured(2, 0.1)
    assert size.rows == 8


def test_the_time_of_a_slice_settles_where_the_whole_takes_about_the_aim() -> None:
    time = SliceTime()
    for overhead in (1.2, 4.0, 2.0):
        for _ in range(40):
            time.measured(time.adding_ms * overhead)
        assert AIM_MS / 4 <= time.adding_ms * overhead <= AIM_MS or time.adding_ms == AIM_MS / 2
    time.measured(10_000.0)
    assert time.adding_ms == 1.5
