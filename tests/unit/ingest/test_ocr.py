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
    error = recognition.nothing_read("The PDF holds no text, only pictures of it.", "Empty.")
    assert error.message.startswith("The PDF holds no text, only pictures of it. Pages 31,")
    assert error.data == {"reason": "no_text"}


def test_a_document_of_nothing_is_empty() -> None:
    assert ocr.Recognition().nothing_read("Pictures.", "The pages are empty.").message == "The pages are empty."
    assert ocr.Recognition().shortfall() == ""


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
