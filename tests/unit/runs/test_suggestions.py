"""What is offered after an answer."""

from __future__ import annotations

import msgspec
import pytest
from msgspec import structs

from antiphon.protocol.commands import ChatMessage
from antiphon.protocol.events import Suggestion
from antiphon.retrieve.passage import Passage
from antiphon.runs.suggestions import suggestions_of
from antiphon.runs.summary_request import asks_for_summary
from antiphon.testing.flows import sample_passage


def passages(*found: tuple[str, str, int]) -> list[Passage]:
    """(document, path with `/`, chunks)."""
    return [
        structs.replace(sample_passage(n, document=document), heading_path=[h for h in path.split("/") if h], chunks=chunks)
        for n, (document, path, chunks) in enumerate(found, start=1)
    ]


def offered(*found: tuple[str, str, int], language: str = "en") -> list[dict[str, object]]:
    return suggestions_of(passages(*found), language=language, session_id="ses_1", new_id=lambda: "sug_1")


def test_three_chunks_of_a_section() -> None:
    (suggestion,) = offered(("a", "X/Y", 1), ("b", "X/Y", 2), ("b", "X/Y", 1))
    assert suggestion == {
        "suggestion_id": "sug_1", "kind": "extract", "text": "Summarise the section “Y” of “Title of b”", "document_id": "b", "page": 1,
        "command": {
            "type": "chat_message", "session_id": "ses_1", "content": "Summarise the section “Y” of “Title of b”",
            "scope": {"document_ids": ["b"], "section": ["X", "Y"]},
        },
    }  # fmt: skip
    Suggestion(**suggestion)  # type: ignore[arg-type]
    payload = msgspec.convert({k: v for k, v in suggestion["command"].items() if k != "type"}, ChatMessage)  # type: ignore[attr-defined]
    assert asks_for_summary(payload.content)


def test_in_chinese() -> None:
    (suggestion,) = offered(("a", "休假", 3), language="zh")
    assert suggestion["text"] == "总结《Title of a》中“休假”这一部分"
    assert asks_for_summary(str(suggestion["text"]))


@pytest.mark.parametrize(
    ("found", "section"),
    [
        ([("a", "X/Y", 1), ("a", "X/Z", 1), ("a", "X", 1)], ["X"]),
        ([("a", "X/Y", 3), ("a", "X/Z", 5)], ["X", "Z"]),
        ([("a", "X/Y", 1), ("a", "X/Z", 1)], None),
        ([("a", "", 9)], None),
        ([("a", "X", 2), ("b", "X", 2)], None),
        ([], None),
    ],
)
def test_the_deepest_section_with_enough(found: list[tuple[str, str, int]], section: list[str] | None) -> None:
    suggestions = offered(*found)
    assert [one["command"]["scope"]["section"] for one in suggestions] == ([section] if section else [])  # type: ignore[index]
