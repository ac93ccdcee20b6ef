"""RTF: paragraphs and table rows, in one pass over the control words (RTF 1.9.1). Runs in worker processes.

Text in code pages is collected as bytes and decoded by its font's character set. Pictures, objects, styles and running heads
are skipped. Nesting is a list, not recursion. Tests: tests/unit/ingest/text_formats/test_rtf.py.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

from msgspec import Struct

from antiphon.ingest.composition import Composition
from antiphon.ingest.plain_text import TextDocument, demand_size

_TOKEN: Final = re.compile(
    rb"\\(?:(?P<word>[a-zA-Z]{1,32})(?P<number>-?\d{1,9})?[ ]?|'(?P<hex>[0-9a-fA-F]{2})|(?P<symbol>[^a-zA-Z]))"
    rb"|(?P<brace>[{}])|(?P<text>[^\\{}\r\n]+)|[\r\n]+|\\"
, re.DOTALL)  # fmt: skip
_SKIPPED: Final = frozenset(
    b"fonttbl colortbl stylesheet info pict object objdata header headerl headerr headerf footer footerl footerr footerf filetbl "
    b"listtable listoverridetable rsidtbl generator themedata colorschememapping latentstyles datastore xmlnstbl fldinst "
    b"revtbl bkmkstart bkmkend nonshppict private template userprops panose falt".split()
)
_CHARSETS: Final = {
    0: "cp1252", 77: "mac_roman", 128: "cp932", 129: "cp949", 130: "johab", 134: "gb18030", 136: "cp950", 161: "cp1253",
    162: "cp1254", 163: "cp1258", 177: "cp1255", 178: "cp1256", 186: "cp1257", 204: "cp1251", 222: "cp874", 238: "cp1250",
    254: "cp437", 255: "cp850",
}  # fmt: skip
_CODE_PAGES: Final = {
    **{page: f"cp{page}" for page in (437, 850, 852, 866, 874, 932, 949, 950, *range(1250, 1259))},
    936: "gb18030", 10000: "mac_roman", 65001: "utf-8", 54936: "gb18030",
}  # fmt: skip
_WORDS: Final = {
    b"tab": "\t", b"line": "\n", b"emdash": "—", b"endash": "–", b"emspace": " ", b"enspace": " ", b"qmspace": " ",
    b"bullet": "•", b"lquote": "‘", b"rquote": "’", b"ldblquote": "“", b"rdblquote": "”",
}  # fmt: skip
_READ_DESTINATIONS: Final = frozenset({b"shppict", b"shptxt", b"shpinst", b"shp"})
_MOST_GROUPS: Final = 100_000


class _Group(Struct, kw_only=True):
    skipped: bool = False
    font: int = -1
    skip_after_unicode: int = 1
    in_font_table: bool = False


def open_rtf(path: Path, _password: str | None) -> TextDocument:
    demand_size(path)
    return rtf_composition(path.read_bytes()).document()


def rtf_composition(content: bytes) -> Composition:
    """For RTF inside other formats."""
    reader = _Reader()
    reader.read(content)
    return reader.composition


class _Reader:
    def __init__(self) -> None:
        self.composition = Composition()
        self._groups = [_Group()]
        self._encoding = "cp1252"
        self._fonts: dict[int, str] = {}
        self._default_font = -1
        self._bytes = bytearray()
        self._text: list[str] = []
        self._cells: list[str] | None = None
        self._rows_before = False
        self._to_skip = 0
        self._high_surrogate = 0
        self._destination_next = False
        self._in_row = False

    def read(self, content: bytes) -> None:
        position = 0
        while position < len(content):
            token = _TOKEN.match(content, position)
            if token is None:
                position += 1
                continue
            position = token.end()
            if token["brace"] is not None:
                self._brace(token["brace"])
            elif token["word"] is not None:
                number = token["number"]
                if token["word"] == b"bin":
                    position += max(0, int(number or 0))
                    continue
                self._word(token["word"], None if number is None else int(number))
            elif token["hex"] is not None:
                self._literal(bytes([int(token["hex"], 16)]))
            elif token["symbol"] is not None:
                self._symbol(token["symbol"])
            elif token["text"] is not None:
                self._literal(token["text"])
        self._end_paragraph()

    def _brace(self, brace: bytes) -> None:
        self._decode_bytes()
        self._destination_next = False
        group = self._groups[-1]
        self._to_skip = 0
        if brace == b"}":
            if len(self._groups) > 1:
                self._groups.pop()
        elif len(self._groups) < _MOST_GROUPS:
            self._groups.append(
                _Group(
                    skipped=group.skipped,
                    font=group.font,
                    skip_after_unicode=group.skip_after_unicode,
                    in_font_table=group.in_font_table,
                )
            )

    def _symbol(self, symbol: bytes) -> None:
        if symbol == b"*":
            self._destination_next = True
        elif symbol in b"{}\\":
            self._literal(symbol)
        elif symbol == b"~":
            self._add(" ")
        elif symbol == b"_":
            self._add("-")
        elif symbol in b"\r\n":
            self._paragraph()

    def _word(self, word: bytes, number: int | None) -> None:
        group = self._groups[-1]
        if word == b"fonttbl":
            group.in_font_table = True
        if word in _SKIPPED or (self._destination_next and word not in _READ_DESTINATIONS):
            self._decode_bytes()
            group.skipped = True
        self._destination_next = False
        if group.in_font_table:
            self._font_word(group, word, number)
        if group.skipped:
            return
        if number is not None and word in {b"u", b"uc", b"f", b"deff", b"ansicpg"}:
            self._numbered(group, word, number)
        elif word == b"plain":
            self._decode_bytes()
            group.font = self._default_font
        elif word in {b"mac", b"pc", b"pca"}:
            self._encoding = {b"mac": "mac_roman", b"pc": "cp437"}.get(word, "cp850")
        elif word in _WORDS:
            self._add(_WORDS[word])
        else:
            self._layout(word)

    def _numbered(self, group: _Group, word: bytes, number: int) -> None:
        if word == b"u":
            self._unicode(number)
        elif word == b"uc":
            group.skip_after_unicode = max(0, min(number, 10))
        elif word == b"f":
            self._decode_bytes()
            group.font = number
        elif word == b"deff":
            self._default_font = group.font = number
        else:
            self._encoding = _CODE_PAGES.get(number, "cp1252")

    def _layout(self, word: bytes) -> None:
        if word in {b"par", b"sect", b"page"}:
            self._paragraph()
        elif word == b"intbl":
            self._in_row = True
        elif word == b"pard":
            self._in_row = False
        elif word in {b"cell", b"nestcell"}:
            self._decode_bytes()
            if self._cells is None:
                self._cells = []
            self._cells.append("".join(self._text))
            self._text.clear()
        elif word in {b"row", b"nestrow"}:
            self._end_row()

    def _font_word(self, group: _Group, word: bytes, number: int | None) -> None:
        if word == b"f" and number is not None:
            group.font = number
        elif word == b"fcharset" and number is not None:
            self._fonts[group.font] = _CHARSETS.get(number, "")
        elif word == b"cpg" and number is not None and number in _CODE_PAGES:
            self._fonts[group.font] = _CODE_PAGES[number]

    def _literal(self, text: bytes) -> None:
        self._destination_next = False
        if self._to_skip:
            skipped = min(self._to_skip, len(text))
            self._to_skip -= skipped
            text = text[skipped:]
        if text and not self._groups[-1].skipped:
            self._bytes += text

    def _unicode(self, number: int) -> None:
        self._decode_bytes()
        code = number + 65536 if number < 0 else number
        self._to_skip = self._groups[-1].skip_after_unicode
        if 0xD800 <= code < 0xDC00:
            self._high_surrogate = code
            return
        if 0xDC00 <= code < 0xE000:
            if not self._high_surrogate:
                return
            code = 0x10000 + ((self._high_surrogate - 0xD800) << 10) + (code - 0xDC00)
        self._high_surrogate = 0
        if 0 < code <= 0x10FFFF:
            self._text.append(chr(code))

    def _add(self, text: str) -> None:
        self._destination_next = False
        if self._to_skip:
            self._to_skip -= 1
        elif not self._groups[-1].skipped:
            self._decode_bytes()
            self._text.append(text)

    def _decode_bytes(self) -> None:
        if self._bytes:
            encoding = self._fonts.get(self._groups[-1].font) or self._encoding
            self._text.append(self._bytes.decode(encoding, "replace"))
            self._bytes.clear()

    def _paragraph(self) -> None:
        if self._in_row and not self._groups[-1].skipped:
            self._add("\n")
        else:
            self._end_paragraph()

    def _end_paragraph(self) -> None:
        self._end_row()
        self._decode_bytes()
        text = "".join(self._text)
        self._text.clear()
        if text.strip():
            self.composition.block(text)
            self._rows_before = False

    def _end_row(self) -> None:
        cells, self._cells = self._cells, None
        if cells is None:
            return
        if any(cell.strip() for cell in cells):
            line = "| " + " | ".join(" ".join(cell.split()) for cell in cells if cell.strip())
            if self._rows_before:
                self.composition.line(line)
            else:
                self.composition.block(line)
            self._rows_before = True
