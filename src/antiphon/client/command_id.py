"""Ids of commands: UUIDs of version 4 (RFC 9562) from the injected random source. Tests: tests/unit/client/test_command_id.py."""

from __future__ import annotations

from antiphon.core.runtime import RandomSource


def new_command_id(random: RandomSource) -> str:
    octets = bytearray(random.token(16))
    octets[6] = octets[6] & 0x0F | 0x40
    octets[8] = octets[8] & 0x3F | 0x80
    digits = octets.hex()
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"
