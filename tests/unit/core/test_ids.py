"""core/ids.py"""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from antiphon.core.ids import base62
from antiphon.testing.simulated import simulated_runtime


def test_an_id_is_prefix_time_and_random() -> None:
    runtime = simulated_runtime()
    ids = [runtime.ids.new("msg") for _ in range(1000)]
    assert len(set(ids)) == 1000
    assert {len(each) for each in ids} == {len("msg_") + 29}
    assert len({each[:11] for each in ids}) == 1  # one moment
    assert all(each[4:].isalnum() and each.isascii() for each in ids)


def test_ids_sort_by_time() -> None:
    runtime, ids = simulated_runtime(), list[str]()
    for _ in range(200):
        ids.append(runtime.ids.new("run"))
        runtime.clock.pass_time(0.0015)
    assert ids == sorted(ids)
    runtime.clock.set_wall(3_500_000_000.0)  # the end of 2080
    assert len(runtime.ids.new("run")) == len(ids[0])
    assert runtime.ids.new("run") > ids[-1]


@given(one=st.integers(0, 62**9), other=st.integers(0, 62**9))
def test_text_order_is_number_order(one: int, other: int) -> None:
    assert (base62(one, 10) < base62(other, 10)) is (one < other)


@pytest.mark.parametrize(("number", "text"), [(0, "000"), (61, "00z"), (62, "010"), (62**3, "1000")])
def test_base62(number: int, text: str) -> None:
    assert base62(number, 3) == text
