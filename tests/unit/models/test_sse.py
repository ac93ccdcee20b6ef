from __future__ import annotations

import pytest

from antiphon.core.errors import ModelError
from antiphon.models.sse import SseReader


def read(*pieces: bytes, end: bool = True, max_event_bytes: int = 1000) -> list[bytes]:
    seen: list[bytes] = []
    reader = SseReader(seen.append, max_event_bytes=max_event_bytes)
    for piece in pieces:
        reader.feed(piece)
    if end:
        reader.end()
    return seen


@pytest.mark.parametrize("line_end", [b"\n", b"\r\n", b"\r"])
def test_line_ends(line_end: bytes) -> None:
    assert read(line_end.join([b"data: a", b"", b"data: b", b"", b""])) == [b"a", b"b"]


def test_crlf_split_between_its_two_bytes_is_one_line_end() -> None:
    assert read(b"data: a\r", b"\ndata: b\r", b"\n", b"\r", b"\n", end=False) == [b"a\nb"]


def test_fields_other_than_data_and_comments_are_passed_over() -> None:
    assert read(b": ping\nid: 4\nevent: error\nretry: 9\ndatax: no\ndata: yes\n\n") == [b"yes"]


def test_one_space_after_the_colon_is_dropped_and_no_more() -> None:
    assert read(b"data:a\n\ndata: b\n\ndata:  c\n\n") == [b"a", b"b", b" c"]


def test_lines_of_one_event_join_with_lf() -> None:
    assert read(b"data: a\ndata\ndata:\ndata: b\n\n") == [b"a\n\n\nb"]


def test_lines_of_one_event_join_when_the_last_comes_alone() -> None:
    """The quick way for a piece that is one whole event must not be taken while another event is open."""
    assert read(b"data: 0\n\n", b"data: a\n", b"data: b\n\n", b"data: c\n\n") == [b"0", b"a\nb", b"c"]
    assert read(b"data: 0\n\n", b"da", b"data: b\n\n") == [b"0"]


def test_events_without_data_are_none() -> None:
    assert read(b"\n\nevent: x\n\n\n") == []


def test_byte_order_mark_is_dropped_once() -> None:
    assert read(b"\xef", b"\xbb", b"\xbfdata: a\n\n") == [b"a"]
    assert read(b"\xef\xbb\xbf\xef\xbb\xbfdata: a\n\n") == []


def test_character_split_between_pieces_heals() -> None:
    text = "data: 答案\n\n".encode()
    assert read(*(bytes([byte]) for byte in text)) == ["答案".encode()]


def test_event_whose_empty_line_is_missing_comes_at_the_end() -> None:
    assert read(b"data: a\n\ndata: b", end=False) == [b"a"]
    assert read(b"data: a\n\ndata: b") == [b"a", b"b"]


@pytest.mark.parametrize(
    "pieces",
    [[b"data: " + b"x" * 100 + b"\n\n"], [b"data: " + b"x" * 100], [b"data: "] + [b"x"] * 100, [b"data: xxxxxxxxxx\n"] * 10],
    ids=["one piece", "no line end", "byte by byte", "many lines"],
)
def test_too_long_is_an_error_however_it_was_split(pieces: list[bytes]) -> None:
    with pytest.raises(ModelError, match="more than 64 bytes"):
        read(*pieces, max_event_bytes=64)


def test_long_line_byte_by_byte_is_linear() -> None:
    """A quadratic reader needs minutes for this."""
    body = b"data: " + b"x" * 400_000 + b"\n\n"
    assert read(*(body[i : i + 1] for i in range(len(body))), max_event_bytes=500_000) == [b"x" * 400_000]
