"""The text of one DOCX paragraph, with what hangs on it: notes, text boxes, charts. For docx.py.

Kept: insertions, hyperlinks' words, fields' results, formulas' letters. Left out: deletions, moved-away text, comments, field
codes, hidden text. Tests: tests/unit/ingest/office/test_docx.py.
"""

from __future__ import annotations

from typing import Final

from msgspec import Struct

from antiphon.ingest.office.markup import Element, attribute, child, is_on, local, texts

DEEPEST: Final = 40
_LEFT_OUT: Final = frozenset({
    "del", "moveFrom", "delText", "instrText", "delInstrText", "rPr", "pPr", "sdtPr", "sdtEndPr", "annotationRef",
    "commentReference", "commentRangeStart", "proofErr", "fldData",
})  # fmt: skip
_SIGNS: Final = {"tab": " ", "br": "\n", "cr": "\n", "noBreakHyphen": "-", "ptab": " "}
_CHECKED: Final = {"\uf0fe": "☒", "\uf052": "☒", "\uf0a8": "☐", "\uf0a3": "☐", "\uf0fc": "✓", "\uf0b7": "•", "\uf0e0": "→"}


class Paragraph(Struct, kw_only=True):
    """`boxes`: the contents of text boxes; `notes`: (kind, id); `charts`, `diagrams`: relationship ids."""

    pieces: list[str] = []
    boxes: list[Element] = []
    notes: list[tuple[str, str]] = []
    charts: list[str] = []
    diagrams: list[str] = []

    @property
    def text(self) -> str:
        return "".join(self.pieces)


def read_paragraph(element: Element) -> Paragraph:
    found = Paragraph()
    for below in element:
        _gather(below, found, 0)
    return found


def _gather(element: Element, found: Paragraph, depth: int) -> None:
    name = local(element)
    if depth > DEEPEST or name in _LEFT_OUT or (name == "r" and _hidden(element)):
        return
    words = _words(element, name)
    if words is not None:
        found.pieces.append(words)
    elif name == "AlternateContent":
        _gather_alternative(element, found, depth)
    elif name == "ruby":  # the characters; not the reading above them
        for below in (below for base in element if local(base) == "rubyBase" for below in base):
            _gather(below, found, depth + 1)
    elif not _attach(element, name, found):
        for below in element:
            _gather(below, found, depth + 1)


def _words(element: Element, name: str) -> str | None:
    """What an element says by itself; None for one to look into."""
    if name == "t":
        return element.text or ""
    if name == "sym":
        return _symbol(attribute(element, "char"))
    if name in {"oMath", "oMathPara"}:
        return f" {texts(element, 't')} "
    if name == "br" and attribute(element, "type") in {"page", "column"}:
        return ""
    return _SIGNS.get(name)


def _attach(element: Element, name: str, found: Paragraph) -> bool:
    """Notes what follows the paragraph; whether it was that."""
    if name in {"footnoteReference", "endnoteReference"}:
        found.notes.append((name.removesuffix("Reference"), attribute(element, "id") or ""))
    elif name == "txbxContent":
        found.boxes.append(element)
    elif name == "chart":
        found.charts.append(attribute(element, "id") or "")
    elif name == "relIds":
        found.diagrams.append(attribute(element, "dm") or "")
    else:
        return False
    return True


def _gather_alternative(element: Element, found: Paragraph, depth: int) -> None:
    """The same drawing twice, for new and old programs: the first one that has something to read."""
    for choice in element:
        before = _amount(found)
        for below in choice:
            _gather(below, found, depth + 1)
        if _amount(found) != before:
            return


def _amount(found: Paragraph) -> int:
    return len(found.pieces) + len(found.boxes) + len(found.charts) + len(found.diagrams)


def _hidden(run: Element) -> bool:
    return is_on(child(run, "rPr", "vanish")) and not is_on(child(run, "rPr", "specVanish"))


def _symbol(code: str | None) -> str:
    try:
        character = chr(int(code or "", 16))
    except (ValueError, OverflowError):
        return ""
    if character in _CHECKED:
        return _CHECKED[character]
    return "" if "\ue000" <= character <= "\uf8ff" else character
