"""Source code: the text as written, its classes and functions as outline. One set of patterns for all languages.

Anchors are lines, given by the chunker. Runs in worker processes. Tests: tests/unit/ingest/text_formats/test_source_code.py.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

from antiphon.ingest.document import LONGEST_HEADING_CHARACTERS, MOST_HEADINGS, Heading
from antiphon.ingest.plain_text import TextDocument, lines_of, read_text

_LONGEST_LINE: Final = 400
_DEFINITION: Final = re.compile(
    r"(?P<indent>[ \t]{0,40})"
    r"(?:(?:export|default|public|private|protected|internal|static|final|abstract|async|override|virtual|sealed|partial|pub"
    r"(?:\([a-z]{1,10}\))?|unsafe|open|data|inline|extern|declare|const)[ \t]+){0,6}"
    r"(?P<what>def|class|func|function\*?|fn|fun|interface|struct|enum|trait|impl|module|namespace|protocol|extension|record|sub"
    r"|type|object|defmodule|defp|create[ \t]+(?:or[ \t]+replace[ \t]+)?(?:table|view|function|procedure))"
    r"[ \t]+(?P<name>(?:\([^()]{0,80}\)[ \t]*)?[\w$.:<>`\"]{1,120})",
    re.IGNORECASE,
)
_CONTAINERS: Final = frozenset(
    {"class", "interface", "struct", "enum", "trait", "impl", "module", "namespace", "protocol", "extension", "record", "object", "defmodule"}
)  # fmt: skip
_SECTION: Final = re.compile(r"\[{1,2}(?P<name>[\w.:\- \"']{1,100})\]{1,2}[ \t]*$")
_TAB_COLUMNS: Final = 4


def open_source_code(path: Path, _password: str | None) -> TextDocument:
    """Nested definitions are one level lower than what they are indented in. `[section]` lines of settings files count."""
    text = read_text(path)
    outline: list[Heading] = []
    indents: list[int] = []
    for start, line in lines_of(text):
        if not 3 < len(line) <= _LONGEST_LINE or len(outline) >= MOST_HEADINGS:
            continue
        found = _DEFINITION.match(line)
        if found is not None and _defines(line, found):
            indent = len(found["indent"].expandtabs(_TAB_COLUMNS))
            while indents and indents[-1] >= indent:
                indents.pop()
            indents.append(indent)
            title = " ".join(line[len(found["indent"]) : found.end()].split())[:LONGEST_HEADING_CHARACTERS]
            outline.append(Heading(title=title, level=min(len(indents), 9), page=1, start=start))
        elif (section := _SECTION.match(line)) is not None:
            outline.append(Heading(title=section["name"], level=1, page=1, start=start))
    return TextDocument(text, "", outline)


def _defines(line: str, found: re.Match[str]) -> bool:
    """Not prose that begins with such a word: a definition goes on with a bracket, a colon, a brace, or ends."""
    rest = line[found.end() :].lstrip()
    if found["what"].lower() == "type":
        return rest.startswith(("=", "struct", "interface", "func", "{", "<"))
    return not rest or rest[0] in "({[<:=;,-" or (found["what"].lower() in _CONTAINERS and len(rest.split()) <= 12)
