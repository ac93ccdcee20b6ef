from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from antiphon.core.display_names import MAX_NAME_CHARACTERS, clean_file_name, clean_name, demand_name, title_of
from antiphon.core.errors import BadRequest


@pytest.mark.parametrize(
    ("given_name", "shown"),
    [
        ("report.pdf", "report.pdf"),
        ("../../etc/passwd", "passwd"),
        ("..\\..\\boot.ini", "boot.ini"),
        ("C:\\Users\\ann\\员工手册.pdf", "员工手册.pdf"),
        ("a\r\nSet-Cookie: x", "a Set-Cookie: x"),
        ("nul\x00byte.txt", "nulbyte.txt"),
        ("invoice\u202efdp.exe", "invoicefdp.exe"),
        ("\u2066hidden\u2069\ufeff.md", "hidden.md"),
        ("<script>alert(1)<b>.txt", "<script>alert(1)<b>.txt"),
        ("", "document"),
        ("..", "document"),
        ("///", "document"),
        ("\u202e\x00", "document"),
        ("e\u0301te\u0301.md", "été.md"),
        ("می\u200cخواهم.txt", "می\u200cخواهم.txt"),
    ],
)
def test_file_names(given_name: str, shown: str):
    assert clean_file_name(given_name) == shown


def test_a_very_long_name_keeps_its_extension():
    cleaned = clean_file_name("x" * 5000 + ".pdf")
    assert len(cleaned) == MAX_NAME_CHARACTERS
    assert cleaned.endswith("….pdf")


@given(st.text(max_size=600))
def test_whatever_comes_is_one_bounded_line_of_visible_characters(text: str):
    for cleaned in (clean_name(text), clean_file_name(text), title_of(text)):
        assert len(cleaned) <= MAX_NAME_CHARACTERS + 1
        assert not [
            c
            for c in cleaned
            if unicodedata.category(c) in {"Cc", "Cs", "Zl", "Zp"} or c in "\u202a\u202b\u202d\u202e\u2066\u2067\u2068\u2069"
        ]
        assert cleaned == cleaned.strip()
    assert "/" not in clean_file_name(text)
    assert clean_name(clean_name(text)) == clean_name(text)


def test_a_name_with_nothing_to_see_is_refused():
    with pytest.raises(BadRequest, match="workspace"):
        demand_name("\u200b \u202e", "workspace")


@pytest.mark.parametrize(
    ("question", "title"),
    [
        ("How many days of leave?", "How many days of leave?"),
        ("  What \n about\tthis? ", "What about this?"),
        ("", ""),
        (
            "How many days of paid leave do new employees have in their first calendar year?",
            "How many days of paid leave do new employees have in their…",
        ),
        (
            "新员工入职第一年可以享受多少天带薪年假以及如何向直属主管提出申请并获得批准呢请详细说明",
            "新员工入职第一年可以享受多少天带薪年假以及如何向直属主管提出…",
        ),
        ("x" * 100, "x" * 60 + "…"),
    ],
)
def test_titles(question: str, title: str):
    assert title_of(question) == title
