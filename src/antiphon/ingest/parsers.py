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
from antiphon.ingest.media_names import (
    ATOM,
    BMP,
    CSV,
    DOC,
    DOCX,
    ENCRYPTED_OFFICE,
    EPUB,
    GIF,
    HTML,
    JPEG,
    JSON,
    JSON_LINES,
    MAIL,
    MARKDOWN,
    MBOX,
    NOTEBOOK,
    ODP,
    ODS,
    ODT,
    OUTLOOK,
    PDF,
    PLAIN_TEXT,
    PNG,
    PPT,
    PPTX,
    RSS,
    RTF,
    SOURCE_CODE,
    SVG,
    TIFF,
    TSV,
    WEBP,
    XLS,
    XLSB,
    XLSX,
    XML,
    ZIP,
    advice_for,
)
from antiphon.ingest.media_type import media_type_of_file


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
    ParserSpec(media_types=[HTML], target="antiphon.ingest.text_formats.html:open_html", label="HTML"),
    ParserSpec(media_types=[EPUB], target="antiphon.ingest.text_formats.epub:open_epub", label="EPUB"),
    ParserSpec(media_types=[CSV, TSV], target="antiphon.ingest.text_formats.delimited:open_delimited", label="CSV"),
    ParserSpec(media_types=[MAIL, MBOX], target="antiphon.ingest.text_formats.mail:open_mail", label="mail"),
    ParserSpec(media_types=[OUTLOOK], target="antiphon.ingest.text_formats.outlook:open_outlook", label="Outlook messages"),
    ParserSpec(media_types=[JSON, JSON_LINES], target="antiphon.ingest.text_formats.json_text:open_json", label="JSON"),
    ParserSpec(media_types=[XML, RSS, ATOM, SVG], target="antiphon.ingest.text_formats.xml_text:open_xml", label="XML"),
    ParserSpec(media_types=[NOTEBOOK], target="antiphon.ingest.text_formats.notebook:open_notebook", label="notebooks"),
    ParserSpec(media_types=[RTF], target="antiphon.ingest.text_formats.rtf:open_rtf", label="RTF"),
    ParserSpec(
        media_types=[SOURCE_CODE], target="antiphon.ingest.text_formats.source_code:open_source_code", label="source code"
    ),
    ParserSpec(media_types=[DOCX], target="antiphon.ingest.office.docx:open_docx", label="DOCX"),
    ParserSpec(media_types=[PPTX], target="antiphon.ingest.office.pptx:open_pptx", label="PPTX"),
    ParserSpec(media_types=[XLSX], target="antiphon.ingest.office.xlsx:open_xlsx", label="XLSX"),
    ParserSpec(media_types=[ODT, ODS, ODP], target="antiphon.ingest.office.odf:open_odf", label="OpenDocument"),
    ParserSpec(media_types=[DOC], target="antiphon.ingest.office.libreoffice:open_old_text", label="DOC, XLS and PPT"),
    ParserSpec(media_types=[XLS, XLSB], target="antiphon.ingest.office.libreoffice:open_old_sheets", label="DOC, XLS and PPT"),
    ParserSpec(media_types=[PPT], target="antiphon.ingest.office.libreoffice:open_old_slides", label="DOC, XLS and PPT"),
    ParserSpec(media_types=[ENCRYPTED_OFFICE], target="antiphon.ingest.office.encrypted:open_encrypted", label="DOCX"),
    ParserSpec(media_types=[ZIP], target="antiphon.ingest.office.refusals:refuse_archive", label="DOCX"),
    ParserSpec(media_types=[PNG, JPEG, TIFF, WEBP, GIF, BMP], target="antiphon.ingest.image:open_image", label="images"),
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
    labels = ", ".join(dict.fromkeys(spec.label for spec in specs))
    advice = advice_for(media_type) or f"Files of type {media_type!r} can't be read."
    raise Unsupported(f"{advice} Supported are {labels}.", data={"reason": "unsupported_type", "media_type": media_type})


def open_file(path: Path, name: str, password: str | None, specs: Sequence[ParserSpec]) -> tuple[str, OpenDocument]:
    """(media type by content, open document). Raises what the parser raises, Unsupported when there is none."""
    media_type = media_type_of_file(path, name)
    return media_type, load_parser(parser_target(specs, media_type))(path, password)


def demand_page(page: int, total: int) -> None:
    """Raises BadRequest for a page the document does not have."""
    if not 1 <= page <= total:
        raise BadRequest(f"There is no page {page}: the document has pages 1 to {total}.")
