from __future__ import annotations

import pytest

from antiphon.ingest.office.docx_numbering import Numbering, written
from antiphon.ingest.office.markup import parse_markup


def level(number: int, form: str, text: str, more: str = "") -> str:
    return f'<w:lvl w:ilvl="{number}"><w:numFmt w:val="{form}"/><w:lvlText w:val="{text}"/>{more}</w:lvl>'


def numbering(*levels: str, more: str = "") -> Numbering:
    return Numbering(
        parse_markup(
            f'<w:numbering xmlns:w="w"><w:abstractNum w:abstractNumId="0">{"".join(levels)}</w:abstractNum>'
            f'<w:num w:numId="1"><w:abstractNumId w:val="0"/></w:num>{more}</w:numbering>'.encode()
        )
    )


def test_levels_count_below_each_other() -> None:
    lists = numbering(level(0, "decimal", "%1."), level(1, "decimal", "%1.%2"), level(2, "lowerLetter", "(%3)"))
    labels = [lists.label("1", at) for at in (0, 1, 1, 2, 2, 0, 1)]
    assert labels == ["1. ", "1.1 ", "1.2 ", "(a) ", "(b) ", "2. ", "2.1 "]


def test_a_level_left_out_counts_as_begun() -> None:
    lists = numbering(level(0, "decimal", "%1."), level(1, "decimal", "%1.%2."), level(2, "decimal", "%1.%2.%3."))
    assert [lists.label("1", at) for at in (0, 2, 1)] == ["1. ", "1.1.1. ", "1.2. "]


def test_lists_of_one_kind_go_on_or_start_again() -> None:
    second = '<w:num w:numId="2"><w:abstractNumId w:val="0"/></w:num>'
    third = '<w:num w:numId="3"><w:abstractNumId w:val="0"/><w:lvlOverride w:ilvl="0"><w:startOverride w:val="7"/></w:lvlOverride></w:num>'
    lists = numbering(level(0, "chineseCounting", "第%1条"), more=second + third)
    assert [lists.label(key, 0) for key in ("1", "1", "2", "3", "3")] == ["第一条 ", "第二条 ", "第三条 ", "第七条 ", "第八条 "]


def test_bullets_and_unknown_lists() -> None:
    lists = numbering(level(0, "bullet", "\uf0b7"), level(1, "none", ""))
    assert (lists.label("1", 0), lists.label("1", 1), lists.label("9", 0), lists.label("1", 99)) == ("- ", "", "", "")
    assert Numbering(None).label("1", 0) == ""


@pytest.mark.parametrize(
    ("number", "form", "text"),
    [
        (4, "upperRoman", "IV"), (1999, "lowerRoman", "mcmxcix"), (28, "upperLetter", "BB"), (10, "chineseCounting", "十"),
        (25, "chineseCountingThousand", "二十五"), (103, "chineseCounting", "一百〇三"), (7, "decimalZero", "07"),
        (3, "decimalEnclosedCircle", "③"), (5, "somethingNew", "5"), (0, "lowerLetter", "0"),
    ],
)  # fmt: skip
def test_numbers_are_written_in_many_ways(number: int, form: str, text: str) -> None:
    assert written(number, form) == text
