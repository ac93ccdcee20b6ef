"""Which parser opens which media type. Parsers are named by import path: they are loaded in the worker processes only.

A further format, or a plug-in, adds a `ParserSpec`; the composition root passes all of them to `ParserPool`.
Tests: tests/unit/ingest/test_parsers.py.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from importlib import import_module
from pathlib import Path
from typing import Final, Protocol

from msgspec import Struct

from antiphon.core.errors import BadRequest, Unsupported
from antiphon.ingest.document import Furniture, Heading, PageRectangles, ParsedPage
from antiphon.ingest.media_type import MARKDOWN, PDF, PLAIN_TEXT


class OpenDocument(Protocol):
    """A document opened by its parser. `pages` may be iterated once; `outline` and `furniture` are complete after that."""

    paged: bool
    title: str
    page_total: int

    def pages(self) -> Iterator[ParsedPage]: ...

    def outline(self) -> list[Heading]: ...

    def furniture(self) -> list[Furniture]: ...

    def rectangles(self, page: int, start: int, end: int, /) -> PageRectangles:
        """Raises Unsupported for documents without pages, BadRequest for a place outside the document."""
        ...

    def page_image(self, page: int, width_px: int, /) -> bytes:
        """A PNG. Raises as `rectangles` does."""
        ...

    def close(self) -> None: ...


OpenFunction = Callable[[Path, str | None], OpenDocument]
"""(path, password or None) -> open document. Raises an AntiphonError that says what is wrong with the file."""


class ParserSpec(Struct, frozen=True, kw_only=True):
    """`target`: `module:function` of an OpenFunction. `label`: for "supported here are ..."."""

    media_types: list[str]
    target: str
    label: str


BUILT_IN_PARSERS: Final[tuple[ParserSpec, ...]] = (
    ParserSpec(media_types=[PDF], target="antiphon.ingest.pdf:open_pdf", label="PDF"),
    ParserSpec(media_types=[MARKDOWN], target="antiphon.ingest.markdown:open_markdown", label="Markdown"),
    ParserSpec(media_types=[PLAIN_TEXT], target="antiphon.ingest.plain_text:open_plain_text", label="plain text"),
)


def load_parser(target: str) -> OpenFunction:
    """Imports the parser. Raises ImportError or AttributeError: a defect of whoever registered it."""
    module, _, name = target.partition(":")
    return getattr(import_module(module), name)


def parser_target(specs: Sequence[ParserSpec], media_type: str) -> str:
    """The last registered parser for the type. Raises Unsupported, naming what is supported."""
    for spec in reversed(specs):
        if media_type in spec.media_types:
            return spec.target
    labels = ", ".join(spec.label for spec in specs)
    raise Unsupported(f"Files of type {media_type!r} can't be read yet; supported are {labels}.", data={"media_type": media_type})


def demand_page(page: int, total: int) -> None:
    """Raises BadRequest for a page the document does not have."""
    if not 1 <= page <= total:
        raise BadRequest(f"There is no page {page}: the document has pages 1 to {total}.")
