"""R7: when to try again."""

from __future__ import annotations

from antiphon.client.backoff import Backoff


class Highest:
    def token(self, size_bytes: int, /) -> bytes:
        return bytes(size_bytes)

    def uniform(self, low: float, high: float, /) -> float:
        return high


def test_delays_double_from_a_jitter_up_to_twenty_seconds():
    backoff = Backoff(Highest())
    assert [backoff.next_delay_s() for _ in range(8)] == [0.25, 1.0, 2.0, 4.0, 8.0, 16.0, 20.0, 20.0]
    backoff.succeeded()
    assert backoff.next_delay_s() == 0.25


def test_overload_and_the_servers_wish_are_lower_bounds():
    assert Backoff(Highest()).next_delay_s(1013) == 5.25
    assert Backoff(Highest()).next_delay_s(4503, asked_ms=2000) == 2.25
