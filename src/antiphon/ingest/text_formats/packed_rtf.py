"""Compressed RTF, the body of many Outlook messages ([MS-OXRTFCP]): a window of 4,096 bytes, back references of 2 to 17.

Tests: tests/unit/ingest/text_formats/test_outlook.py.
"""

from __future__ import annotations

import struct
from typing import Final

from antiphon.core.errors import BadRequest, TooLarge

_INITIAL: Final = (
    rb"{\rtf1\ansi\mac\deff0\deftab720{\fonttbl;}{\f0\fnil \froman \fswiss \fmodern \fscript \fdecor MS Sans SerifSymbolArial"
    rb"Times New RomanCourier{\colortbl\red0\green0\blue0" b"\r\n" rb"\par \pard\plain\f0\fs20\b\i\u\tab\tx"
)  # fmt: skip
_WINDOW_BYTES: Final = 4096
_MOST_BYTES: Final = 64 * 2**20
_PACKED: Final = 0x75465A4C
_STORED: Final = 0x414C454D


def unpacked_rtf(content: bytes) -> bytes:
    """Raises BadRequest for what is not compressed RTF, TooLarge beyond 64 MiB. A truncated one gives what is there."""
    if len(content) < 16:
        raise BadRequest("The body of the message is damaged.", data={"reason": "unreadable"})
    _, raw_bytes, kind, _ = struct.unpack_from("<4L", content)
    if raw_bytes > _MOST_BYTES:
        raise TooLarge("The body of the message is larger than can be kept.")
    if kind == _STORED:
        return content[16 : 16 + raw_bytes]
    if kind != _PACKED:
        raise BadRequest("The body of the message is damaged.", data={"reason": "unreadable"})
    window = bytearray(_INITIAL.ljust(_WINDOW_BYTES, b"\0"))
    write = len(_INITIAL)
    result = bytearray()
    position = 16
    while position < len(content) and len(result) < raw_bytes:
        flags = content[position]
        position += 1
        for bit in range(8):
            if position >= len(content):
                break
            if not flags >> bit & 1:
                result.append(content[position])
                window[write] = content[position]
                write = (write + 1) % _WINDOW_BYTES
                position += 1
                continue
            if position + 1 >= len(content):
                return bytes(result)
            reference = content[position] << 8 | content[position + 1]
            position += 2
            read, length = reference >> 4, (reference & 15) + 2
            if read == write:
                return bytes(result)
            for step in range(length):
                byte = window[(read + step) % _WINDOW_BYTES]
                result.append(byte)
                window[write] = byte
                write = (write + 1) % _WINDOW_BYTES
    return bytes(result)
