"""`MultipartReader`: the parts of a multipart/form-data body while it arrives. At most one network read is held in memory.

    async for part in reader.parts():
        async for piece in part.content(): ...

The parts must be read in order; what is not read of a part is skipped. Tests: tests/unit/server/test_multipart.py.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote_to_bytes

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser

from antiphon.core.errors import TooLarge, Unsupported
from antiphon.server.errors import MalformedRequest

if TYPE_CHECKING:
    from python_multipart.multipart import MultipartCallbacks

MAX_PARTS: Final = 200
MAX_FIELD_BYTES: Final = 64 * 1024
_HEADER_BYTES: Final = 16 * 1024
_PARAMETER = re.compile(r';\s*([^\s=;"]+)\s*=\s*("(?:[^"\\]|\\.)*"|[^;]*)')
_EXTENDED = re.compile(r"([\w.:-]*)'[^']*'(.*)", re.DOTALL)


class Part:
    """`filename` None: a plain field. Names are text already, whatever encoding they came in, but not yet safe."""

    def __init__(self, reader: MultipartReader, headers: dict[str, bytes]) -> None:
        self._reader = reader
        parameters = disposition_parameters(headers.get("content-disposition", b""))
        self.name = parameters.get("name", "")
        self.filename = parameters.get("filename")
        self.media_type = headers.get("content-type", b"").decode("latin-1").partition(";")[0].strip().lower()

    async def content(self) -> AsyncIterator[bytes]:
        while (piece := await self._reader.next_piece()) is not None:
            yield piece

    async def text(self) -> str:
        """The content of a plain field. Raises TooLarge beyond `MAX_FIELD_BYTES`."""
        whole = bytearray()
        async for piece in self.content():
            whole += piece
            if len(whole) > MAX_FIELD_BYTES:
                raise TooLarge(f"The form field {self.name[:80]!r} is larger than {MAX_FIELD_BYTES} bytes.")
        return decode_name(bytes(whole))


class MultipartReader:
    """Raises MalformedRequest for what is not multipart, and when the body ends too early."""

    def __init__(self, content_type: str, stream: AsyncIterator[bytes]) -> None:
        media_type, _, parameters = content_type.partition(";")
        boundary = _parameters(f";{parameters}").get("boundary", "")
        if media_type.strip().lower() != "multipart/form-data" or not boundary:
            raise Unsupported("Send the files as `multipart/form-data`, each in a part named `file`.")
        self._stream = stream
        self._pending: deque[dict[str, bytes] | bytes | None] = deque()
        self._headers: dict[str, bytes] = {}
        self._field, self._value = b"", b""
        self._parts = 0
        self._ended = False
        callbacks: MultipartCallbacks = {
            "on_part_begin": self._begin_part, "on_header_field": self._take_field, "on_header_value": self._take_value,
            "on_header_end": self._end_header, "on_headers_finished": self._end_headers, "on_part_data": self._take_data,
            "on_part_end": self._end_part, "on_end": self._end,
        }  # fmt: skip
        try:
            self._parser = MultipartParser(boundary.encode("latin-1"), callbacks, max_header_size=_HEADER_BYTES)
        except (FormParserError, UnicodeEncodeError):
            raise MalformedRequest("The multipart boundary is not valid.") from None

    async def parts(self) -> AsyncIterator[Part]:
        while await self._fill():
            event = self._pending.popleft()
            if isinstance(event, dict):
                yield Part(self, event)

    async def next_piece(self) -> bytes | None:
        """The next bytes of the current part; None at its end."""
        if not await self._fill():
            raise MalformedRequest("The body ended before its last part did.")
        event = self._pending.popleft()
        if isinstance(event, dict):
            self._pending.appendleft(event)
            return None
        return event

    async def _fill(self) -> bool:
        """Reads on until something is pending. False: the body is over."""
        while not self._pending:
            piece = await anext(self._stream, None)
            if piece is None:
                if not self._ended:
                    raise MalformedRequest("The body ended before its last boundary.")
                return False
            try:
                self._parser.write(piece)
            except FormParserError as error:
                raise MalformedRequest(f"The body is not valid multipart: {str(error)[:120]}.") from None
        return True

    def _begin_part(self) -> None:
        self._parts += 1
        if self._parts > MAX_PARTS:
            raise TooLarge(f"More than {MAX_PARTS} parts in one request. Send the files in several.")
        self._headers = {}

    def _take_field(self, data: bytes, start: int, end: int) -> None:
        self._field += data[start:end]

    def _take_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def _end_header(self) -> None:
        self._headers[self._field.decode("latin-1").strip().lower()] = self._value
        self._field, self._value = b"", b""

    def _end_headers(self) -> None:
        self._pending.append(self._headers)

    def _take_data(self, data: bytes, start: int, end: int) -> None:
        self._pending.append(data[start:end])

    def _end_part(self) -> None:
        self._pending.append(None)

    def _end(self) -> None:
        self._ended = True


def decode_name(raw: bytes) -> str:
    """UTF-8 as browsers send it, else GB 18030 (older Chinese programs), else Latin-1, which always fits."""
    for encoding in ("utf-8", "gb18030"):
        try:
            return raw.decode(encoding)
        except UnicodeDecodeError:
            continue
    return raw.decode("latin-1")


def disposition_parameters(header: bytes) -> dict[str, str]:
    """`name` and `filename` of a Content-Disposition; the extended form (`filename*`, RFC 8187) wins where it is valid."""
    found = _parameters(header.decode("latin-1"))
    texts = {key: _unescape(value) for key, value in found.items() if not key.endswith("*")}
    for key, value in found.items():
        matched = _EXTENDED.fullmatch(value) if key.endswith("*") else None
        if matched is None:
            continue
        try:
            texts[key[:-1]] = unquote_to_bytes(matched[2]).decode(matched[1] or "utf-8")
        except (LookupError, ValueError):
            continue
    return texts


def _parameters(text: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for matched in _PARAMETER.finditer(text):
        value = matched[2].strip()
        if len(value) >= 2 and value[0] == value[-1] == '"':
            value = value[1:-1].replace('\\"', '"')
        found.setdefault(matched[1].lower(), value)
    return found


def _unescape(value: str) -> str:
    """Browsers write a quotation mark and line ends inside a name as %22, %0D and %0A, and nothing else so; programs often
    write the whole name that way. A name without blanks whose escapes are valid UTF-8 is taken for the latter: at worst a
    file that is really called `a%20b` is shown as `a b`."""
    raw = value.encode("latin-1", "replace")
    if raw.isascii() and b" " not in raw:
        try:
            return unquote_to_bytes(raw).decode()
        except UnicodeDecodeError:
            pass
    return decode_name(raw.replace(b"%22", b'"').replace(b"%0D", b"\r").replace(b"%0A", b"\n"))
