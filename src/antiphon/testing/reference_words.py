"""The words of a document as another program reads them, to compare a parser with. For tests and measurements only.

Each kind is read by a library or method that the parsers do not use (python-docx, openpyxl, python-pptx, pdfium's own text, the
standard library). Tests: tests/integration/test_document_words.py.
"""

from __future__ import annotations

import email
import email.policy
import html
import json
import re
import unicodedata
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final
from xml.etree import ElementTree as ET

import pypdfium2

_WORD: Final = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff]|[^\W_\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff]+")
_HIDDEN_MARKUP: Final = re.compile(r"<(script|style|head|template|noscript)\b.*?</\1\s*>|<!--.*?-->", re.DOTALL | re.IGNORECASE)
_TAG: Final = re.compile(r"<[^>]*>")
_BROKEN_WORD: Final = re.compile(r"(?<=[a-z])[\u0002\u00ad\ufffe-]\s*\n\s*(?=[a-z])")
_INVISIBLE: Final = re.compile("[\u00ad\u200b-\u200f\u2060\ufeff\ufffe\uffff\x00-\x08]")


def words_of(text: str) -> Counter[str]:
    """Words without case, characters of Chinese and Japanese one by one; line-end hyphens joined, ligatures as letters."""
    text = _BROKEN_WORD.sub("", text.replace("\r", ""))
    return Counter(_WORD.findall(unicodedata.normalize("NFKC", _INVISIBLE.sub("", text)).casefold()))


def found_share(reference: Counter[str], text: str) -> float:
    """How many of the reference's words are in the text, each as often as it stands there."""
    return (reference & words_of(text)).total() / max(1, reference.total())


def reference_words(path: Path, kind: str, password: str | None) -> Counter[str] | None:
    """None where no other reader is at hand, or it can't read the file either."""
    reader = _READERS.get(kind)
    if reader is None:
        return None
    try:
        found = words_of("\n".join(reader(path, password)))
    except Exception:  # noqa: BLE001 - whatever another reader stumbles over: then there is no reference
        return None
    return found or None


def _pdf(path: Path, password: str | None) -> Iterator[str]:
    document = pypdfium2.PdfDocument(path, password=password)
    try:
        for page in document:
            yield page.get_textpage().get_text_range()
    finally:
        document.close()


def _docx(path: Path, _password: str | None) -> Iterator[str]:
    from docx import Document

    def blocks(holder: Any) -> Iterator[str]:
        yield from (paragraph.text for paragraph in holder.paragraphs)
        for table in holder.tables:
            for row in table._tbl.tr_lst:  # noqa: SLF001 - `rows` repeats merged cells
                for cell in row.tc_lst:
                    yield " ".join("".join(node.text or "" for node in p.iter("{*}t")) for p in cell.iter("{*}p"))

    yield from blocks(Document(str(path)))


def _pptx(path: Path, _password: str | None) -> Iterator[str]:
    from pptx import Presentation

    for slide in Presentation(str(path)).slides:
        for shape in slide.shapes:
            frame: Any = shape
            if shape.has_text_frame:
                yield frame.text_frame.text
            if shape.has_table:
                yield "\n".join(cell.text for row in frame.table.rows for cell in row.cells if not cell.is_spanned)


def _xlsx(path: Path, _password: str | None) -> Iterator[str]:
    from openpyxl import load_workbook

    with path.open("rb") as file:
        for sheet in load_workbook(file, data_only=True):
            for row in sheet.iter_rows(values_only=True):
                # numbers and dates are displayed in the cell's own format, which this reader does not apply
                yield " ".join(value for value in row if isinstance(value, str))


def _text(path: Path, _password: str | None) -> Iterator[str]:
    yield _decoded(path.read_bytes())


def _markup(path: Path, _password: str | None) -> Iterator[str]:
    yield _without_tags(_decoded(path.read_bytes()))


def _xml(path: Path, _password: str | None) -> Iterator[str]:
    # feeds carry HTML as text
    yield from map(_without_tags, ET.fromstring(path.read_bytes()).itertext())  # noqa: S314 - expat is bounded; files of a test collection


def _epub(path: Path, _password: str | None) -> Iterator[str]:
    with zipfile.ZipFile(path) as archive:
        for name in archive.namelist():
            if name.endswith((".xhtml", ".html", ".htm")):
                yield _without_tags(archive.read(name).decode())


def _odf(path: Path, _password: str | None) -> Iterator[str]:
    with zipfile.ZipFile(path) as archive:
        body = ET.fromstring(archive.read("content.xml"))  # noqa: S314 - as above
    for element in body.iter():
        if element.tag.endswith("}p") or element.tag.endswith("}h"):
            yield "".join(element.itertext())


def _mail(path: Path, _password: str | None) -> Iterator[str]:
    message = email.message_from_string(_decoded(path.read_bytes()), policy=email.policy.default)
    yield str(message["subject"] or "")
    body = message.get_body(("plain", "html"))
    if body is not None:
        content = str(body.get_content())
        yield _without_tags(content) if body.get_content_type() == "text/html" else content


def _notebook(path: Path, _password: str | None) -> Iterator[str]:
    for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]:
        yield "".join(cell["source"])


def _decoded(content: bytes) -> str:
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        return content.decode("utf-16")
    for encoding in ("utf-8-sig", "gb18030", "cp1252"):
        try:
            return content.decode(encoding)
        except UnicodeDecodeError:
            continue
    return content.decode("latin-1")


def _without_tags(markup: str) -> str:
    return html.unescape(_TAG.sub(" ", _HIDDEN_MARKUP.sub(" ", markup)))


_READERS: Final[dict[str, Callable[[Path, str | None], Iterator[str]]]] = {
    "pdf": _pdf, "docx": _docx, "pptx": _pptx, "xlsx": _xlsx, "txt": _text, "csv": _text, "html": _markup, "xml": _xml,
    "epub": _epub, "odt": _odf, "odp": _odf, "ods": _odf, "eml": _mail, "ipynb": _notebook,
}  # fmt: skip
