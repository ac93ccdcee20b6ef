from __future__ import annotations

import gzip
import zlib

import pytest

from antiphon.core.errors import UrlTooLarge, UrlUnreachable
from antiphon.outgoing.inflate import PIECE_BYTES, Inflation

TEXT = bytes(range(256)) * 2000


def through(encoding: str, data: bytes, step: int = 1000) -> bytes:
    inflation = Inflation(encoding)
    pieces = [piece for start in range(0, len(data), step) for piece in inflation.pieces(data[start : start + step])]
    inflation.finish()
    assert all(len(piece) <= max(PIECE_BYTES, step) for piece in pieces)
    return b"".join(pieces)


def raw_deflate(data: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return packer.compress(data) + packer.flush()


@pytest.mark.parametrize("step", [1, 7, 1000, 10**6])
@pytest.mark.parametrize(
    ("encoding", "data"),
    [
        ("", TEXT), ("identity", TEXT), ("gzip", gzip.compress(TEXT)), ("GZIP", gzip.compress(TEXT)), ("deflate", zlib.compress(TEXT)),
        ("gzip", gzip.compress(TEXT[:1000]) + gzip.compress(TEXT[1000:])), ("x-gzip", gzip.compress(TEXT) + b"\0\0\0"),
    ],
    ids=["", "identity", "gzip", "GZIP", "deflate", "two members", "padded"],
)  # fmt: skip
def test_the_content_comes_out_whole(encoding: str, data: bytes, step: int):
    assert through(encoding, data, step) == TEXT


def test_deflate_without_its_head():
    assert through("deflate", raw_deflate(TEXT)) == TEXT


def test_a_bomb_is_cut_before_it_is_unpacked():
    inflation, got = Inflation("gzip"), 0

    def unpack() -> None:
        nonlocal got
        for piece in inflation.pieces(gzip.compress(b"\0" * 2**27)):
            got += len(piece)

    with pytest.raises(UrlTooLarge):
        unpack()
    assert got < 2**25


@pytest.mark.parametrize("data", [b"no gzip at all", gzip.compress(TEXT)[:-20], b"\x1f\x8b\x08\xff" * 20])
def test_what_is_broken_is_told(data: bytes):
    with pytest.raises(UrlUnreachable):
        through("gzip", data)
