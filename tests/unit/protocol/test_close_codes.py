"""protocol/close_codes.py"""

from __future__ import annotations

import pytest

from antiphon.protocol.close_codes import TERMINAL, CloseCode, may_reconnect

TABLE = {
    CloseCode.NORMAL: (1000, False), CloseCode.GOING_AWAY: (1001, True), CloseCode.RESTART: (1012, True),
    CloseCode.OVERLOAD: (1013, True), CloseCode.FRAME_TOO_BIG: (1009, False), CloseCode.MALFORMED: (4000, False),
    CloseCode.UNAUTHORIZED: (4001, False), CloseCode.FORBIDDEN: (4003, False), CloseCode.HELLO_TIMEOUT: (4008, False),
    CloseCode.CONNECTION_LIMIT: (4009, False), CloseCode.RATE_LIMITED: (4029, False), CloseCode.TOKEN_EXPIRED: (4500, True),
    CloseCode.SLOW_READER: (4501, True), CloseCode.NO_PONG: (4502, True), CloseCode.DRAINING: (4503, True),
    CloseCode.INSUFFICIENT_STATE: (4504, True), CloseCode.MAXIMUM_AGE: (4505, True),
}  # fmt: skip
"""docs/protocol.md section 7."""


def test_the_table_is_whole() -> None:
    assert set(TABLE) == set(CloseCode)


@pytest.mark.parametrize("code", CloseCode, ids=lambda code: code.name)
def test_numbers_and_what_a_client_may_do(code: CloseCode) -> None:
    number, again = TABLE[code]
    assert code == number
    assert may_reconnect(code) is again
    assert may_reconnect(number) is again


def test_40xx_is_terminal_and_45xx_never() -> None:
    assert all(not may_reconnect(code) for code in range(4000, 4100))
    assert all(may_reconnect(code) for code in range(4500, 4600))
    assert TERMINAL.isdisjoint(range(4100, 5000))


def test_a_lost_connection_may_come_back() -> None:
    assert may_reconnect(None)
    assert may_reconnect(1006)
