"""storage/event_log/ring.py: the newest entries, contiguous up to the head, within two bounds."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from antiphon.storage.event_log.contract import Entry, text_frame
from antiphon.storage.event_log.ring import ENTRY_OVERHEAD_BYTES, TopicRing


def ring_of(count: int, *, head: int = 0, max_entries: int = 100, max_bytes: int = 10**6, body: bytes = b"{}") -> TopicRing:
    ring = TopicRing("t", head)
    for seq in range(head + 1, head + count + 1):
        ring.add(Entry("t", seq, "notice", body), max_entries=max_entries, max_bytes=max_bytes)
    return ring


def test_an_empty_ring_knows_only_its_head() -> None:
    ring = ring_of(0, head=7)
    assert (ring.head, ring.first_seq, ring.size_bytes) == (7, 8, 0)
    assert ring.since(7) == []
    assert ring.since(6) is ring.since(8) is None


@given(
    count=st.integers(0, 40), head=st.integers(0, 5), most=st.integers(1, 40), dropped=st.integers(0, 50), seq=st.integers(0, 60)
)
def test_since_gives_exactly_what_follows_or_nothing(count: int, head: int, most: int, dropped: int, seq: int) -> None:
    ring = ring_of(count, head=head, max_entries=most)
    ring.drop_up_to(dropped)
    at_hand = list(range(max(head + 1, head + count - most + 1, dropped + 1), head + count + 1))
    assert [entry.seq for entry in ring.entries] == at_hand
    assert ring.head == head + count
    entries = ring.since(seq)
    wanted = list(range(seq + 1, ring.head + 1))
    if seq <= ring.head and all(number in at_hand for number in wanted):
        assert [entry.seq for entry in entries or []] == wanted
        assert entries is not None
    else:
        assert entries is None


def test_bytes_are_bounded_and_one_entry_stays_whatever_its_size() -> None:
    one = ENTRY_OVERHEAD_BYTES + 1000
    ring = ring_of(10, max_bytes=3 * one, body=b"x" * 1000)
    assert (len(ring.entries), ring.size_bytes) == (3, 3 * one)
    ring = ring_of(3, max_bytes=10, body=b"x" * 1000)
    assert (len(ring.entries), ring.size_bytes) == (1, one)
    ring.drop_up_to(99)
    assert ring.size_bytes == 0


def test_only_the_newest_entry_keeps_its_wire_form() -> None:
    ring = ring_of(1)
    first = ring.entries[0]
    assert first.wire is first.wire
    ring.add(Entry("t", 2, "notice", b"{}"), max_entries=9, max_bytes=999)
    assert first._wire is None
    assert first.wire == text_frame(first.frame)


@pytest.mark.parametrize(("size", "head"), [(0, b"\x81\x00"), (125, b"\x81\x7d"), (126, b"\x81\x7e\x00\x7e"), (65535, b"\x81\x7e\xff\xff"),
                                            (65536, b"\x81\x7f\x00\x00\x00\x00\x00\x01\x00\x00")])  # fmt: skip
def test_frames_are_those_of_rfc_6455(size: int, head: bytes) -> None:
    assert text_frame(b"x" * size) == head + b"x" * size
