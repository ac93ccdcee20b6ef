"""protocol/commands.py"""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from antiphon.protocol import commands
from antiphon.protocol.commands import (
    AuthRefresh,
    ChatMessage,
    Hello,
    History,
    Payload,
    Pong,
    Since,
    Stop,
    Subscribe,
    Unsubscribe,
)

LEAST: dict[type[Payload], dict[str, Any]] = {
    commands.SuggestionDismiss: {"session_id": "ses_1", "suggestion_id": "sug_1"},
    Hello: {}, AuthRefresh: {}, Subscribe: {"topic": "session:s"}, Unsubscribe: {"topic": "session:s"}, ChatMessage: {"content": "?"}, Stop: {},
    History: {"topic": "session:s"}, Pong: {},
}  # fmt: skip
PAYLOADS = list(LEAST)


def name(value: object) -> str:
    return getattr(value, "__name__", str(value))


def test_every_payload_is_looked_at_here() -> None:
    defined = {each for each in vars(commands).values() if isinstance(each, type) and issubclass(each, Payload)}
    assert defined - {Payload} == set(LEAST)


@pytest.mark.parametrize("payload", PAYLOADS, ids=name)
def test_the_least_is_enough_and_anything_more_is_refused(payload: type[Payload]) -> None:
    assert isinstance(msgspec.convert(LEAST[payload], payload), payload)
    with pytest.raises(msgspec.ValidationError, match="sesion_id"):
        msgspec.convert({**LEAST[payload], "sesion_id": "ses_1"}, payload)


@pytest.mark.parametrize("payload", [each for each in PAYLOADS if LEAST[each]], ids=name)
def test_what_is_needed_is_needed(payload: type[Payload]) -> None:
    for field in LEAST[payload]:
        with pytest.raises(msgspec.ValidationError, match=field):
            msgspec.convert({key: value for key, value in LEAST[payload].items() if key != field}, payload)
        with pytest.raises(msgspec.ValidationError, match=field):
            msgspec.convert({**LEAST[payload], field: 7}, payload)


def test_a_question_with_everything() -> None:
    given = {
        "content": "什么？", "session_id": "ses_1", "workspace_id": "ws_1", "attachments": [{"document_id": "doc_1"}],
        "model": "extractive", "parent_id": "msg_1", "draft": "d", "on_busy": "interrupt", "seed": 7,
        "scope": {"workspace_ids": ["ws_1"], "document_ids": [], "tags": ["a"], "paths": ["b/"], "section": ["A"]},
    }  # fmt: skip
    question = msgspec.convert(given, ChatMessage)
    assert msgspec.to_builtins(question) == given


@pytest.mark.parametrize(
    "wrong", [{"on_busy": "wait"}, {"seed": -1}, {"scope": {"workspaces": []}}, {"attachments": "doc_1"}, {"content": None}]
)
def test_a_wrong_question_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({"content": "?", **wrong}, ChatMessage)


def test_a_position_has_both_its_parts() -> None:
    since = msgspec.convert({"topic": "session:s", "since": {"epoch": "e", "seq": 4}}, Subscribe).since
    assert since == Since(epoch="e", seq=4)
    for half in ({"epoch": "e"}, {"seq": 4}, {"epoch": "e", "seq": "4"}, {"epoch": 1, "seq": 4}):
        with pytest.raises(msgspec.ValidationError):
            msgspec.convert({"topic": "session:s", "since": half}, Subscribe)


def test_a_filter_refuses_what_it_does_not_know() -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({"topic": "session:s", "filter": {"kinds": []}}, Subscribe)


def test_defaults() -> None:
    one, other = ChatMessage(content="?"), ChatMessage(content="?")
    assert (one.on_busy, one.attachments, one.scope) == ("reject", [], None)
    one.attachments.append({})
    assert other.attachments == []
    assert History(topic="session:s").limit == 50
