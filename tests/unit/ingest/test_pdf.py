from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pypdfium2
import pytest
from PIL import Image
from reportlab.lib.pdfencrypt import StandardEncryption
from reportlab.pdfgen import canvas

from antiphon.core.errors import BadRequest, Unsupported
from antiphon.ingest import pdf
from antiphon.ingest.pdf import PdfDocument, open_pdf


def made(tmp_path: Path, pages: int = 1, *, rotate: int = 0, crop: bool = False, **options: Any) -> Path:
    path = tmp_path / "made.pdf"
    page = canvas.Canvas(str(path), pagesize=(400, 500), **options)
    if crop:
        page.setCropBox((40, 60, 360, 460))
    page.setTitle("A plan")
    for number in range(1, pages + 1):
        page.setFont("Helvetica-Bold", 20)
        page.drawString(100, 400, f"Part {number}")
        page.setFont("Helvetica", 10)
        page.drawString(100, 370, f"The code of vault {number} is {number * 111}.")
        page.drawString(300, 80, f"Plan page {number}")
        page.showPage()
    page.save()
    if rotate:  # by pdfium: reportlab would change the page's size with it
        document = pypdfium2.PdfDocument(path.read_bytes())
        for each in document:
            each.set_rotation(rotate)
        document.save(path)
        document.close()
    return path


def texts(document: PdfDocument) -> list[str]:
    return [page.text for page in document.pages()]


def test_pages_title_and_large_lines(tmp_path: Path) -> None:
    document = open_pdf(made(tmp_path, 3), None)
    pages = list(document.pages())
    assert [(page.number, page.width_pt, page.height_pt) for page in pages] == [(1, 400, 500), (2, 400, 500), (3, 400, 500)]
    assert "The code of vault 2 is 222." in pages[1].text
    assert document.title == "A plan"
    assert [(heading.title, heading.page) for heading in document.outline()] == [("Part 1", 1), ("Part 2", 2), ("Part 3", 3)]
    furniture = document.furniture()
    assert {pages[item.page - 1].text[item.start : item.end] for item in furniture} >= {
        "Plan page 1",
        "Plan page 2",
        "Plan page 3",
    }
    assert not any("vault" in pages[item.page - 1].text[item.start : item.end] for item in furniture)


@pytest.mark.parametrize(
    ("rotate", "crop", "expected"),
    [
        # the word "code" is drawn with its baseline at (119, 370) of a page of 400 x 500
        (0, False, (119, 500 - 378, 142, 500 - 369)),
        (0, True, (119 - 40, 460 - 378, 142 - 40, 460 - 369)),
        (90, False, (369, 119, 378, 142)),
        (180, False, (400 - 142, 369, 400 - 119, 378)),
        (270, False, (500 - 378, 400 - 142, 500 - 369, 400 - 119)),
        (90, True, (369 - 60, 119 - 40, 378 - 60, 142 - 40)),
        (270, True, (460 - 378, 360 - 142, 460 - 369, 360 - 119)),
    ],
)
def test_rectangles_are_those_of_the_page_as_displayed(
    tmp_path: Path, rotate: int, crop: bool, expected: tuple[float, float, float, float]
) -> None:
    document = open_pdf(made(tmp_path, rotate=rotate, crop=crop), None)
    (text,) = texts(document)
    start = text.index("code")
    located = document.rectangles(1, start, start + 4)
    (rectangle,) = located.rects
    assert rectangle == pytest.approx(expected, abs=2.5)
    assert (located.width, located.height) == {
        (False, False): (400, 500), (True, False): (500, 400), (False, True): (320, 400), (True, True): (400, 320),
    }[rotate in {90, 270}, crop]  # fmt: skip


def test_places_outside_are_refused(tmp_path: Path) -> None:
    document = open_pdf(made(tmp_path), None)
    (text,) = texts(document)
    assert document.rectangles(1, 0, 0).rects == []
    for page, start, end in [(0, 0, 1), (2, 0, 1), (1, 0, len(text) + 1), (1, 3, 2), (1, -1, 2)]:
        with pytest.raises(BadRequest):
            document.rectangles(page, start, end)
    with pytest.raises(BadRequest):
        document.page_image(9, 100)


def test_a_page_image_is_a_bounded_png(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    document = open_pdf(made(tmp_path), None)
    with Image.open(io.BytesIO(document.page_image(1, 200))) as image:
        assert (image.format, image.size) == ("PNG", (200, 250))
    monkeypatch.setattr(pdf, "MOST_PIXELS", 10_000)
    with Image.open(io.BytesIO(document.page_image(1, 10**9))) as image:
        assert image.size[0] * image.size[1] <= 10_500


def test_an_encrypted_file_asks_for_its_password(tmp_path: Path) -> None:
    path = made(tmp_path, encrypt=StandardEncryption("sesame"))
    for password in (None, "wrong"):
        with pytest.raises(Unsupported) as caught:
            open_pdf(path, password)
        assert caught.value.data == {"reason": "password_required"}
    assert "vault" in texts(open_pdf(path, "sesame"))[0]


def test_a_password_is_also_tried_as_the_standard_prepares_it(tmp_path: Path) -> None:
    assert pdf.prepared_password("S\u00aaSL\u00adprep\u00a0\u2168") == "SaSLprep IX"
    path = made(tmp_path, encrypt=StandardEncryption("SaSLprep"))
    assert "vault" in texts(open_pdf(path, "S\u00aaSL\u00adprep"))[0]


def test_a_file_without_text_is_empty_and_one_without_sense_says_so(tmp_path: Path) -> None:
    path = tmp_path / "empty.pdf"
    page = canvas.Canvas(str(path))
    page.showPage()
    page.save()
    document = open_pdf(path, None)
    assert texts(document) == [""]
    assert document.shortfall() == ""
    path.write_bytes(b"%PDF-1.4\nnothing")
    with pytest.raises(BadRequest, match="damaged"):
        open_pdf(path, None)


def test_content_that_is_lost_is_not_emptiness(tmp_path: Path) -> None:
    path = made(tmp_path)
    content = path.read_bytes()
    begin, end = content.index(b"stream\n") + 7, content.index(b"endstream")
    path.write_bytes(content[:begin] + b"z" * 10 + content[begin + 10 : end] + content[end:])
    with pytest.raises(Unsupported, match="not empty") as caught:
        texts(open_pdf(path, None))
    assert caught.value.data == {"reason": "no_text"}


def test_what_is_filled_into_a_form_is_read_and_has_its_place(tmp_path: Path) -> None:
    path = tmp_path / "form.pdf"
    page = canvas.Canvas(str(path), pagesize=(400, 500))
    page.drawString(50, 400, "Name of the applicant:")
    page.acroForm.textfield(name="applicant", value="Heron Reed", x=200, y=390, width=150, height=24)
    page.showPage()
    page.save()
    document = open_pdf(path, None)
    (text,) = texts(document)
    assert "Name of the applicant:" in text
    start = text.index("Heron Reed")
    ((x0, y0, x1, y1),) = document.rectangles(1, start, start + 10).rects
    assert 195 < x0 < x1 < 355
    assert 85 < y0 < y1 < 115
    assert len(document.page_image(1, 200)) > 100


def test_pages_are_found_without_their_tree(tmp_path: Path) -> None:
    path = made(tmp_path, 3)
    content = path.read_bytes()
    path.write_bytes(content.replace(b"/Kids [", b"/Kids @").replace(b"/Count 3", b"/Count x"))
    document = open_pdf(path, None)
    assert [("vault 1 is 111" in text, "vault 3 is 333" in text) for text in texts(document)] == [
        (True, False),
        (False, False),
        (False, True),
    ]
    assert document.shortfall().startswith("The PDF is damaged: its pages were found one by one")
    start = texts(open_pdf(path, None))[1].index("vault 2")
    assert len(open_pdf(path, None).rectangles(2, start, start + 7).rects) == 1


def test_a_page_of_running_heads_only_keeps_its_words(tmp_path: Path) -> None:
    path = tmp_path / "cards.pdf"
    page = canvas.Canvas(str(path), pagesize=(200, 100))
    for number in range(1, 9):
        page.drawString(20, 50, f"Card {number}")
        page.drawString(20, 20, str(number))
        page.showPage()
    page.save()
    document = open_pdf(path, None)
    pages = texts(document)
    assert {pages[item.page - 1][item.start : item.end] for item in document.furniture()} == {str(n) for n in range(1, 9)}
