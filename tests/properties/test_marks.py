"""Citation marks: however an answer is cut into pieces, the same marks are found at the same places."""

from __future__ import annotations

import re

from hypothesis import example, given, settings
from hypothesis import strategies as st

from antiphon.runs.marks import MAX_MARK_CHARACTERS, Mark, MarkScanner

WHOLE = re.compile(r"[\[【]\s*\^?\d{1,3}(?:\s*[,，、]\s*\^?\d{1,3})*\s*[\]】]")
texts = st.lists(st.sampled_from([*"[]【】,，、^123 ", "\n", "a", "🙂", "𝒳", "休", "[12]", "【3】", "[1, 2]"]), max_size=30).map(
    "".join
)


def split(text: str, cuts: list[int]) -> list[str]:
    places = sorted({cut % (len(text) + 1) for cut in cuts})
    return [text[start:end] for start, end in zip([0, *places], [*places, len(text)], strict=True)]


def found(pieces: list[str]) -> list[Mark]:
    scanner = MarkScanner()
    return [mark for piece in pieces for mark in scanner.feed(piece)]


@settings(max_examples=500, deadline=None)
@given(text=texts, cuts=st.lists(st.integers(0, 400), max_size=12))
@example(text="🙂[1]𝒳【2，3】", cuts=[1, 2, 3, 5, 6, 7, 8])
@example(text="[[1]", cuts=[1])
@example(text="[1[2]", cuts=[2])
def test_any_split_gives_the_same_marks(text: str, cuts: list[int]) -> None:
    whole = found([text])
    short = all(end - start <= MAX_MARK_CHARACTERS for _, start, end in whole)
    assert whole == [
        Mark(tuple(int(n) for n in re.findall(r"\d{1,3}", match[0])), *match.span()) for match in WHOLE.finditer(text)
    ]
    if short:
        assert found(split(text, cuts)) == whole


@settings(max_examples=200, deadline=None)
@given(text=texts, cuts=st.lists(st.integers(0, 400), max_size=12))
def test_places_are_code_points_of_the_answer(text: str, cuts: list[int]) -> None:
    for mark in found(split(text, cuts)):
        bracket = text[mark.start : mark.end]
        assert WHOLE.fullmatch(bracket)
        assert tuple(int(n) for n in re.findall(r"\d+", bracket)) == mark.numbers


@settings(max_examples=200, deadline=None)
@given(text=texts)
def test_one_character_at_a_time(text: str) -> None:
    marks = found(list(text))
    assert [(mark.start, mark.end) for mark in marks] == sorted((mark.start, mark.end) for mark in marks)
    assert len({mark.end for mark in marks}) == len(marks)
