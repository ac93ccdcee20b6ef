"""Mending and places, on pages made for it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pypdfium2
import pytest
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.cidfonts import UnicodeCIDFont
from reportlab.pdfgen import canvas

from antiphon.ingest.pdf_text import NO_BOX, PageGeometry, PageText, read_page_text

Draw = Callable[[Any], None]


@pytest.fixture
def read(tmp_path: Path) -> Callable[[Draw], PageText]:
    def of(draw: Draw) -> PageText:
        path = tmp_path / "page.pdf"
        page = canvas.Canvas(str(path), pagesize=(400, 500))
        draw(page)
        page.save()
        with_text = pypdfium2.PdfDocument(path)[0]
        text_page = with_text.get_textpage()
        content = read_page_text(text_page, PageGeometry(with_text, text_page))
        assert len(content.places) == len(content.text)
        for character, place in zip(content.text, content.places, strict=True):
            if place != NO_BOX and character.isascii() and character.isalnum():
                # a letter's place is the letter itself
                code = pypdfium2.raw.FPDFText_GetUnicode(text_page, place)
                assert chr(code) == character or code >= 0xFB00
        return content

    return of


def chinese(page: Any) -> None:
    pdfmetrics.registerFont(UnicodeCIDFont("STSong-Light"))
    page.setFont("STSong-Light", 12)


def test_a_hyphen_at_a_lines_end_joins_the_word(read: Callable[[Draw], PageText]) -> None:
    def draw(page: Any) -> None:
        page.drawString(50, 400, "The temperature of the labora-")
        page.drawString(50, 386, "tory is kept at 21 degrees.")

    assert "laboratory is kept" in read(draw).text


def test_lines_of_a_paragraph_are_joined_and_others_are_not(read: Callable[[Draw], PageText]) -> None:
    def draw(page: Any) -> None:
        page.setFont("Helvetica", 12)
        page.drawString(50, 400, "The reception is staffed from early morning until late")
        page.drawString(50, 386, "in the evening, every day of the week.")
        page.drawString(50, 340, "A new paragraph begins.")
        page.setFont("Helvetica-Bold", 18)
        page.drawString(50, 300, "Heading")
        page.setFont("Helvetica", 12)
        page.drawString(50, 270, "- an item of a list that is nearly as wide as the text")
        page.drawString(50, 256, "- another one")

    assert read(draw).text == (
        "The reception is staffed from early morning until late in the evening, every day of the week.\n\n"
        "A new paragraph begins.\n\nHeading\n\n- an item of a list that is nearly as wide as the text\n- another one"
    )


def test_spaces_inside_chinese_text_go_but_not_those_of_a_table(read: Callable[[Draw], PageText]) -> None:
    def draw(page: Any) -> None:
        chinese(page)
        page.drawString(50, 400, "年 假 共 七 天 and 3 天")
        page.drawString(50, 300, "姓名")
        page.drawString(200, 300, "部门")

    text = read(draw).text
    assert "年假共七天 and 3 天" in text
    assert "姓名 部门" in text or "姓名\n部门" in text or "姓名\n\n部门" in text


def test_wrapped_chinese_lines_are_joined_without_a_space(read: Callable[[Draw], PageText]) -> None:
    def draw(page: Any) -> None:
        chinese(page)
        page.drawString(50, 400, "公司实行每周五天每天八小时工作制核心工作时间为上午")
        page.drawString(50, 384, "十点至下午四点。")

    assert read(draw).text == "公司实行每周五天每天八小时工作制核心工作时间为上午十点至下午四点。"


def test_the_same_page_gives_the_same_text_and_places(read: Callable[[Draw], PageText]) -> None:
    def draw(page: Any) -> None:
        page.drawString(50, 400, "One line of text,")
        page.drawString(50, 386, "and another one.")

    first, second = read(draw), read(draw)
    assert (first.text, first.places) == (second.text, second.places)
    assert [line.start for line in first.lines] == [0, len("One line of text,\n")]


def test_an_empty_page_is_empty(read: Callable[[Draw], PageText]) -> None:
    assert read(lambda page: page.rect(10, 10, 50, 50)).text == ""
