"""WebSocket close codes. 40xx is terminal for a client, 45xx always reconnects. Normative: docs/protocol.md section 7."""

from __future__ import annotations

from enum import IntEnum


class CloseCode(IntEnum):
    NORMAL = 1000
    GOING_AWAY = 1001
    FRAME_TOO_BIG = 1009
    RESTART = 1012
    OVERLOAD = 1013
    MALFORMED = 4000
    UNAUTHORIZED = 4001
    FORBIDDEN = 4003
    HELLO_TIMEOUT = 4008
    CONNECTION_LIMIT = 4009
    RATE_LIMITED = 4029
    TOKEN_EXPIRED = 4500
    SLOW_READER = 4501
    NO_PONG = 4502
    DRAINING = 4503
    INSUFFICIENT_STATE = 4504
    MAXIMUM_AGE = 4505


TERMINAL: frozenset[int] = frozenset(code for code in range(4000, 4100)) | {1000, 1009}
"""Codes after which a client must not reconnect by itself (4029: only after `retry_after`)."""


def may_reconnect(code: int | None) -> bool:
    """None: the connection was lost without a close frame."""
    return code is None or code not in TERMINAL
