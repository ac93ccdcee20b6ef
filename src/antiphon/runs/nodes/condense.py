"""Node `condense`: a follow-up question as one query that can be searched without the conversation.

Now by joining earlier user turns, each with half the room of the one after it, and only to a question that says next to
nothing itself: joined to every follow-up they drown it, as a query has no weights yet (docs/subsystems/flows.md has the
figures). The setting `method` is the seam for the road by a model: a further `Condenser` under a further name.
Tests: tests/unit/runs/test_nodes_condense.py.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final, Protocol

from antiphon.flows.descriptor import NodeDescriptor, Port
from antiphon.models.chat import ChatMessage
from antiphon.runs.node import NodeContext
from antiphon.storage.lexical.tokens import content_terms, query_terms

_DEFAULT_METHOD: Final = "weigh"
_WORD: Final = re.compile(r"[㐀-䶿一-鿿豈-﫿぀-ヿ]{1,2}|[^\W_]+(?:['’\-][^\W_]+)*")
"""A word as budgets count them: two CJK characters, or a run of letters and digits."""

CONDENSE: Final = NodeDescriptor(
    type="condense",
    label="Condense",
    description="Turns a follow-up question into a query that stands by itself.",
    inputs=[
        Port(name="question", type="text", description="The question as asked."),
        Port(name="history", type="messages", required=False, description="Earlier messages, oldest first."),
    ],
    outputs=[
        Port(name="query", type="text", description="What to search for."),
        Port(
            name="earlier",
            type="json",
            description="What the user asked before, latest first; for `retrieve`, where it counts less.",
        ),
    ],
    settings_schema={
        "type": "object",
        "properties": {
            "method": {
                "enum": [_DEFAULT_METHOD, "join"],
                "default": _DEFAULT_METHOD,
                "description": "`weigh`: the question, with earlier user turns beside it that count less. `join`: both in one text.",
            },
            "alone_terms": {
                "type": "number",
                "minimum": 0,
                "maximum": 100,
                "default": 1,
                "description": "Of `join`: a question with more terms of its own is searched alone; a CJK pair counts half.",
            },
            "turns": {
                "type": "integer",
                "minimum": 0,
                "maximum": 10,
                "default": 2,
                "description": "Earlier user turns at most. 0: the question alone.",
            },
            "words": {
                "type": "integer",
                "minimum": 0,
                "maximum": 200,
                "default": 24,
                "description": "Of `join`: words taken from the latest earlier turn; each turn before it gives half as many.",
            },
        },
    },
    pure=True,
)


class Condenser(Protocol):
    async def condense(self, question: str, history: Sequence[ChatMessage], context: NodeContext) -> str:
        """The query for `question`; `history` is oldest first."""
        ...


class WeighEarlierTurns:
    """The question as it is; the earlier turns go beside it (`CondenseNode`)."""

    async def condense(self, question: str, history: Sequence[ChatMessage], context: NodeContext) -> str:  # noqa: ARG002
        return question


class JoinEarlierTurns:
    """The question first, then, if it needs them, what the user asked before, latest first, in a decaying number of words."""

    async def condense(self, question: str, history: Sequence[ChatMessage], context: NodeContext) -> str:
        settings = context.settings
        if own_terms(question) > settings["alone_terms"]:
            return question
        return join_turns(question, history, turns=int(settings["turns"]), words=int(settings["words"]))


def own_terms(question: str) -> float:
    """How much the question itself gives to search for: its content terms, a CJK pair counted half."""
    return sum(1.0 if term.isascii() else 0.5 for term in content_terms(query_terms(question)))


def join_turns(question: str, history: Sequence[ChatMessage], *, turns: int, words: int) -> str:
    """`question` and up to `turns` earlier user turns; the n-th of them gives `words / 2**(n - 1)` words at most."""
    earlier = [message.content for message in reversed(history) if message.role == "user"][:turns]
    pieces = [question]
    for content in earlier:
        piece = _first_words(content, words)
        if piece:
            pieces.append(piece)
        words //= 2
    return "\n".join(pieces)


def _first_words(text: str, count: int) -> str:
    """The beginning of `text` up to and with its `count`-th word, as it stands there."""
    end = 0
    for n, word in enumerate(_WORD.finditer(text), start=1):
        if n > count:
            break
        end = word.end()
    return text[:end].strip()


class CondenseNode:
    def __init__(self, condensers: Mapping[str, Condenser] | None = None) -> None:
        self._condensers: Mapping[str, Condenser] = condensers or {
            _DEFAULT_METHOD: WeighEarlierTurns(),
            "join": JoinEarlierTurns(),
        }

    async def run(self, context: NodeContext, inputs: Mapping[str, Any]) -> Mapping[str, Any]:
        method = context.settings["method"]
        history: Sequence[ChatMessage] = inputs["history"] or []
        query = await self._condensers[method].condense(inputs["question"], history, context)
        turns = int(context.settings["turns"]) if method == _DEFAULT_METHOD else 0
        earlier = [message.content for message in reversed(history) if message.role == "user"][:turns]
        return {"query": query, "earlier": earlier}
