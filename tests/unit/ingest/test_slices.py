from __future__ import annotations

from antiphon.ingest.slices import AIM_MS, SliceSize


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
