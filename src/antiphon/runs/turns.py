"""Messages of a conversation as a model is given them. Used by runs/submission.py, runs/replay.py and runs/waiting.py.

Tests: tests/unit/runs/test_turns.py.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from antiphon.access.scope import Scope
from antiphon.models.chat import ChatMessage
from antiphon.runs.branches import Turn
from antiphon.storage.records.contract import Transaction
from antiphon.storage.records.rows import MESSAGES, MessageRow


def said_in(messages: Iterable[MessageRow]) -> list[ChatMessage]:
    """Oldest first, as given; empty ones are left out. What was said into an answer stands where it was said."""
    return [turn for message in messages for turn in _turns(message) if turn.content]


def said_by(tx: Transaction, scope: Scope, turns: Iterable[Turn]) -> list[ChatMessage]:
    """As `said_in`, where only what a model needs was read; a steered answer is read whole."""
    said: list[ChatMessage] = []
    for turn in turns:
        row = tx.get(MESSAGES, scope, turn.id) if turn.steer_count else None
        said += [ChatMessage(role=turn.role, content=turn.content)] if row is None else _turns(row)
    return [each for each in said if each.content]


def _turns(message: MessageRow) -> Iterator[ChatMessage]:
    begin = 0
    for steer in message.steers:
        offset = int(steer["offset"])
        yield ChatMessage(role="assistant", content=message.content[begin:offset])
        yield ChatMessage(role="user", content=str(steer["content"]))
        begin = offset
    yield ChatMessage(role=message.role, content=message.content[begin:])
