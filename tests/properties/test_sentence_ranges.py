"""Ranges of sentences are in order, inside the text, trimmed, bounded, and leave out nothing but white space."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from antiphon.models.sentences import split_sentences

text_of = st.text(alphabet='aZé1 .!?\n\t-#"”）。！？，;；中文e.g', max_size=200)


@given(text_of, st.integers(2, 40))
def test_ranges(text: str, longest: int) -> None:
    position = 0
    for start, end in split_sentences(text, longest_characters=longest):
        assert start >= position
        assert not text[position:start].strip()
        assert 0 < end - start <= longest
        assert text[start:end] == text[start:end].strip()
        position = end
    assert not text[position:].strip()
