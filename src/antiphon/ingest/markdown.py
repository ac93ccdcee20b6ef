"""Markdown: the text as written, headings (`#`, underlined) outside code fences as outline. Runs in worker processes.

Tests: tests/unit/ingest/test_markdown.py.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

from antiphon.ingest.anchors import heading_marks
from antiphon.ingest.document import LONGEST_HEADING_CHARACTERS, MOST_HEADINGS, Heading
from antiphon.ingest.plain_text import TextDocument, lines_of, read_text

_HEADING: Final = re.compile(r" {0,3}(#{1,6})[ \t]+(\S.*)$")
_UNDERLINE: Final = re.compile(r" {0,3}(=+|-{2,})[ \t]*$")
_FENCE: Final = re.compile(r" {0,3}(`{3,}|~{3,})")
_DECORATION: Final = re.compile(r"[*`]|[ \t]#+[ \t]*$|[ \t]*\{#[^}]{0,100}\}[ \t]*$")
_LINK: Final = re.compile(r"!?\[([^\[\]]{0,200})\]\([^()]{0,500}\)")


def open_markdown(path: Path, _password: str | None) -> TextDocument:
    text = read_text(path)
    outline = markdown_outline(text)
    title = outline[0].title if outline and outline[0].level == 1 else ""
    return TextDocument(text, title, outline, heading_marks(outline))


def markdown_outline(text: str) -> list[Heading]:
    """The headings, in order, at most MOST_HEADINGS."""
    outline: list[Heading] = []
    fence = ""
    before = (0, "")
    for start, line in lines_of(text):
        mark = _FENCE.match(line)
        if fence:
            if mark is not None and mark[1].startswith(fence) and not line.strip(" \t`~"):
                fence = ""
            continue
        if mark is not None:
            fence = mark[1]
            continue
        found = _heading(start, line, before)
        if found is not None and found.title:
            outline.append(found)
            if len(outline) == MOST_HEADINGS:
                break
        before = (start, line)
    return outline


def _heading(start: int, line: str, before: tuple[int, str]) -> Heading | None:
    if len(line) > 4 * LONGEST_HEADING_CHARACTERS:
        return None
    match = _HEADING.match(line)
    if match is not None:
        return Heading(title=_plain(match[2]), level=len(match[1]), page=1, start=start)
    above = before[1].strip()
    if (
        _UNDERLINE.match(line)
        and above
        and len(above) <= LONGEST_HEADING_CHARACTERS
        and not above.startswith(("#", "-", ">", "|", "*"))
    ):
        return Heading(title=_plain(above), level=1 if "=" in line else 2, page=1, start=before[0])
    return None


def _plain(title: str) -> str:
    return _DECORATION.sub("", _LINK.sub(r"\1", title)).strip()[:LONGEST_HEADING_CHARACTERS]
