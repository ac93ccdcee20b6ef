from __future__ import annotations

import time

import pytest

from antiphon.storage.lexical.sentences import LONGEST_SENTENCE_CHARACTERS, sentences


def cut(text: str) -> list[str]:
    return [text[start:end] for start, end in sentences(text)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("One. Two! Three?", ["One.", "Two!", "Three?"]),
        ("Dr. Li met J. Smith at 3.5 km. Then left.", ["Dr. Li met J. Smith at 3.5 km.", "Then left."]),
        ("See e.g. page 5, etc. and so on.", ["See e.g. page 5, etc. and so on."]),
        ("他来了。“真的吗？”她问。走吧！", ["他来了。", "“真的吗？”", "她问。", "走吧！"]),
        ('He said "no." She left.', ['He said "no."', "She left."]),
        ("Title line\nA sentence here.", ["Title line", "A sentence here."]),
        ("- first item\n- second item", ["- first item", "- second item"]),
        ("This is a long line of text that was wrapped by an editor\nand goes on here.", None),
        ("Para one\n\n\nPara two", ["Para one", "Para two"]),
        ("  \n ", []),
        ("", []),
    ],
)
def test_sentences_end_where_readers_end_them(text: str, expected: list[str] | None) -> None:
    assert cut(text) == ([text] if expected is None else expected)


def test_a_range_is_respected() -> None:
    text = "One. Two. Three."
    assert [text[s:e] for s, e in sentences(text, 5, 9)] == ["Two."]


@pytest.mark.parametrize("piece", [".", "。", "\n", " ", "a", "!)", '."', "a ", "a.b", "\n \t", "(", "A.", "1."])
def test_attacks_take_linear_time(piece: str) -> None:
    text = piece * (1_000_000 // len(piece))
    start = time.perf_counter()
    longest = max((end - start for start, end in sentences(text)), default=0)
    assert longest <= LONGEST_SENTENCE_CHARACTERS
    assert time.perf_counter() - start < 8
