"""What is offered after an answer: when at least three of the found chunks lie in one section, to sum that section up.

A suggestion is a whole command; sending it asks a question whose scope is the section. Pure; used by runs/closing.py. Tests:
tests/unit/runs/test_suggestions.py.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

from antiphon.retrieve.passage import Passage

LEAST_CHUNKS: Final = 3
_LONGEST_HEADING: Final = 120


def suggestions_of(
    passages: Sequence[Passage], *, language: str, session_id: str | None, new_id: Callable[[], str]
) -> list[dict[str, Any]]:  # fmt: skip
    """At most one: for the deepest section with enough chunks, the one with most of them. A document without headings has no
    sections. Fields as of the event `suggestion`."""
    found = _section(passages)
    if found is None:
        return []
    path, passage = found
    scope: dict[str, Any] = {"document_ids": [passage.document_id], "section": path}
    command: dict[str, Any] = {"type": "chat_message", "content": _words(path, passage.title, language), "scope": scope}
    if session_id is not None:
        command["session_id"] = session_id
    suggestion: dict[str, Any] = {
        "suggestion_id": new_id(), "kind": "extract", "text": command["content"], "document_id": passage.document_id,
        "command": command,
    }  # fmt: skip
    if passage.anchor is not None:
        suggestion["anchor"] = passage.anchor
    if passage.page is not None:
        suggestion["page"] = passage.page
    return [suggestion]


def _section(passages: Sequence[Passage]) -> tuple[list[str], Passage] | None:
    """(headings, the best passage below them)."""
    deepest = max((len(passage.heading_path) for passage in passages), default=0)
    for depth in range(deepest, 0, -1):
        groups: dict[tuple[str, ...], list[Passage]] = {}
        for passage in passages:
            if len(passage.heading_path) >= depth:
                groups.setdefault((passage.document_id, *passage.heading_path[:depth]), []).append(passage)
        best = max(groups.items(), key=lambda group: sum(one.chunks for one in group[1]), default=None)
        if best is not None and sum(one.chunks for one in best[1]) >= LEAST_CHUNKS:
            return list(best[0][1:]), best[1][0]
    return None


def _words(path: Sequence[str], title: str, language: str) -> str:
    heading = path[-1][:_LONGEST_HEADING]
    return f"总结《{title}》中“{heading}”这一部分" if language == "zh" else f"Summarise the section “{heading}” of “{title}”"
