from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from antiphon.storage.lexical import tokens as t


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Running runs RAN", ["run", "run", "ran"]),
        ("The employees' cafés don't", ["the", "employe", "cafe", "dont"]),
        ("1,234.50 and 3.5%", ["1234", "50", "and", "3", "5"]),
        ("snake_case C++ E-21", ["snake", "case", "c", "e", "21"]),
        ("年假", ["年", "年假", "假"]),
        ("資 訊\n科技", ["资", "资讯", "讯", "讯科", "科", "科技", "技"]),
        ("用GPU算", ["用", "gpu", "算"]),
        ("ﬁne ＡＢＣ１２", ["fine", "abc", "12"]),
        ("カタカナ", ["カ", "カタ", "タ", "タカ", "カ", "カナ", "ナ"]),
        ("", []),
        ("!? \ud800 \x00", []),
    ],
)
def test_tokens_follow_the_recipe(text: str, expected: list[str]) -> None:
    assert t.tokens(text) == expected


def test_a_question_asks_for_pairs_and_for_single_characters_only_alone() -> None:
    assert t.query_terms("年假有 How many 年") == ["年假", "假有", "how", "mani", "年"]
    assert t.query_terms("年假年假") == ["年假", "假年"]


def test_traditional_and_simplified_meet() -> None:
    assert t.query_terms("軟體與資訊") == t.query_terms("软体与资讯")
    assert t.simplify("臺灣 abc") == "台湾 abc"


def test_an_index_entry_has_two_columns() -> None:
    assert t.index_tokens("Red\nwine", "Title \n 章") == "red wine\ntitl 章"


def test_function_words_do_not_count_as_content() -> None:
    assert t.content_terms(t.query_terms("What is the capital of Norway?")) == ["capit", "norway"]
    assert t.content_terms(t.query_terms("年假有多少天？")) == ["年假", "多少", "少天"]
    assert t.content_terms(["what", "is"]) == ["what", "is"]


def test_a_pasted_page_is_a_bounded_question() -> None:
    assert len(t.query_terms(" ".join(f"word{n}x" for n in range(5000)))) == t.MOST_QUERY_TERMS
    assert max(map(len, t.tokens("x" * 10_000))) == t.LONGEST_WORD_CHARACTERS


@given(st.text(max_size=200))
def test_tokens_survive_the_index(text: str) -> None:
    """What SQLite's ascii tokeniser would split or fold never comes out; simplifying keeps every offset."""
    assert len(t.simplify(text)) == len(text)
    for token in t.tokens(text):
        assert token
        assert all(ord(c) > 127 or c in "abcdefghijklmnopqrstuvwxyz0123456789" for c in token)
    assert set(t.query_terms(text)) <= set(t.tokens(text))


def test_single_characters_of_pairs_without_what_every_question_holds() -> None:
    assert t.single_characters(["年假", "的年", "day"]) == ["年", "假"]
    assert t.single_characters(["leave"]) == []
