"""What is told where text recognition is missing, and how words become running text. No program is started."""

from __future__ import annotations

import pytest
from PIL import Image

from antiphon.ingest import ocr


def blank() -> Image.Image:
    raise AssertionError("The picture is not made when nobody can read it.")


def test_without_tesseract_the_pages_and_what_would_help_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ocr, "find_program", lambda *_: None)
    recognition = ocr.Recognition()
    assert recognition.read(31, blank, width_pt=600, height_pt=800) is None
    assert recognition.shortfall().startswith("Page 31 is an image: install tesseract with the languages chi_sim and eng")
    for number in range(40, 60):
        recognition.read(number, blank, width_pt=600, height_pt=800)
    told = recognition.shortfall([7])
    assert told.startswith("Page 7 is damaged. Pages 31, 40, 41,")
    assert "and 9 more are each an image" in told
    error = recognition.nothing_read("The PDF holds no text, only pictures of it.")
    assert error.message.startswith("The PDF holds no text, only pictures of it. Pages 31,")
    assert error.data == {"reason": "no_text"}


def test_a_page_of_one_shade_is_no_picture(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ocr, "find_program", lambda *_: "/bin/false")
    monkeypatch.setattr(ocr, "_installed", lambda _: ("eng", "osd"))
    recognition = ocr.Recognition()
    assert recognition.read(1, lambda: Image.new("L", (20, 20), 200), width_pt=1, height_pt=1) is None
    assert (recognition.pages_seen, recognition.shortfall()) == (False, "")
    recognition.read(2, lambda: Image.linear_gradient("L"), width_pt=1, height_pt=1)
    assert recognition.pages_seen
    assert recognition.nothing_read("Pictures.").message == "Pictures. No text was found there."


def word(text: str, confidence: float, left: int = 10, top: int = 20) -> ocr._Word:
    return ocr._Word(text=text, place=(1, 1, 1), left=left, top=top, width=30, height=10, confidence=confidence)


def test_a_few_words_without_sense_are_read_upside_down_too(monkeypatch: pytest.MonkeyPatch) -> None:
    readings: list[list[ocr._Word]] = []
    monkeypatch.setattr(ocr, "_read_words", lambda *_: readings.pop(0))
    page = Image.new("L", (200, 100))

    def read(*each: list[ocr._Word]) -> ocr.Recognised:
        readings[:] = each
        return ocr._recognise("t", "eng", page, width_pt=200, height_pt=100)

    found = read([word("dn", 40)], [word("up", 95)])
    assert found.text == "up"
    # the words stand where they are on the page as it lies, not as it was turned
    assert (found.words[0].x0, found.words[0].y0, found.words[0].x1, found.words[0].y1) == (160, 70, 190, 80)
    assert read([word("dn", 60)], [word("up", 70)]).text == "dn"
    assert read([word("sure", 90)]).text == "sure"
    assert read([word("many", 40)] * 60).text.startswith("many many")


def test_what_was_read_before_is_not_read_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ocr, "find_program", lambda *_: "/bin/false")
    recognition = ocr.Recognition()
    recognition.recall(2, {1: "known"})
    assert [found and found.text for found in (recognition.read(n, blank, width_pt=1, height_pt=1) for n in (1, 2))] == [
        "known",
        "",
    ]


TABLE = """level\tpage_num\tblock_num\tpar_num\tline_num\tword_num\tleft\ttop\twidth\theight\tconf\ttext
5\t1\t1\t1\t1\t1\t10\t10\t100\t20\t96.0\tThe
5\t1\t1\t1\t1\t2\t120\t10\t100\t20\t96.0\texam-
5\t1\t1\t1\t2\t1\t10\t40\t100\t20\t91.5\tple
5\t1\t1\t1\t2\t2\t120\t40\t40\t20\t5.0\t~~
5\t1\t1\t2\t1\t1\t10\t80\t40\t20\t90\t年
5\t1\t1\t2\t1\t2\t60\t80\t40\t20\t90\t假
5\t1\t2\t1\t1\t1\t10\t200\t40\t20\t90\t"end
4\t1\t2\t1\t1\t0\t10\t200\t40\t20\t-1\t
broken
"""


def test_words_become_running_text_with_their_places() -> None:
    found = ocr._set(list(ocr._words(TABLE)), 0.5, 0.5)
    assert found.text == 'The example\n年假\n\n"end'
    assert [found.text[word.start : word.end] for word in found.words] == ["The", "exam", "ple", "年", "假", '"end']
    assert (found.words[2].x0, found.words[2].y0, found.words[2].x1, found.words[2].y1) == (5.0, 20.0, 55.0, 30.0)


def test_helpers_are_told_with_what_they_lack(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ocr, "find_program", lambda *_: None)
    helpers = ocr.active_helpers()
    assert {name: helper.path for name, helper in helpers.items()} == {"tesseract": None, "libreoffice": None}
    assert helpers["tesseract"].lacking == ["chi_sim", "eng"]
