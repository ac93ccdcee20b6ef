"""core/ids.py"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import get_args

from hypothesis import given
from hypothesis import strategies as st

from antiphon.core.ids import IdFactory, Prefix, base62
from antiphon.core.runtime import SystemRandom
from antiphon.testing import simulated_runtime
from antiphon.testing.simulated import SimulatedClock


class Bytes:
    """The same bytes every time."""

    def __init__(self, value: int) -> None:
        self.value = value
        self.asked: list[int] = []

    def token(self, size_bytes: int, /) -> bytes:
        self.asked.append(size_bytes)
        return bytes([self.value]) * size_bytes


def test_every_id_has_its_prefix_and_29_characters() -> None:
    ids = simulated_runtime().ids
    for prefix in get_args(Prefix):
        assert re.fullmatch(rf"{prefix}_[0-9A-Za-z]{{29}}", ids.new(prefix))


def test_an_id_has_128_random_bits_also_at_the_edges() -> None:
    for value in (0, 255):
        source = Bytes(value)
        made = IdFactory(SimulatedClock(), source).new("run")
        assert source.asked == [16]
        assert len(made) == len("run_") + 29
    assert 62**22 > 2**128


def test_ids_of_one_moment_differ() -> None:
    ids = IdFactory(SimulatedClock(), SystemRandom())
    assert len({ids.new("msg") for _ in range(2000)}) == 2000


def test_ids_sort_by_time_to_the_millisecond_until_2081() -> None:
    end = datetime(2081, 1, 1, tzinfo=UTC).timestamp()
    made: list[str] = []
    for moment in (0.0, 1_795_000_000.0, 1_795_000_000.0015, 1_795_000_061.0, end):
        clock = SimulatedClock(moment)
        made += [IdFactory(clock, Bytes(255)).new("evt"), IdFactory(clock, Bytes(0)).new("evt")]
    earlier, later = made[0::2], made[1::2]
    for n in range(len(earlier) - 1):
        assert max(earlier[n], later[n]) < min(earlier[n + 1], later[n + 1])
    assert {len(each) for each in made} == {len("evt_") + 29}


@given(st.integers(0, 2**130), st.integers(0, 2**130))
def test_text_order_is_number_order(one: int, other: int) -> None:
    width = 22
    assert (base62(one, width) < base62(other, width)) == (one < other)
    digits = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
    value = 0
    for digit in base62(one, width):
        value = value * 62 + digits.index(digit)
    assert value == one
