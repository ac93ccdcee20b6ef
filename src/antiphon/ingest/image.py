"""Images as documents: one page a frame, its text read by tesseract (ocr.py). Runs in worker processes only.

Sizes are looked at before anything is decoded: an image that would not fit memory is refused. Tests:
tests/unit/ingest/test_image.py, tests/integration/test_ingest_recognition.py.
"""

from __future__ import annotations

import io
import math
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any, Final

from PIL import Image, ImageOps, UnidentifiedImageError

from antiphon.core.errors import BadRequest, TooLarge, Unsupported
from antiphon.ingest.document import Furniture, Heading, PageRectangles, ParsedPage
from antiphon.ingest.ocr import RECOGNITION_DPI, Recognition
from antiphon.ingest.parsers import demand_page

MOST_PIXELS: Final = 80_000_000
MOST_FRAMES: Final = 200
LARGEST_SIDE_PX: Final = 3_500
"""Larger images are made smaller for recognition: an A4 page at 300 dpi has this height."""
_FORMATS: Final = ("PNG", "JPEG", "TIFF", "GIF", "WEBP", "BMP")
_SCREEN_DPI: Final = 96.0


def open_image(path: Path, _password: str | None) -> ImageDocument:
    """Raises BadRequest for a damaged file, TooLarge for one of too many pixels."""
    Image.MAX_IMAGE_PIXELS = None  # our own limit, told in our words, is checked before anything is decoded
    try:
        image = Image.open(path, formats=_FORMATS)
    except (UnidentifiedImageError, OSError, ValueError, SyntaxError) as error:
        raise BadRequest("The image is damaged: it can't be opened.", data={"reason": "unreadable"}) from error
    return ImageDocument(image)


class ImageDocument:
    """One open image; several frames (TIFF) are several pages, those of an animation are one."""

    paged = True
    title = ""

    def __init__(self, image: Image.Image) -> None:
        self._image = image
        frames = int(getattr(image, "n_frames", 1)) if image.format == "TIFF" else 1
        if frames > MOST_FRAMES:
            raise TooLarge(f"The image has {frames} pages; {MOST_FRAMES} are read at most: split it.")
        self.page_total = max(1, frames)
        self._recognition = Recognition()

    def pages(self) -> Iterator[ParsedPage]:
        """Raises Unsupported when no text is found, TooLarge, BadRequest."""
        found_any = False
        for number in range(1, self.page_total + 1):
            picture = self._frame(number)
            width_pt, height_pt = _points(picture)
            reduced = partial(_reduced, picture)
            found = self._recognition.read(number, reduced, width_pt=width_pt, height_pt=height_pt)
            text = "" if found is None else found.text
            found_any = found_any or bool(text)
            yield ParsedPage(
                number=number, text=text, width_pt=width_pt, height_pt=height_pt, recognised=bool(text), attempted=True,
                words=[] if found is None else found.words,
            )  # fmt: skip
        if not found_any and self._recognition.pages_seen:
            raise self._recognition.nothing_read("The file is an image.")

    def window(self, _first: int, _last: int) -> tuple[list[Heading], list[Furniture]]:
        return [], []

    def recall(self, pages: int, texts: Mapping[int, str]) -> None:
        self._recognition.recall(pages, texts)

    def shortfall(self) -> str:
        return self._recognition.shortfall()

    def outline(self) -> list[Heading]:
        return []

    def furniture(self) -> list[Furniture]:
        return []

    def rectangles(self, page: int, _start: int, _end: int) -> PageRectangles:
        demand_page(page, self.page_total)
        raise Unsupported("The places of recognised text are kept with the document; the image itself does not tell them.")

    def page_image(self, page: int, width_px: int) -> bytes:
        demand_page(page, self.page_total)
        picture = self._frame(page)
        width = min(max(width_px, 16), 4_000)
        height = max(1, round(picture.height * width / max(picture.width, 1)))
        if width * height > MOST_PIXELS:
            raise TooLarge("The image is too long to be drawn this wide.")
        mode = picture.mode if picture.mode in {"L", "RGB", "RGBA"} else "RGB"
        output = io.BytesIO()
        picture.convert(mode).resize((width, height), Image.Resampling.LANCZOS).save(output, format="PNG")
        return output.getvalue()

    def close(self) -> None:
        self._image.close()

    def _frame(self, number: int) -> Image.Image:
        """Turned as the camera said."""
        try:
            if self.page_total > 1:
                self._image.seek(number - 1)
            if self._image.width * self._image.height > MOST_PIXELS:
                raise TooLarge(
                    f"The image has {self._image.width} x {self._image.height} pixels; {MOST_PIXELS // 10**6} million are read at "
                    "most: make it smaller."
                )  # fmt: skip
            return ImageOps.exif_transpose(self._image)
        except (OSError, ValueError, SyntaxError, EOFError) as error:
            raise BadRequest("The image is damaged: it can't be decoded.", data={"reason": "unreadable"}) from error


def _points(picture: Image.Image) -> tuple[float, float]:
    """The size as displayed, in points."""
    given: Any = picture.info.get("dpi")
    try:
        across = float(given[0])
    except (TypeError, ValueError, IndexError):
        across = _SCREEN_DPI
    if not 30 <= across <= 1200:
        across = _SCREEN_DPI
    return round(picture.width * 72 / across, 2), round(picture.height * 72 / across, 2)


def _reduced(picture: Image.Image) -> Image.Image:
    """In grey, on white, not larger than recognition can use, not smaller than its letters need."""
    if "A" in picture.getbands() or "transparency" in picture.info:
        white = Image.new("RGBA", picture.size, "white")
        white.alpha_composite(picture.convert("RGBA"))
        picture = white
    grey = picture.convert("L")
    scale = min(1.0, LARGEST_SIDE_PX / max(grey.size))
    if max(grey.size) < 4 * RECOGNITION_DPI:  # a screenshot: its letters are half as large as a scan's
        scale = 2.0
    size = max(1, math.floor(grey.width * scale)), max(1, math.floor(grey.height * scale))
    return grey if scale == 1.0 else grey.resize(size, Image.Resampling.LANCZOS)
