"""Reads text off pictures with tesseract, where it is installed: text in reading order with the box of each word.

`Recognition` is for parsers, in worker processes; `active_helpers` is for `doctor`. Ten seconds of computing a page (`PAGE_CPU_S`); what
could not be read is remembered and told with what would help. Tests: tests/unit/ingest/test_ocr.py,
tests/integration/test_ingest_recognition.py (skipped, with the reason, where there is no tesseract).
"""

from __future__ import annotations

import csv
import io
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from typing import Final

from msgspec import Struct, structs
from PIL import Image

from antiphon.core.errors import Timeout, Unsupported
from antiphon.core.runtime import SystemClock
from antiphon.ingest.document import WordBox, storable
from antiphon.ingest.pdf_text import is_cjk
from antiphon.ingest.program import find_program, run_program

PAGE_CPU_S: Final = 10.0
"""Of computing: what can be read must not depend on what else the machine does."""
PAGE_TIMEOUT_S: Final = 3 * PAGE_CPU_S
"""Of waiting, on a busy machine; workers are nice."""
MOST_RECOGNISED_PAGES: Final = 500
RECOGNITION_DPI: Final = 200
WANTED_LANGUAGES: Final = ("chi_sim", "eng")
_LEAST_CONFIDENCE: Final = 30.0
_LEAST_CONTRAST: Final = 24
_FEW_WORDS: Final = 60
_DOUBTFUL: Final = 75.0
_CLEARLY_BETTER: Final = 15.0
_LEAST_TIME_S: Final = 1.0
_LIST_TIMEOUT_S: Final = 10.0
_INSTALL: Final = "install tesseract with the languages chi_sim and eng (`antiphon doctor` says how), then retry"
_MOST_NAMED: Final = 12


_clock: Final = SystemClock()
"""Of a worker process, where nothing is simulated."""


class Recognised(Struct, frozen=True, kw_only=True):
    """`words` are those of `text`, in its order."""

    text: str
    words: list[WordBox]


class _Word(Struct, frozen=True, kw_only=True):
    """As tesseract tells it; pixels from the top left. `place`: block, paragraph, line."""

    text: str
    place: tuple[int, int, int]
    left: int
    top: int
    width: int
    height: int
    confidence: float


class Helper(Struct, frozen=True, kw_only=True):
    """A program that reads what we can't. `path` None: not installed. `languages`: of tesseract; `lacking`: those that it should have."""

    path: str | None
    languages: list[str] = []
    lacking: list[str] = []
    use: str


def active_helpers() -> dict[str, Helper]:
    """Which programs are there. Starts tesseract once (blocks about 20 ms)."""
    tesseract = find_program("tesseract")
    languages: list[str] = []
    if tesseract is not None:
        done = subprocess.run([tesseract, "--list-langs"], capture_output=True, check=False)  # noqa: S603 - a fixed program
        languages = [name for name in _listed(done.stdout) if name != "osd"]
    return {
        "tesseract": Helper(
            path=tesseract, languages=languages, lacking=[name for name in WANTED_LANGUAGES if name not in languages],
            use="text on scans and images",
        ),
        "libreoffice": Helper(path=find_program("soffice", "libreoffice"), use="older office files and OpenDocument"),
    }  # fmt: skip


def _listed(output: bytes) -> list[str]:
    """The languages out of `tesseract --list-langs`: a headline, then one a line. `osd`, which is none, tells how a page lies."""
    return [line for line in output.decode(errors="replace").split("\n")[1:] if line]


@cache
def _installed(tesseract: str) -> tuple[str, ...]:
    return tuple(_listed(run_program([tesseract, "--list-langs"], timeout_s=_LIST_TIMEOUT_S).output))


@cache
def _languages(tesseract: str) -> str:
    """What to give behind `-l`; empty when there are none."""
    installed = [name for name in _installed(tesseract) if name != "osd"]
    return "+".join([name for name in WANTED_LANGUAGES if name in installed] or installed[:1])


class Recognition:
    """Of one document."""

    def __init__(self) -> None:
        self.attempts = 0
        """Pages that were given to tesseract, whatever came of it."""
        self._recalled_to = 0
        self._recalled: Mapping[int, str] = {}
        self._missing: list[int] = []
        self._slow: list[int] = []
        self._beyond: list[int] = []

    def recall(self, pages: int, texts: Mapping[int, str]) -> None:
        """Pages up to this number are not read again: these are their texts. Their words are known elsewhere."""
        self._recalled_to, self._recalled = pages, texts

    def read(self, number: int, picture: Callable[[], Image.Image], *, width_pt: float, height_pt: float) -> Recognised | None:
        """The text of page `number`, whose picture is made only when it can be read. None: nothing was found, or could be."""
        if number <= self._recalled_to:
            return Recognised(text=self._recalled.get(number, ""), words=[])
        tesseract = find_program("tesseract")
        languages = "" if tesseract is None else _languages(tesseract)
        if tesseract is None or not languages:
            self._missing.append(number)
            return None
        if self.attempts >= MOST_RECOGNISED_PAGES:
            self._beyond.append(number)
            return None
        image = picture().convert("L")
        darkest, lightest = image.getextrema()
        if not isinstance(darkest, int | float) or not isinstance(lightest, int | float) or lightest - darkest < _LEAST_CONTRAST:
            return None  # an empty page
        self.attempts += 1
        try:
            found = _recognise(tesseract, languages, image, width_pt=width_pt, height_pt=height_pt)
        except Timeout:
            self._slow.append(number)
            return None
        return found

    def shortfall(self, unreadable: Sequence[int] = ()) -> str:
        """What was left out and what would help; empty when nothing was. `unreadable`: pages that are damaged."""
        told = [
            (unreadable, "damaged"),
            (self._missing, f"an image: {_INSTALL}"),
            (self._slow, f"an image that took longer than {PAGE_CPU_S:g} s to read: scan it anew with less detail"),
            (self._beyond, f"an image beyond the {MOST_RECOGNISED_PAGES} that are read of one document: split it"),
        ]
        return " ".join(f"{_named(pages)} {reason}." for pages, reason in told if pages)

    @property
    def pages_seen(self) -> bool:
        """Whether there were pictures that hold more than one even shade, read or not."""
        return bool(self.attempts or self._missing or self._beyond)

    def nothing_read(self, pictures: str) -> Unsupported:
        """For a document without any text but with pictures, of which `pictures` is told."""
        if self._missing or self._slow:
            return Unsupported(f"{pictures} {self.shortfall()}", data={"reason": "no_text"})
        return Unsupported(f"{pictures} No text was found there.", data={"reason": "no_text"})


def _named(pages: Sequence[int]) -> str:
    if len(pages) == 1:
        return f"Page {pages[0]} is"
    names = ", ".join(str(page) for page in pages[:_MOST_NAMED])
    rest = f" and {len(pages) - _MOST_NAMED} more" if len(pages) > _MOST_NAMED else ""
    return f"Pages {names}{rest} are each"


def _recognise(tesseract: str, languages: str, image: Image.Image, *, width_pt: float, height_pt: float) -> Recognised:
    """Tesseract tells how a page of text lies; of a few words it can't: those are read upside down too, when they make no sense.
    The second reading takes what is left of the page's time."""
    until_s = _clock.monotonic() + PAGE_CPU_S
    words = _read_words(tesseract, languages, image, PAGE_CPU_S)
    left_s = until_s - _clock.monotonic()
    if len(words) < _FEW_WORDS and _confidence(words) < _DOUBTFUL and left_s > _LEAST_TIME_S:
        turned = [_turned(word, image) for word in _read_words(tesseract, languages, image.rotate(180), left_s)]
        if _confidence(turned) > _confidence(words) + _CLEARLY_BETTER:
            words = turned
    return _set(words, width_pt / max(image.width, 1), height_pt / max(image.height, 1))


def _read_words(tesseract: str, languages: str, image: Image.Image, cpu_s: float) -> list[_Word]:
    sent = io.BytesIO()
    image.save(sent, format="PPM")  # grey, uncompressed: PGM
    how = "1" if "osd" in _installed(tesseract) else "3"  # with or without a look at how the page lies
    command = [tesseract, "stdin", "stdout", "-l", languages, "--dpi", str(RECOGNITION_DPI), "--psm", how, "tsv"]
    # one thread: computing and waiting are the same on an idle machine
    done = run_program(
        command, timeout_s=PAGE_TIMEOUT_S, cpu_s=cpu_s, given=sent.getvalue(), environment={"OMP_THREAD_LIMIT": "1"}
    )
    return list(_words(done.output.decode(errors="replace"))) if done.status == 0 else []


def _confidence(words: Sequence[_Word]) -> float:
    return sum(word.confidence for word in words) / len(words) if words else 0.0


def _turned(word: _Word, image: Image.Image) -> _Word:
    """Where a word of the picture upside down stands in the picture itself."""
    return structs.replace(
        word, left=image.width - word.left - word.width, top=image.height - word.top - word.height
    )  # fmt: skip


def _words(table: str) -> Iterator[_Word]:
    """The words of tesseract's table that it is sure enough of."""
    for row in csv.DictReader(io.StringIO(table), delimiter="\t", quoting=csv.QUOTE_NONE):
        try:
            text = storable(row["text"] or "").strip()
            if row["level"] == "5" and text and float(row["conf"]) >= _LEAST_CONFIDENCE:
                yield _Word(
                    text=text, place=(int(row["block_num"]), int(row["par_num"]), int(row["line_num"])), left=int(row["left"]),
                    top=int(row["top"]), width=int(row["width"]), height=int(row["height"]), confidence=float(row["conf"]),
                )  # fmt: skip
        except (KeyError, TypeError, ValueError):  # a broken row: tesseract was killed while writing
            continue


def _set(words: Sequence[_Word], x_scale: float, y_scale: float) -> Recognised:
    """Words as running text: lines of a paragraph joined, line-end hyphens mended, no spaces inside Chinese."""
    parts: list[str] = []
    boxes: list[WordBox] = []
    length = 0
    last: _Word | None = None
    for word in words:
        text = word.text
        if last is not None:
            between = _between(last, word)
            if between == "-":
                parts[-1] = parts[-1][:-1]
                length -= 1
                boxes[-1] = structs.replace(boxes[-1], end=length)
                between = ""
            parts.append(between)
            length += len(between)
        boxes.append(
            WordBox(
                start=length, end=length + len(text), x0=round(word.left * x_scale, 2), y0=round(word.top * y_scale, 2),
                x1=round((word.left + word.width) * x_scale, 2), y1=round((word.top + word.height) * y_scale, 2),
            )
        )  # fmt: skip
        parts.append(text)
        length += len(text)
        last = word
    return Recognised(text="".join(parts), words=boxes)


def _between(before: _Word, after: _Word) -> str:
    """What stands between two words; `-`: nothing, and the hyphen before it goes."""
    if before.place[:2] != after.place[:2]:
        return "\n\n" if before.place[0] != after.place[0] else "\n"
    if before.place != after.place and len(before.text) > 1 and before.text.endswith("-") and after.text[0].islower():
        return "-"
    return "" if is_cjk(before.text[-1]) and is_cjk(after.text[0]) else " "
