from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from antiphon.models.stop_words import StopWords


def shown(words: list[str], *pieces: str) -> tuple[str, bool]:
    stops = StopWords(words)
    text = "".join(stops.feed(piece) for piece in pieces)
    return text + ("" if stops.hit else stops.end()), stops.hit


@pytest.mark.parametrize(
    ("words", "pieces", "text", "hit"),
    [
        ([], ["a", "b"], "ab", False),
        (["END"], ["one EN", "D two"], "one ", True),
        (["END"], ["one EN", "ough"], "one ENough", False),
        (["END"], ["one EN"], "one EN", False),
        (["b", "ab"], ["xab"], "x", True),
        (["。"], ["好", "的。再"], "好的", True),
        ([""], ["a"], "a", False),
    ],
)
def test_cut(words: list[str], pieces: list[str], text: str, hit: bool) -> None:
    assert shown(words, *pieces) == (text, hit)


@given(text=st.text("abc", max_size=30), words=st.lists(st.text("abc", min_size=1, max_size=4), max_size=3), data=st.data())
def test_any_split_gives_the_same(text: str, words: list[str], data: st.DataObject) -> None:
    cuts = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=5)))
    pieces = [text[a:b] for a, b in zip([0, *cuts], [*cuts, len(text)], strict=True)]
    starts = [text.find(word) for word in words if word in text]
    whole = text[: min(starts)] if starts else text
    got, hit = shown(words, *pieces)
    assert hit == bool(starts)
    # Fed in pieces, a word that ends first is found first, even where a longer one began before it.
    assert whole.startswith(got) or got.startswith(whole)
    assert not any(word in got for word in words)
