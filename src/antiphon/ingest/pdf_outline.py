"""`PdfOutline`: headings and running heads of a PDF, told window by window while its pages are read.

Bookmarks are the headings where the file has some; else lines in larger letters than most of the text read so far. Runs in
worker processes. Tests: tests/unit/ingest/test_pdf.py.
"""

from __future__ import annotations

import re
from collections import Counter
from itertools import islice
from typing import Any, Final

import pypdfium2

from antiphon.ingest.document import LONGEST_HEADING_CHARACTERS, MOST_HEADINGS, Furniture, Heading, storable
from antiphon.ingest.pdf_text import LineStart, PageText

_HEADING_SIZE: Final = 1.12
_LONGEST_HEADING_LINE: Final = 90
_HEADING_LEVELS: Final = 4
_RUNNING_HEAD_PAGES: Final = 3
_RUNNING_HEAD_SHARE: Final = 0.3
_OUTER_LINES: Final = 2
_PAGE_NUMBER: Final = re.compile(r"^[\d\s|/·–-]+|[\d\s|/·–-]+$")


class PdfOutline:
    """`add` each page with text once, in order; then `window`. A window's answer never changes with pages behind it."""

    def __init__(self, document: Any) -> None:
        self._document = document
        self._pages: dict[int, tuple[str, list[LineStart]]] = {}
        self._weights: Counter[float] = Counter()
        self._outer_pages: Counter[str] = Counter()
        self._large_titles: Counter[str] = Counter()
        self._heading_sizes: set[float] = set()
        self._told = 0
        self._bookmarks: list[tuple[int, int, str]] | None = None

    def add(self, number: int, content: PageText) -> None:
        self._pages[number] = content.text, content.lines
        for line in content.lines:
            self._weights[line.size_pt] += line.end - line.start
        self._outer_pages.update({key for key, _ in _outer_lines(number, content.text, content.lines)})

    def window(self, first: int, last: int) -> tuple[list[Heading], list[Furniture]]:
        """Headings in reading order and furniture of the pages from `first` to `last`."""
        if self._bookmarks is None:
            self._bookmarks = self._read_bookmarks()
        texts = {number: self._pages[number] for number in range(first, last + 1) if number in self._pages}
        outline = self._marked(texts) if len(self._bookmarks) > 1 else self._large_lines(texts)
        outline = outline[: max(0, MOST_HEADINGS - self._told)]
        self._told += len(outline)
        needed = max(_RUNNING_HEAD_PAGES, _RUNNING_HEAD_SHARE * last)
        furniture: list[Furniture] = []
        for number, (text, lines) in texts.items():
            repeated = [(key, item) for key, item in _outer_lines(number, text, lines) if self._outer_pages[key] >= needed]
            if len(repeated) == len(lines):  # a page of nothing else: its words are all there is to find
                repeated = [(key, item) for key, item in repeated if not any(letter.isalpha() for letter in key)]
            furniture += (item for _, item in repeated)
        return outline, furniture

    def _read_bookmarks(self) -> list[tuple[int, int, str]]:
        """(page, level, title), in the file's order."""
        found: list[tuple[int, int, str]] = []
        try:
            for bookmark in islice(self._document.get_toc(max_depth=8), MOST_HEADINGS):
                title = " ".join(storable(bookmark.get_title()).split())[:LONGEST_HEADING_CHARACTERS]
                target = bookmark.get_dest()
                index = None if target is None else target.get_index()
                if title and index is not None:
                    found.append((index + 1, bookmark.level + 1, title))
        except pypdfium2.PdfiumError:
            return []
        return found

    def _marked(self, texts: dict[int, tuple[str, list[LineStart]]]) -> list[Heading]:
        found = [
            Heading(title=title, level=level, page=page, start=_start_of(title, *texts[page]))
            for page, level, title in self._bookmarks or ()
            if page in texts
        ]
        return sorted(found, key=lambda heading: (heading.page, heading.start))

    def _large_lines(self, texts: dict[int, tuple[str, list[LineStart]]]) -> list[Heading]:
        if not self._weights:
            return []
        body_pt = self._weights.most_common(1)[0][0]
        found: list[tuple[float, Heading]] = []
        for number, (text, lines) in texts.items():
            for place, line in enumerate(lines):
                title = text[line.start : line.end].strip()
                if line.size_pt < _HEADING_SIZE * body_pt or _inside_paragraph(lines, place):
                    continue
                if _reads_like_heading(title):
                    found.append((line.size_pt, Heading(title=title, level=1, page=number, start=line.start)))
        self._large_titles.update(heading.title for _, heading in found)
        found = [(size, heading) for size, heading in found if self._large_titles[heading.title] < _RUNNING_HEAD_PAGES]
        self._heading_sizes |= {size for size, _ in found}
        sizes = sorted(self._heading_sizes, reverse=True)
        level_of = {size: min(rank, _HEADING_LEVELS) for rank, size in enumerate(sizes, start=1)}
        return [
            Heading(title=heading.title, level=level_of[size], page=heading.page, start=heading.start) for size, heading in found
        ]


def _outer_lines(number: int, text: str, lines: list[LineStart]) -> list[tuple[str, Furniture]]:
    """The first and last lines of a page, with what they say but for numbers."""
    found: list[tuple[str, Furniture]] = []
    for line in {line.start: line for line in (*lines[:_OUTER_LINES], *lines[-_OUTER_LINES:])}.values():
        words = text[line.start : line.end].strip()
        if len(words) <= _LONGEST_HEADING_LINE:
            found.append((_PAGE_NUMBER.sub("#", words), Furniture(page=number, start=line.start, end=line.end)))
    return found


def _inside_paragraph(lines: list[LineStart], place: int) -> bool:
    """Whether the line stands among three of one size: a preface in large letters, not a heading."""
    sizes = [line.size_pt for line in lines[max(0, place - 2) : place + 3]]
    own = place - max(0, place - 2)
    return any(sizes[first : first + 3] == [sizes[own]] * 3 for first in range(max(0, own - 2), own + 1))


def _start_of(title: str, text: str, lines: list[LineStart]) -> int:
    """Where the line with the bookmark's title begins, spaces apart; 0 when the page shows other words."""
    wanted = "".join(title.split())[:40]
    for line in lines:
        if "".join(text[line.start : line.end].split()).startswith(wanted):
            return line.start
    return max(0, text.find(title))


def _reads_like_heading(line: str) -> bool:
    letters = sum(character.isalpha() for character in line)
    return letters >= 2 and letters * 2 >= len(line) and len(line) <= _LONGEST_HEADING_LINE and line[-1] not in "。.;；,，"
