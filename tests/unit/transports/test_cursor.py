"""transports/cursor.py: what moves the cursor, and what is none."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from antiphon.core.errors import BadRequest
from antiphon.protocol.commands import Since
from antiphon.storage.event_log.contract import Entry
from antiphon.transports.cursor import LONGEST_CURSOR, Cursor

NAMES = st.text("abcXYZ019_-", min_size=1, max_size=40)
TOPICS = st.sampled_from(["session", "run", "user", "workspace"]).flatmap(lambda kind: NAMES.map(lambda name: f"{kind}:{name}"))


@given(st.dictionaries(TOPICS, st.builds(Since, NAMES, st.integers(0, 2**53 - 1)), max_size=6))
def test_what_is_written_is_read(positions: dict[str, Since]) -> None:
    read = Cursor.parse(str(Cursor(positions)))
    assert {topic: read.since(topic) for topic in positions} == positions


@pytest.mark.parametrize(
    "text",
    [
        "x",
        "session:a@e",
        "session:a@e:-1",
        "session:a@e:1,",
        "a@e:1",
        "session:a@e:1 ",
        "session:a@e:" + "9" * 17,
        "s" * LONGEST_CURSOR + ":a@e:1",
    ],
)
def test_what_is_no_cursor(text: str) -> None:
    with pytest.raises(BadRequest, match="cursor"):
        Cursor.parse(text)


def test_nothing_is_the_beginning() -> None:
    assert str(Cursor.parse(None)) == str(Cursor.parse("")) == ""


def test_frames_move_it_and_the_announcement_does_not() -> None:
    cursor = Cursor.parse("session:a@e:3")
    assert not cursor.after_frame(b'{"type":"subscribed","topic":"session:a","epoch":"e","seq":9,"mode":"replay"}')
    assert not cursor.after_frame(b'{"type":"ping","heads":{"session:a":9}}')
    assert str(cursor) == "session:a@e:3"
    assert cursor.after_frame(b'{"type":"answer_chunk","topic":"session:a","seq":7,"prev_seq":3}')
    assert str(cursor) == "session:a@e:7"
    assert cursor.after_entry(Entry("session:a", 8, "notice", b'{"type":"notice"}'))
    assert cursor.after_frame(b'{"type":"snapshot","topic":"session:a","epoch":"f","seq":2}')
    assert str(cursor) == "session:a@f:2"


def test_a_topic_without_a_position_does_not_move() -> None:
    """An event before the snapshot would give it a seq without an epoch."""
    cursor = Cursor({})
    assert not cursor.after_entry(Entry("session:a", 8, "notice", b'{"type":"notice"}'))
    assert str(cursor) == ""


def test_other_topics_are_forgotten() -> None:
    cursor = Cursor.parse("session:a@e:3,user:b@e:4")
    cursor.keep({"user:b": None})
    assert str(cursor) == "user:b@e:4"
