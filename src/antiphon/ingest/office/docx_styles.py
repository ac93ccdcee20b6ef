"""Which paragraphs are headings, titles and list items: styles.xml of a DOCX. For docx.py.

Tests: tests/unit/ingest/office/test_docx.py.
"""

from __future__ import annotations

import re
from typing import Final

from msgspec import Struct, structs

from antiphon.ingest.office.docx_numbering import whole
from antiphon.ingest.office.markup import Element, attribute, child, is_on, local

_HEADING_NAME: Final = re.compile(r"(?:heading|überschrift|titre|título|titolo|标题|標題|見出し)\s*([1-9])", re.IGNORECASE)
_TITLE_NAMES: Final = frozenset({"title", "标题", "標題", "表題", "titel"})
_LONGEST_CHAIN: Final = 20
_BODY_LEVEL: Final = 9


class Shape(Struct, frozen=True, kw_only=True):
    """What the file says of a paragraph. `level` counts from 1, None for body text; `list_id` empty for none."""

    level: int | None = None
    title: bool = False
    list_id: str = ""
    list_level: int = 0


class Styles:
    """`root`: of styles.xml, or None."""

    def __init__(self, root: Element | None) -> None:
        self._styles: dict[str, Element] = {}
        self._shapes: dict[str, Shape] = {}
        self._default = ""
        for element in root if root is not None else ():
            key = attribute(element, "styleId")
            if local(element) == "style" and key and attribute(element, "type") in {None, "paragraph"}:
                self._styles[key] = element
                if attribute(element, "default") in {"1", "true", "on"}:
                    self._default = key

    def shape(self, paragraph: Element) -> Shape:
        """From its own properties, then its style's, then those that the style is based on."""
        properties = child(paragraph, "pPr")
        style = (attribute(child(properties, "pStyle"), "val") if properties is not None else None) or self._default
        inherited = self._of_style(style)
        return inherited if properties is None else _over(inherited, properties)

    def _of_style(self, key: str) -> Shape:
        if key not in self._shapes:
            chain: list[Element] = []
            at = key
            while at in self._styles and len(chain) < _LONGEST_CHAIN:
                chain.append(self._styles[at])
                at = attribute(child(self._styles[at], "basedOn"), "val") or ""
            shape = Shape()
            for style in reversed(chain):
                name = (attribute(child(style, "name"), "val") or "").strip()
                match = _HEADING_NAME.match(name)
                if match is not None:
                    shape = structs.replace(shape, level=int(match[1]))
                elif name.lower() in _TITLE_NAMES:
                    shape = structs.replace(shape, level=1, title=True)
                properties = child(style, "pPr")
                if properties is not None:
                    shape = _over(shape, properties)
            self._shapes[key] = shape
        return self._shapes[key]


def _over(shape: Shape, properties: Element) -> Shape:
    """`shape` with what these properties say otherwise."""
    outline = child(properties, "outlineLvl")
    if outline is not None:
        level = whole(attribute(outline, "val"), _BODY_LEVEL)
        shape = structs.replace(shape, level=level + 1 if 0 <= level < _BODY_LEVEL else None)
    numbering = child(properties, "numPr")
    if numbering is not None:
        list_id, level = child(numbering, "numId"), child(numbering, "ilvl")
        if list_id is not None:
            key = attribute(list_id, "val") or ""
            shape = structs.replace(shape, list_id="" if key == "0" else key)
        if level is not None:
            shape = structs.replace(shape, list_level=whole(attribute(level, "val"), 0))
    return shape


def all_bold(paragraphs: list[Element]) -> bool:
    """Whether every piece of text in them is bold by its own properties: how people mark a header row."""
    runs = [run for paragraph in paragraphs for run in paragraph.iter("{*}r") if any(local(part) == "t" for part in run)]
    return bool(runs) and all(is_on(child(run, "rPr", "b")) for run in runs)
