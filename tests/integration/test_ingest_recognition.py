"""Scans and images through tesseract in real workers: text, word boxes, what is told where it can't be done."""

from __future__ import annotations

import io
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from PIL import Image, ImageDraw, ImageFont
from reportlab.lib.utils import ImageReader
from reportlab.pdfgen import canvas

from antiphon.ingest import ocr
from antiphon.testing.conformance.scopes import EVERYTHING
from antiphon.testing.ingest_house import IngestHouse

HELPER = ocr.active_helpers()["tesseract"]
needs_tesseract = pytest.mark.skipif(
    HELPER.path is None or "eng" not in HELPER.languages, reason="tesseract with eng is not installed (apt install tesseract-ocr)"
)
WORDS = "The lighthouse keeper counts"


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[IngestHouse]:
    async with IngestHouse.open(tmp_path) as house:
        yield house


def picture(*lines: str, size: tuple[int, int] = (1200, 500)) -> Image.Image:
    image = Image.new("L", size, 255)
    drawing = ImageDraw.Draw(image)
    for number, line in enumerate(lines):
        drawing.text((80, 80 + 120 * number), line, fill=0, font=ImageFont.load_default(56))
    return image


def encoded(image: Image.Image, kind: str, **options: object) -> bytes:
    output = io.BytesIO()
    image.save(output, format=kind, **options)  # type: ignore[arg-type]
    return output.getvalue()


def scan(path: Path, *pages: str | Image.Image) -> bytes:
    """A PDF: text pages and pictures of text."""
    drawing = canvas.Canvas(str(path), pagesize=(600, 250))
    for page in pages:
        if isinstance(page, str):
            drawing.drawString(50, 200, page)
        else:
            drawing.drawImage(ImageReader(page), 0, 0, 600, 250)
        drawing.showPage()
    drawing.save()
    return path.read_bytes()


@needs_tesseract
async def test_a_page_that_is_a_picture_is_read_and_its_words_have_places(house: IngestHouse, tmp_path: Path) -> None:
    content = scan(tmp_path / "s.pdf", "Page one has its text.", picture(WORDS, "seven ships today."), "Page three has its text.")
    added = await house.upload(content, "scan.pdf")
    row = await house.until(added.row.id, "ready", "failed")
    assert (row.state, row.error, row.pages, row.passages) == ("ready", None, 3, 3)
    (passage, *_) = await house.search("lighthouse keeper")
    assert (passage.page, WORDS in passage.text) == (2, True)
    page, _ = await house.pages.text(EVERYTHING, row.id, 2)
    start = page.text.index("lighthouse")
    found = await house.pages.rectangles(EVERYTHING, row.id, 2, start, start + len("lighthouse"))
    assert (found.width, found.height, len(found.rects)) == (600.0, 250.0, 1)
    x0, y0, x1, y1 = found.rects[0]
    # drawn at (80, 80) of 1200 x 500 in letters 56 high: "The " is about 110 wide, "lighthouse" 270, all halved in points
    assert 80 < x0 < 110
    assert 200 < x1 < 250
    assert 40 < y0 < y1 < 75
    both = await house.pages.rectangles(EVERYTHING, row.id, 2, 0, len(page.text))
    assert len(both.rects) == 2


@needs_tesseract
@pytest.mark.parametrize(
    ("kind", "options"), [("PNG", {"dpi": (144, 144)}), ("JPEG", {}), ("TIFF", {}), ("WEBP", {}), ("BMP", {})]
)
async def test_images_are_documents(house: IngestHouse, kind: str, options: dict[str, object]) -> None:
    added = await house.upload(encoded(picture(WORDS), kind, **options), f"photo.{kind.lower()}")
    row = await house.until(added.row.id, "ready", "failed")
    assert (row.state, row.error) == ("ready", None)
    page, _ = await house.pages.text(EVERYTHING, row.id, 1)
    assert WORDS in page.text
    png = await house.pages.image(EVERYTHING, row.id, 1, 300)
    assert Image.open(io.BytesIO(png)).size == (300, 125)


@needs_tesseract
async def test_a_tiff_of_two_pages(house: IngestHouse) -> None:
    content = encoded(picture("First page here"), "TIFF", save_all=True, append_images=[picture("Second page there")])
    row = await house.until((await house.upload(content, "fax.tif")).row.id, "ready", "failed")
    assert (row.pages, row.passages) == (2, 2)


async def test_an_image_of_one_shade_is_empty_and_one_that_can_not_be_read_fails(house: IngestHouse) -> None:
    grey, noise = Image.new("L", (400, 300), 200), Image.effect_noise((400, 300), 120)
    row = await house.until((await house.upload(encoded(grey, "PNG"), "grey.png")).row.id, "ready", "failed")
    if HELPER.path is not None:
        assert (row.state, row.passages, (row.error or {}).get("code")) == ("ready", 0, "empty")
    row = await house.until((await house.upload(encoded(noise, "PNG"), "noise.png")).row.id, "failed")
    assert row.error is not None
    assert row.error["data"]["reason"] == "no_text"


@needs_tesseract
@pytest.mark.parametrize("lines", [1, 7])
async def test_a_scan_that_lies_upside_down_is_read(house: IngestHouse, tmp_path: Path, lines: int) -> None:
    """A few words, and so many that tesseract itself sees how the page lies."""
    words = [WORDS, *(f"number {n} of the ships that came in today with their sails" for n in range(lines - 1))]
    upright = picture(*words, size=(2000, 1000))
    content = scan(tmp_path / "s.pdf", upright.rotate(180))
    row = await house.until((await house.upload(content, "turned.pdf")).row.id, "ready", "failed")
    assert (row.state, row.error) == ("ready", None)
    page, _ = await house.pages.text(EVERYTHING, row.id, 1)
    assert WORDS in page.text
    start = page.text.index("lighthouse")
    ((x0, y0, x1, y1),) = (await house.pages.rectangles(EVERYTHING, row.id, 1, start, start + 10)).rects
    # upright it begins near the top left of 600 x 250 points; turned it ends near the bottom right
    assert 400 < x0 < x1 < 560
    assert 205 < y0 < y1 < 235


async def test_c5_a_huge_image_is_refused_before_it_is_decoded(house: IngestHouse) -> None:
    content = bytearray(encoded(Image.new("1", (8, 8)), "PNG"))
    content[16:24] = (100_000).to_bytes(4, "big") * 2
    row = await house.until((await house.upload(bytes(content), "huge.png")).row.id, "failed")
    assert row.error is not None
    assert row.error["code"] in {"too_large", "bad_request", "unsupported"}


async def test_c5_a_real_image_of_too_many_pixels(house: IngestHouse) -> None:
    content = encoded(Image.new("1", (30_000, 30_000)), "PNG")
    row = await house.until((await house.upload(content, "vast.png")).row.id, "failed")
    assert row.error is not None
    assert "30000 x 30000 pixels" in row.error["message"] or HELPER.path is None
