from __future__ import annotations

import zipfile
from pathlib import Path

import pptx
import pytest
from pptx.chart.data import CategoryChartData
from pptx.enum.chart import XL_CHART_TYPE
from pptx.util import Inches

from antiphon.ingest.office.charts import chart_lines, diagram_lines
from antiphon.ingest.office.markup import parse_markup
from antiphon.ingest.office.pptx import open_pptx
from antiphon.testing.office_files import write_parts


@pytest.fixture
def deck(tmp_path: Path) -> Path:
    show = pptx.Presentation()
    first = show.slides.add_slide(show.slide_layouts[1])
    first.shapes.title.text = "Wild ducks"
    frame = first.placeholders[1].text_frame
    frame.text = "They swim"
    below = frame.add_paragraph()
    below.text, below.level = "also at night", 1
    first.notes_slide.notes_text_frame.text = "Mention the lake.\nSmile."
    second = show.slides.add_slide(show.slide_layouts[5])
    second.shapes.title.text = "Numbers"
    cells = second.shapes.add_table(2, 3, 0, 0, Inches(4), Inches(2)).table
    for index, text in enumerate(("Year", "Lake", "Ducks", "2024", "Chiemsee", "120")):
        cells.cell(index // 3, index % 3).text = text
    data = CategoryChartData()
    data.categories = ["Q1", "Q2"]
    data.add_series("Sold", (1.5, 2.5))
    second.shapes.add_chart(XL_CHART_TYPE.COLUMN_CLUSTERED, 0, 0, Inches(4), Inches(2), data)
    group = second.shapes.add_group_shape()
    inner = group.shapes.add_group_shape().shapes.add_textbox(0, 0, Inches(1), Inches(1))
    inner.text_frame.text = "Deep inside"
    footer = first.shapes.add_textbox(0, 0, Inches(1), Inches(1))
    footer.text_frame.text = "Confidential, page 7"
    place = footer._element.makeelement("{http://schemas.openxmlformats.org/presentationml/2006/main}ph", {"type": "ftr"})
    footer._element.nvSpPr.find("{*}nvPr").append(place)
    third = show.slides.add_slide(show.slide_layouts[6])
    third._element.set("show", "0")
    # the order of the show, not of the parts
    listed = show.slides._sldIdLst
    listed.insert(0, listed[1])
    show.core_properties.title = "PowerPoint Presentation"
    show.save(str(tmp_path / "deck.pptx"))
    return tmp_path / "deck.pptx"


def test_slides_are_pages_in_the_order_of_the_show(deck: Path) -> None:
    document = open_pptx(deck, None)
    numbers, ducks, hidden = document.pages()
    assert numbers.text.split("\n\n") == [
        "Numbers",
        "| Year | Lake | Ducks\n| Year: 2024 | Lake: Chiemsee | Ducks: 120",
        "| Q1 | Sold: 1.5\n| Q2 | Sold: 2.5",
        "Deep inside",
    ]
    assert ducks.text == "Wild ducks\n\n- They swim\n  - also at night\n\nNotes: Mention the lake.\nSmile."
    assert hidden.text == "(hidden slide)"
    assert [(heading.title, heading.page) for heading in document.outline()] == [("Numbers", 1), ("Wild ducks", 2)]
    assert [(mark.page, mark.start, mark.anchor) for mark in document.anchors()] == [
        (1, 0, "slide:1"), (2, 0, "slide:2"), (3, 0, "slide:3")
    ]  # fmt: skip
    assert (document.paged, document.page_total, document.title) == (True, 3, "")
    assert (numbers.width_pt, numbers.height_pt) == (720.0, 540.0)
    document.close()


def test_a_broken_slide_is_an_empty_page(deck: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(deck) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    parts["ppt/slides/slide2.xml"] = b"\x00broken"
    document = open_pptx(write_parts(tmp_path / "b.pptx", parts), None)
    assert [page.text[:10] for page in document.pages()] == ["", "Wild ducks", "(hidden sl"]


def test_charts_and_diagrams_without_content_are_nothing() -> None:
    assert chart_lines(None) == []
    assert chart_lines(parse_markup(b"<chartSpace/>")) == []
    assert diagram_lines(None) == []
    drawing = b"<dataModel><ptLst><pt><t><r><t>Plan</t></r></t></pt><pt/><pt><t><t>Do</t></t></pt></ptLst></dataModel>"
    assert diagram_lines(parse_markup(drawing)) == ["- Plan", "- Do"]


def test_a_chart_gives_its_title_and_rounds_noise() -> None:
    chart = (
        b"<chartSpace><chart><title><t>Ducks by year</t></title><ser><tx><v>Lake</v></tx>"
        b"<cat><pt idx='0'><v>2019</v></pt><pt idx='2'><v>2021</v></pt></cat>"
        b"<val><pt idx='0'><v>0.30000000000000004</v></pt><pt idx='1'><v>7</v></pt></val></ser></chart></chartSpace>"
    )
    assert chart_lines(parse_markup(chart)) == ["Chart: Ducks by year", "| 2019 | Lake: 0.3", "| Lake: 7", "| 2021"]
