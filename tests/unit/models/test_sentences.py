from __future__ import annotations

import time

import pytest

from antiphon.models.sentences import split_sentences


def split(text: str, **limits: int) -> list[str]:
    return [text[start:end] for start, end in split_sentences(text, **limits)]


@pytest.mark.parametrize(
    ("text", "sentences"),
    [
        ("One. Two! Three? Four", ["One.", "Two!", "Three?", "Four"]),
        ("Use tools, e.g. a saw. Then rest.", ["Use tools, e.g. a saw.", "Then rest."]),
        ("Fruit, e.g. Apples, i.e. Food. Done.", ["Fruit, e.g. Apples, i.e. Food.", "Done."]),
        ("Dr. Smith met J. Doe at 3.5 p.m. in May. They left.", ["Dr. Smith met J. Doe at 3.5 p.m. in May.", "They left."]),
        ("See Fig. 3 and No. 5 on p. 12. End.", ["See Fig. 3 and No. 5 on p. 12.", "End."]),
        ("The answer is no. Then we left.", ["The answer is no.", "Then we left."]),
        ("It costs 3.14 at example.com/a.b today. Good.", ["It costs 3.14 at example.com/a.b today.", "Good."]),
        ('He said "Stop." Then he went.', ['He said "Stop."', "Then he went."]),
        ("Wait... what? Yes.", ["Wait... what?", "Yes."]),
        ("年假为二十天。病假另计！可以吗？可以", ["年假为二十天。", "病假另计！", "可以吗？", "可以"]),
        ("他说：“可以。”然后走了。", ["他说：“可以。”", "然后走了。"]),
        ("比例是3.5%，见v1.2版。完", ["比例是3.5%，见v1.2版。", "完"]),
        ("Line one\ngoes on. Next.", ["Line one\ngoes on.", "Next."]),
        ("Heading\n\nText here.", ["Heading", "Text here."]),
        (
            "Rules:\n- one day\n- two days\n1. First thing\n2. Second",
            ["Rules:", "- one day", "- two days", "1. First thing", "2. Second"],
        ),
        ("# Title\nBody text.\n## Sub\nMore.", ["# Title\nBody text.", "## Sub\nMore."]),
        ("", []),
        (" \n\n \t", []),
    ],
)
def test_split(text: str, sentences: list[str]) -> None:
    assert split(text) == sentences


def test_too_long_sentence_is_cut_at_a_comma_or_space() -> None:
    text = "，".join(["很长的一句话没有句号"] * 20)
    parts = split(text, longest_characters=50)
    assert "".join(parts) == text
    assert all(len(part) <= 50 for part in parts)
    assert all(part.endswith("，") for part in parts[:-1])


def test_without_any_place_to_cut_it_is_cut_hard() -> None:
    assert [len(part) for part in split("x" * 130, longest_characters=50)] == [50, 50, 30]


@pytest.mark.parametrize("unit", [".", "e.g. ", "\n ", "。”", "!)", "1. ", "a.b", "\n \n", "x", " " * 50 + "\n"])
def test_linear_time(unit: str) -> None:
    """Doubling the text must not quadruple the time; the bound is generous, a quadratic splitter needs minutes."""
    text = unit * (300_000 // len(unit))
    begun_s = time.perf_counter()
    split_sentences(text)
    assert time.perf_counter() - begun_s < 3.0
