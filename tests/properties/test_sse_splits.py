"""However the bytes of a stream are split, its events are the same; and what was encoded is what is read."""

from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st

from antiphon.core.errors import ModelError
from antiphon.models.sse import SseReader

MAX_BYTES = 40
line = st.one_of(
    st.sampled_from([b"", b"", b"data", b"data:", b": comment", b"event: x", b"data: [DONE]", b"\xef\xbb\xbf"]),
    st.text(alphabet="aé答😀: {}", max_size=12).map(lambda text: b"data: " + text.encode()),
    st.binary(max_size=6),
    st.integers(30, 50).map(lambda size: b"data: " + b"x" * size),
)
stream = st.lists(st.tuples(line, st.sampled_from([b"\n", b"\r\n", b"\r"])), max_size=12).map(
    lambda lines: b"".join(text + end for text, end in lines)
)


def events(pieces: list[bytes]) -> tuple[list[bytes], bool]:
    seen: list[bytes] = []
    reader = SseReader(seen.append, max_event_bytes=MAX_BYTES)
    try:
        for piece in pieces:
            reader.feed(piece)
        reader.end()
    except ModelError:
        return seen, True
    return seen, False


@given(stream, st.lists(st.integers(0, 200), max_size=30))
def test_any_split_gives_the_same_events(body: bytes, places: list[int]) -> None:
    cuts = [0, *sorted(place % (len(body) + 1) for place in places), len(body)]
    split = [body[start:end] for start, end in itertools.pairwise(cuts)]
    assert b"".join(split) == body
    assert events(split) == events([body])


@given(stream)
def test_byte_by_byte_gives_the_same_events(body: bytes) -> None:
    assert events([body[i : i + 1] for i in range(len(body))]) == events([body])


@given(st.lists(st.text(alphabet=st.characters(exclude_characters="\r\n\0", exclude_categories=["Cs"]), max_size=9), max_size=8))
def test_what_was_written_is_read(payloads: list[str]) -> None:
    body = b"".join(b"data: " + payload.encode() + b"\r\n\r\n" for payload in payloads)
    assert events([body]) == ([payload.encode() for payload in payloads], False)
