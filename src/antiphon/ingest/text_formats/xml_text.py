"""XML: feeds as items, articles and books as headings and paragraphs, data as `path: value` lines. One pass with expat.

Nothing is fetched: no document type is loaded. Entities that a file declares itself stand for short plain text, or the file is
refused; nesting is a list bounded in depth. Runs in worker processes. Tests: tests/unit/ingest/text_formats/test_xml_text.py.
"""

from __future__ import annotations

import html
import re
from pathlib import Path
from typing import Final
from xml.parsers import expat

from antiphon.core.errors import BadRequest
from antiphon.ingest.composition import Composition
from antiphon.ingest.decoding import decode
from antiphon.ingest.plain_text import TextDocument, demand_size
from antiphon.ingest.text_formats.html import declared_charset
from antiphon.ingest.text_formats.vocabulary import words
from antiphon.ingest.text_formats.xml_shapes import ArticleShape, DataShape, FeedShape, Shape

_DECLARATION: Final = re.compile(r"\s*<\?xml[^>]{0,300}\?>")
_FEEDS: Final = frozenset({"rss", "feed", "rdf"})
_ARTICLES: Final = words(
    "article book chapter section sect1 para tei tei.2 text body doc document dita topic concept task reference html dtbook thesis ",
    "report fictionbook mods sec manuscript act bill law",
)
_DEEPEST: Final = 10_000
_MOST_ENTITIES: Final = 300
_LONGEST_ENTITY: Final = 200
_PIECE_CHARACTERS: Final = 2**18


def open_xml(path: Path, _password: str | None) -> TextDocument:
    """What is not well-formed is read up to the fault; a file that gives no text that way is told."""
    demand_size(path)
    content = path.read_bytes()
    text = decode(content, declared_charset(content)).lstrip("\ufeff\n\t ")
    reader = _Reader()
    reader.read(_DECLARATION.sub("", text, count=1))
    return reader.document()


def _nothing_is_fetched(*_: object) -> int:
    return 1


class _Reader:
    """Gives expat's events to the shape that fits the root element."""

    def __init__(self) -> None:
        self._composition = Composition()
        self._shape: Shape | None = None
        self._depth = 0
        self._entities = 0
        self._drawing = False
        self._unseen_depth = 0
        """Where a script or style sheet of a drawing began; 0 outside of one."""

    def read(self, text: str) -> None:
        parser = expat.ParserCreate(encoding="utf-8")
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self._characters
        parser.EntityDeclHandler = self._entity
        parser.SkippedEntityHandler = self._skipped_entity
        parser.SetParamEntityParsing(expat.XML_PARAM_ENTITY_PARSING_NEVER)
        parser.UseForeignDTD(True)  # unknown entities are skipped, not errors; the "foreign" DTD is never loaded
        parser.ExternalEntityRefHandler = _nothing_is_fetched
        try:
            for start in range(0, len(text), _PIECE_CHARACTERS):
                parser.Parse(text[start : start + _PIECE_CHARACTERS].encode("utf-8", "replace"), False)
            parser.Parse(b"", True)
        except expat.ExpatError as error:
            self._end_early()
            if not self._composition.length:
                raise BadRequest(
                    f"The XML is damaged in line {error.lineno}: {expat.ErrorString(error.code)}.", data={"reason": "unreadable"}
                ) from error

    def document(self) -> TextDocument:
        shape = self._shape
        return self._composition.document("" if shape is None else shape.title, heading_anchors=True)

    def _end_early(self) -> None:
        shape = self._shape
        while shape is not None and self._depth > 0:
            self._depth -= 1
            shape.end()

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        local_name = name.rpartition(":")[2]
        if self._shape is None:
            root = local_name.lower()
            self._drawing = root == "svg"
            if root in _FEEDS:
                self._shape = FeedShape(self._composition)
            elif root in _ARTICLES or root == "svg":
                self._shape = ArticleShape(self._composition)
            else:
                self._shape = DataShape(self._composition)
        self._depth += 1
        if self._depth > _DEEPEST:
            raise BadRequest(f"The XML is nested more than {_DEEPEST:,} levels deep.", data={"reason": "too_deep"})
        if self._drawing and not self._unseen_depth and local_name.lower() in {"script", "style"}:
            self._unseen_depth = self._depth
        self._shape.start(local_name, attributes)

    def _end(self, _name: str) -> None:
        if self._unseen_depth == self._depth:
            self._unseen_depth = 0
        self._depth -= 1
        if self._shape is not None:
            self._shape.end()

    def _characters(self, text: str) -> None:
        if self._shape is not None and not self._unseen_depth:
            self._shape.characters(text)

    def _skipped_entity(self, name: str, is_parameter: bool) -> None:
        if not is_parameter and self._shape is not None:
            known = html.unescape(f"&{name};")
            self._shape.characters("" if known == f"&{name};" else known)

    def _entity(
        self, name: str, is_parameter: bool, value: str | None, _base: str | None, _system: str | None, _public: str | None,
        _notation: str | None,
    ) -> None:  # fmt: skip
        """An abbreviation (drawing programs declare dozens) may be used; what stands elsewhere, or for other entities, may not."""
        self._entities += 1
        plain = value is not None and len(value) <= _LONGEST_ENTITY and not any(sign in value for sign in "&<%")
        if is_parameter or not plain or self._entities > _MOST_ENTITIES:
            raise BadRequest(
                f"The XML declares an entity of its own ({name[:50]!r}) that points elsewhere or can grow without bound; such files are "
                "not read.",
                data={"reason": "unsafe_xml"},
            )
