"""runs/marks.py: what is a citation mark and what is not. Any split: tests/properties/test_marks.py."""

from __future__ import annotations

import pytest

from antiphon.runs.marks import MAX_MARK_CHARACTERS, Mark, MarkScanner


@pytest.mark.parametrize(
    ("text", "marks"),
    [
        ("a [1].", [Mark((1,), 2, 5)]),
        ("[1][2]", [Mark((1,), 0, 3), Mark((2,), 3, 6)]),
        ("🙂𝒳[12]", [Mark((12,), 2, 6)]),
        ("见【1，3、5】。", [Mark((1, 3, 5), 1, 8)]),
        ("[ ^2 , 4 ]", [Mark((2, 4), 0, 10)]),
        ("[1】", [Mark((1,), 0, 3)]),
        ("[[3]]", [Mark((3,), 1, 4)]),
        ("[1][", [Mark((1,), 0, 3)]),
    ],
)  # fmt: skip
def test_marks(text: str, marks: list[Mark]) -> None:
    assert MarkScanner().feed(text) == marks


@pytest.mark.parametrize("text", ["", "[]", "[a]", "[1", "1]", "[1234]", "[1;2]", "[1,]", "(1)", "[link](1)", "[x1]"])
def test_what_is_no_mark(text: str) -> None:
    assert MarkScanner().feed(text) == []


def test_a_mark_is_found_when_its_bracket_closes() -> None:
    scanner = MarkScanner()
    assert [scanner.feed(piece) for piece in ("so [", "1", ",", " 2", "] and [3", "]")] == [
        [], [], [], [], [Mark((1, 2), 3, 9)], [Mark((3,), 14, 17)],
    ]  # fmt: skip


def test_an_open_bracket_is_not_remembered_for_ever() -> None:
    scanner = MarkScanner()
    scanner.feed("[" + " " * MAX_MARK_CHARACTERS)
    assert scanner._tail == ""
    assert scanner.feed("1]") == []
    assert scanner.feed("[2]") == [Mark((2,), MAX_MARK_CHARACTERS + 3, MAX_MARK_CHARACTERS + 6)]
