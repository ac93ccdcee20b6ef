"""runs/turns.py: what a model is told of a conversation."""

from __future__ import annotations

from typing import Any

from antiphon.runs.turns import said_in
from antiphon.storage.records.rows import MessageRow


def row(role: Any, content: str, **more: Any) -> MessageRow:
    return MessageRow(id="m", session_id="s", workspace_id="w", ordinal=1, role=role, content=content, created_at=0.0, **more)


def test_empty_answers_are_left_out() -> None:
    turns = said_in([row("user", "Q"), row("assistant", ""), row("user", "Again?"), row("assistant", "A")])
    assert [(turn.role, turn.content) for turn in turns] == [("user", "Q"), ("user", "Again?"), ("assistant", "A")]


def test_what_was_said_into_an_answer_stands_where_it_was_said() -> None:
    steers = [{"offset": 3, "content": "In hours."}, {"offset": 3, "content": "Short."}]
    turns = said_in([row("assistant", "One two", steers=steers)])
    assert [(turn.role, turn.content) for turn in turns] == [
        ("assistant", "One"), ("user", "In hours."), ("user", "Short."), ("assistant", " two"),
    ]  # fmt: skip
