"""Pages and outline -> chunks with exact places. Pure, linear time, deterministic (a resumed job counts on that).

A chunk lies on one page, begins at a sentence or a heading and ends at a sentence's end; only a sentence longer than
`storage.lexical.sentences` allows is cut. CHUNKER_VERSION changes with the algorithm. Tests:
tests/unit/ingest/test_chunker.py, tests/properties/test_offsets.py.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from itertools import pairwise
from typing import Final

from msgspec import Struct

from antiphon.ingest.anchors import PageAnchors
from antiphon.ingest.document import AnchorMark, ChunkDraft, Furniture, Heading, ParsedDocument, ParsedPage
from antiphon.storage.lexical.sentences import sentences
from antiphon.storage.lexical.tokens import index_tokens

CHUNKER_VERSION: Final = 1
_LEAST_SHARE: Final = 0.5
"""A chunk shorter than this share of the aim takes a further sentence even if that makes it too long."""
_MOST_SHARE: Final = 1.25
_REMAINDER_SHARE: Final = 0.2
"""What is left at a section's end and shorter than this joins the chunk before."""


class ChunkRules(Struct, frozen=True, kw_only=True):
    """Lengths in characters; `characters` is aimed at, not kept exactly."""

    characters: int
    overlap_characters: int = 0


class _Piece(Struct, kw_only=True):
    start: int
    end: int
    heading: bool


def chunks_of(document: ParsedDocument, rules: ChunkRules, *, title: str) -> Iterator[ChunkDraft]:
    """In reading order, ordinals from 0. The tokens of title and headings are added to those of each chunk."""
    return Chunker(rules).cut(document, title=title)


class Chunker:
    """Cuts a document that comes in pieces of whole pages; the chunks are those of the whole one (`chunks_of`)."""

    def __init__(self, rules: ChunkRules) -> None:
        self._rules = rules
        self._ordinal = 0
        self._path: list[Heading] = []

    def cut(self, piece: ParsedDocument, *, title: str) -> Iterator[ChunkDraft]:
        """The chunks of the next pages. `piece` holds them with the headings, furniture and marks on them, nothing else."""
        by_page: dict[int, list[Heading]] = {}
        for heading in piece.outline:
            by_page.setdefault(heading.page, []).append(heading)
        furniture: dict[int, list[Furniture]] = {}
        for item in piece.furniture:
            furniture.setdefault(item.page, []).append(item)
        marks: dict[int, list[AnchorMark]] = {}
        for mark in piece.anchors:
            marks.setdefault(mark.page, []).append(mark)
        for page in piece.pages:
            headings = sorted(by_page.get(page.number, ()), key=lambda heading: heading.start)
            anchors = PageAnchors(marks.get(page.number, ()), page.text)
            yield from self._cut_page(page, headings, furniture.get(page.number, []), anchors, title=title, paged=piece.paged)

    def _cut_page(
        self,
        page: ParsedPage,
        headings: list[Heading],
        furniture: list[Furniture],
        anchors: PageAnchors,
        *,
        title: str,
        paged: bool,
    ) -> Iterator[ChunkDraft]:
        positions = [heading.start for heading in headings]
        used = lines = counted = 0
        for start, end in _ranges(page.text, positions, furniture, self._rules):
            reached = bisect_right(positions, start)
            for heading in headings[used:reached]:
                self._enter(heading)
            used = max(used, reached)
            lines += page.text.count("\n", counted, start)
            counted = start
            titles = [heading.title for heading in self._path]
            text = page.text[start:end]
            yield ChunkDraft(
                ordinal=self._ordinal, page=page.number, start=start, end=end, text=text,
                anchor=anchors.of(start, end) or (None if paged else f"line:{lines + 1}"), heading_path=titles,
                tokens=index_tokens(text, " \n ".join((title, *titles))),
            )  # fmt: skip
            self._ordinal += 1
        for heading in headings[used:]:  # behind the last chunk's start: they hold for the next page
            self._enter(heading)

    def _enter(self, heading: Heading) -> None:
        self._path = [*(above for above in self._path if above.level < heading.level), heading]


def _ranges(text: str, headings: list[int], furniture: list[Furniture], rules: ChunkRules) -> Iterator[tuple[int, int]]:
    """(start, end) of the chunks of one page."""
    sections: list[list[_Piece]] = []
    for piece in _pieces(text, headings, furniture):
        only_headings = bool(sections) and all(earlier.heading for earlier in sections[-1])
        if not sections or (piece.heading and not only_headings):
            sections.append([])
        sections[-1].append(piece)
    for section in sections:
        yield from _fill(section, rules)


def _pieces(text: str, headings: list[int], furniture: list[Furniture]) -> Iterator[_Piece]:
    """Sentences, cut at headings and without furniture; a heading's own line is a piece."""
    edges = [*headings, *(edge for item in furniture for edge in (item.start, item.end))]
    cuts = sorted({0, *(position for position in edges if 0 < position < len(text)), len(text)})
    left_out = {item.start for item in furniture}
    starts = set(headings)
    for start, end in pairwise(cuts):
        if start in left_out:
            continue
        first = start in starts
        for sentence_start, sentence_end in sentences(text, start, end):
            yield _Piece(start=sentence_start, end=sentence_end, heading=first)
            first = False


def _fill(section: list[_Piece], rules: ChunkRules) -> Iterator[tuple[int, int]]:
    aim = rules.characters
    groups: list[list[_Piece]] = [[]]
    for piece in section:
        group = groups[-1]
        if group:
            present, longer = group[-1].end - group[0].start, piece.end - group[0].start
            full = present >= aim or (longer > aim and present >= _LEAST_SHARE * aim) or longer > 2 * _MOST_SHARE * aim
            if full and not all(earlier.heading for earlier in group):
                groups.append(_repeated(group, rules.overlap_characters))
        groups[-1].append(piece)
    if len(groups) > 1:
        last, before = groups[-1], groups[-2]
        short = last[-1].end - last[0].start < _REMAINDER_SHARE * aim
        if short and last[-1].end - before[0].start <= (_MOST_SHARE + _REMAINDER_SHARE) * aim:
            before.extend(piece for piece in last if piece.start >= before[-1].end)
            groups.pop()
    for group in groups:
        if group:
            yield group[0].start, group[-1].end


def _repeated(group: list[_Piece], overlap_characters: int) -> list[_Piece]:
    """The last sentences of the group that fit into the overlap; never all of them."""
    repeated: list[_Piece] = []
    for piece in reversed(group[1:]):
        if group[-1].end - piece.start > overlap_characters:
            break
        repeated.insert(0, piece)
    return repeated
