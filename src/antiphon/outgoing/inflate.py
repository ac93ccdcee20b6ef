"""`Inflation`: undoes a content encoding piece by piece, and stops where the content grows beyond what honest content does.

Used by client.py. Pure: bytes in, bytes out. Tests: tests/unit/outgoing/test_inflate.py.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from typing import Any, Final

from antiphon.core.errors import UrlTooLarge, UrlUnreachable

ACCEPTED: Final = "gzip, deflate"
PIECE_BYTES: Final = 64 * 1024
MOST_RATIO: Final = 100
"""Text is packed to a tenth, a page of one repeated line to a hundredth."""
FREE_BYTES: Final = 2**20
"""Below this the ratio does not matter."""
_GZIP: Final = 16 + zlib.MAX_WBITS
_TRAILING_GARBAGE_OK: Final = b"\x00"


class Inflation:
    """`encoding`: the value of Content-Encoding. Raises UrlUnreachable for one that was not asked for."""

    def __init__(self, encoding: str) -> None:
        name = encoding.strip().lower()
        if name not in {"", "identity", "gzip", "x-gzip", "deflate"}:
            raise UrlUnreachable(
                f"The site packs its answer as {name[:40]!r}, which was not asked for.", data={"reason": "answer"}
            )
        self._name = "" if name == "identity" else name
        self._packed = 0
        self._unpacked = 0
        self._inflater: Any = None if not self._name else zlib.decompressobj(_GZIP if "gzip" in self._name else zlib.MAX_WBITS)
        self._first = True

    def pieces(self, data: bytes) -> Iterator[bytes]:
        """What the next bytes of the answer mean, in pieces of PIECE_BYTES at most. Raises UrlTooLarge (a bomb),
        UrlUnreachable (broken)."""
        if self._inflater is None:
            yield data
            return
        self._packed += len(data)
        while data:
            try:
                piece = self._inflated(data)
            except zlib.error:
                raise _broken() from None
            self._unpacked += len(piece)
            if self._unpacked > max(FREE_BYTES, MOST_RATIO * self._packed):
                raise UrlTooLarge(
                    f"The answer grows to more than {MOST_RATIO} times of what is sent: it is not unpacked.",
                    data={"reason": "bomb"},
                )
            if piece:
                yield piece
            data = self._rest(piece)

    def finish(self) -> None:
        """Raises UrlUnreachable when the packed content ended too early."""
        if self._inflater is not None and self._packed and not self._inflater.eof:
            raise _broken()

    def _inflated(self, data: bytes) -> bytes:
        first, self._first = self._first, False
        try:
            return self._inflater.decompress(data, PIECE_BYTES)
        except zlib.error:
            if not first or self._name != "deflate":
                raise
            self._inflater = zlib.decompressobj(-zlib.MAX_WBITS)  # some servers leave zlib's head out
            return self._inflater.decompress(data, PIECE_BYTES)

    def _rest(self, piece: bytes) -> bytes:
        """What has still to be looked at. A second gzip member follows the first; anything else behind the end is dropped."""
        if not self._inflater.eof:
            tail: bytes = self._inflater.unconsumed_tail
            return tail if tail or len(piece) < PIECE_BYTES else b""
        behind: bytes = self._inflater.unused_data
        if behind.startswith(b"\x1f\x8b") and "gzip" in self._name:
            self._inflater = zlib.decompressobj(_GZIP)
            return behind
        return b""


def _broken() -> UrlUnreachable:
    return UrlUnreachable("The site's answer is broken: what it packed can't be unpacked.", data={"reason": "answer"})
