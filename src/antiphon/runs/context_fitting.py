"""What of history and passages fits a model's context window: whole turns and whole passages go, the least useful first.

Pure; used by nodes/fit.py. Tokens are estimated, on the safe side: tokenisers differ, and a model that says "too long" says it
late. Tests: tests/unit/runs/test_context_fitting.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from antiphon.models.chat import ChatMessage
from antiphon.retrieve.passage import Passage

CHARACTERS_A_TOKEN: Final = 3.2
"""Of Latin text; English has about 4.2 with today's tokenisers, German 3.5, code and tables 3."""
WIDE_A_TOKEN: Final = 1.0
"""CJK characters; today's tokenisers need 0.6 to 1 token for each."""
MESSAGE_TOKENS: Final = 6
PASSAGE_TOKENS: Final = 16
FRAME_TOKENS: Final = 64
ANSWER_SHARE: Final = 0.25
MOST_ANSWER_TOKENS: Final = 1024
KEPT_PASSAGES: Final = 2
"""The latest turn goes before these do: a follow-up without it is hardly understood, an answer without passages is none."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Fitted:
    """`tokens`: the estimate of what is left, the room for the answer not counted. `dropped_messages` are whole turns."""

    history: list[ChatMessage]
    passages: list[Passage]
    dropped_messages: int
    dropped_passages: int
    tokens: int


def estimate_tokens(text: str) -> int:
    """At least what a usual tokeniser makes of it, 1.1 to 1.6 times as much."""
    wide = sum(1 for character in text if character >= "\u2e80") if not text.isascii() else 0
    return int(wide / WIDE_A_TOKEN + (len(text) - wide) / CHARACTERS_A_TOKEN) + 1


def fit_context(
    window: int,
    *,
    question: str,
    system: str,
    history: Sequence[ChatMessage],
    passages: Sequence[Passage],
    answer_tokens: int | None = None,
) -> Fitted:
    """What to keep for a window of so many tokens. Order of leaving: old turns, passages from the worst on down to
    `KEPT_PASSAGES`, the latest turn, passages down to one. That one stays even if it is too long: the model says so then."""
    reserve = min(answer_tokens or MOST_ANSWER_TOKENS, int(window * ANSWER_SHARE) if answer_tokens is None else window // 2)
    room = window - reserve - FRAME_TOKENS - estimate_tokens(question) - estimate_tokens(system)
    turns = [(turn, sum(MESSAGE_TOKENS + estimate_tokens(message.content) for message in turn)) for turn in _turns(history)]
    costs = [_passage_tokens(passage) for passage in passages]
    kept_turns, kept_passages = len(turns), len(costs)

    def used() -> int:
        return sum(cost for _, cost in turns[len(turns) - kept_turns :]) + sum(costs[:kept_passages])

    for fewest_turns, fewest_passages in ((1, len(costs)), (1, KEPT_PASSAGES), (0, KEPT_PASSAGES), (0, 1)):
        while used() > room and kept_turns > fewest_turns:
            kept_turns -= 1
        while used() > room and kept_passages > fewest_passages:
            kept_passages -= 1
    left = [message for turn, _ in turns[len(turns) - kept_turns :] for message in turn]
    return Fitted(
        history=left,
        passages=list(passages[:kept_passages]),
        dropped_messages=len(history) - len(left),
        dropped_passages=len(passages) - kept_passages,
        tokens=window - reserve - room + used(),
    )


def _turns(history: Sequence[ChatMessage]) -> list[list[ChatMessage]]:
    """A turn begins with what the user said; what stands before the first of them is one too."""
    turns: list[list[ChatMessage]] = []
    for message in history:
        if message.role == "user" or not turns:
            turns.append([])
        turns[-1].append(message)
    return turns


def _passage_tokens(passage: Passage) -> int:
    lines = passage.text.count("\n") + 1  # each is quoted
    return PASSAGE_TOKENS + lines + sum(map(estimate_tokens, (passage.title, *passage.heading_path, passage.text)))
