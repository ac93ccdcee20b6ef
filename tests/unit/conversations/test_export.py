from __future__ import annotations

import re
from typing import Any

import msgspec
import pytest

from antiphon.conversations.export import escape_markdown, session_as_json, session_as_markdown, tame_markdown
from antiphon.storage.records.rows import MessageRow, SessionRow

SESSION = SessionRow(id="ses_1", workspace_id="ws_1", author_id="usr_1", title="Leave & <pay>", created_at=0.0, updated_at=0.0)


def message(role: str, content: str, **more: Any) -> MessageRow:
    return MessageRow(
        id="msg", session_id="ses_1", workspace_id="ws_1", ordinal=1, role=role, content=content, created_at=0.0, **more
    )  # type: ignore[arg-type]


def test_a_conversation_reads_as_one():
    source = {"n": 1, "title": "Hand*book*", "page": 4}
    text = session_as_markdown(
        SESSION,
        [
            message("user", "How *many*?", author_name="Ann"),
            message("assistant", "**20** days [1].", sources=[source], state="stopped"),
        ],
    )
    assert text == (
        "# Leave \\& \\<pay\\>\n\n## Ann\n\nHow \\*many\\*?\n\n## Answer (stopped)\n\n**20** days [1].\n\n"
        "- \\[1\\] Hand\\*book\\*, page 4\n"
    )


def test_json_holds_everything_as_it_is():
    content = "<b>=1+1</b> \u202e"
    exported = msgspec.json.decode(
        msgspec.json.encode(session_as_json(SESSION, [message("assistant", content, citations=[{"n": 1}])]))
    )
    assert exported["format"] == "antiphon.session.v1"
    assert exported["session"]["title"] == SESSION.title
    assert exported["messages"][0]["content"] == content
    assert exported["messages"][0]["citations"] == [{"n": 1}]


@pytest.mark.parametrize(
    ("typed", "shown"),
    [
        ("<script>alert(1)</script>", "\\<script\\>alert\\(1\\)\\</script\\>"),
        ("# no heading", "\\# no heading"),
        ("=HYPERLINK(0)", "\\=HYPERLINK\\(0\\)"),
        ("@import", "\\@import"),
        ("+1\n-1", "\\+1\\\n\\-1"),
        ("1. no list", "1\\. no list"),
        ("![x](http://e/?q)", "\\!\\[x\\]\\(http://e/?q\\)"),
        ("&copy;", "\\&copy;"),
        ("one\ntwo\n\nthree", "one\\\ntwo\n\nthree"),
        ("    no code", "no code"),
        ("$x$", "\\$x\\$"),
    ],
)
def test_what_people_typed_is_shown_as_it_is(typed: str, shown: str):
    assert escape_markdown(typed) == shown


@pytest.mark.parametrize(
    ("answer", "tamed"),
    [
        ("**bold** and `code` [1]", "**bold** and `code` [1]"),
        ("a < b and c<3", "a < b and c<3"),
        ("<script>x</script>", "&lt;script>x&lt;/script>"),
        ("<img src=http://e/?q=1>", "&lt;img src=http://e/?q=1>"),
        ("<!-- hidden -->", "&lt;!-- hidden -->"),
        ("![pixel](http://e/?q=secret)", "[pixel](http://e/?q=secret)"),
        ("[x](javascript:alert(1))", "[x](unsafe:javascript:alert(1))"),
        ("[x](JaVaScRiPt:alert(1))", "[x](unsafe:JaVaScRiPt:alert(1))"),
        ("[x](&#106;avascript&colon;alert(1))", "[x](unsafe:&#106;avascript&colon;alert(1))"),
        ("[x]( data:text/html,1)", "[x]( unsafe:data:text/html,1)"),
        ("[x](\njavascript:alert(1))", "[x](\nunsafe:javascript:alert(1))"),
        ("[x]: javascript:alert(1)", "[x]: unsafe:javascript:alert(1)"),
        ("[x](ms-calculator:)", "[x](unsafe:ms-calculator:)"),
        (
            "[a](https://a.example/?x=1:2) [b](/here#p:3) [c](mailto:a@b)",
            "[a](https://a.example/?x=1:2) [b](/here#p:3) [c](mailto:a@b)",
        ),
        ("Note: the data:set and file:names", "Note: the data:set and file:names"),
        ("`<b>` stays, <b> not", "`<b>` stays, &lt;b> not"),
        ("``a ` <i>`` <i>", "``a ` <i>`` &lt;i>"),
        ("```html\n<b>\n```\n<b>", "```html\n<b>\n```\n&lt;b>"),
        ("~~~\n![x](y)\n~~~", "~~~\n![x](y)\n~~~"),
        ("```\ncut off", "```\ncut off\n```"),
        ("=1+1", "\\=1+1"),
    ],
)
def test_answers_stay_markdown_that_runs_and_loads_nothing(answer: str, tamed: str):
    assert tame_markdown(answer) == tamed


def test_an_answer_cut_in_a_code_block_does_not_swallow_the_next_question():
    text = session_as_markdown(SESSION, [message("assistant", "```\nx"), message("user", "<b>")])
    assert re.search(r"```\nx\n```\n\n## Question\n\n\\<b\\>", text)
