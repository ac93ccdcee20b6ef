"""protocol/topics.py"""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from antiphon.core.errors import BadRequest
from antiphon.protocol.topics import KINDS, Topic, parse_topic, run_topic, session_topic, user_topic, workspace_topic
from antiphon.testing import simulated_runtime

IDENT = st.text(alphabet="abcXYZ0189_-", min_size=1, max_size=12).filter(lambda text: text.strip("_-"))


def test_the_kinds_of_the_protocol() -> None:
    assert KINDS == ("session", "run", "workspace", "user")


def test_each_maker_makes_what_is_parsed() -> None:
    ids = simulated_runtime().ids
    made = {
        "session": (session_topic, ids.new("ses")), "run": (run_topic, ids.new("run")),
        "workspace": (workspace_topic, ids.new("ws")), "user": (user_topic, ids.new("usr")),
    }  # fmt: skip
    for kind, (make, ident) in made.items():
        topic = parse_topic(make(ident))
        assert (topic.kind, topic.id, str(topic)) == (kind, ident, f"{kind}:{ident}")


@given(st.sampled_from(KINDS), IDENT)
def test_a_topic_comes_back(kind: str, ident: str) -> None:
    topic = parse_topic(f"{kind}:{ident}")
    assert topic == Topic(kind, ident)  # type: ignore[arg-type]
    assert parse_topic(str(topic)) == topic


@pytest.mark.parametrize(
    "text",
    [
        "", ":", "session", "session:", ":ses_1", "Session:ses_1", "document:doc_1", "session:ses 1", "session:ses_1 ",
        "session:ses:1", "session:ses/1", "session:ses.1", "session:*", "session:ses\n1", "session:sés", "session:会话",
        "session:\x00", 'session:a"b', "session:___", " session:ses_1",
    ],
)  # fmt: skip
def test_anything_else_is_refused_by_name(text: str) -> None:
    with pytest.raises(BadRequest) as refused:
        parse_topic(text)
    assert repr(text) in refused.value.message
    assert all(f"{kind}:ID" in refused.value.message for kind in KINDS)


def test_a_long_refused_topic_is_cut_in_the_message() -> None:
    with pytest.raises(BadRequest) as refused:
        parse_topic("x" * 100_000)
    assert len(refused.value.message) < 200


@given(st.text(max_size=20))
def test_what_is_taken_can_be_spliced_into_json(text: str) -> None:
    """The log puts topics into frames as they are (`Entry.frame`)."""
    try:
        topic = parse_topic(f"session:{text}")
    except BadRequest:
        return
    assert topic.id.isascii()
    assert not set(topic.id) & set('"\\:/ \n\t')
