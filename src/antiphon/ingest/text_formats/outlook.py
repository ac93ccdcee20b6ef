"""Outlook messages (.msg, [MS-OXMSG]): headers as first lines, the body, attachments by name, messages inside messages.

Runs in worker processes. Properties are read one stream at a time; strings in code pages are decoded leniently.
Tests: tests/unit/ingest/text_formats/test_outlook.py.
"""

from __future__ import annotations

import struct
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final, cast

import olefile

from antiphon.core.errors import AntiphonError, BadRequest
from antiphon.ingest.composition import Composition
from antiphon.ingest.decoding import decode
from antiphon.ingest.plain_text import TextDocument, demand_size
from antiphon.ingest.text_formats.html import add_html, declared_charset
from antiphon.ingest.text_formats.mail import add_attachment, add_encrypted_mark, header, parse_message
from antiphon.ingest.text_formats.packed_rtf import unpacked_rtf
from antiphon.ingest.text_formats.rtf import rtf_composition

# Property identifiers of [MS-OXPROPS], without the "PidTag".
_MESSAGE_CLASS, _SUBJECT, _SENT, _DELIVERED = 0x001A, 0x0037, 0x0039, 0x0E06
_SENDER_NAME, _SENDER_ADDRESS, _SENDER_SMTP = 0x0C1A, 0x0C1F, 0x5D01
_SHOWN_TO, _SHOWN_CC, _TRANSPORT_HEADERS = 0x0E04, 0x0E03, 0x007D
_BODY, _HTML, _RTF = 0x1000, 0x1013, 0x1009
_CODE_PAGE, _INTERNET_CODE_PAGE = 0x3FFD, 0x3FDE
_DATA, _LONG_NAME, _SHORT_NAME, _SHOWN_NAME, _MIME = 0x3701, 0x3707, 0x3704, 0x3001, 0x370E
_TEXT_WIDE, _TEXT_PAGE, _BINARY = "001F", "001E", "0102"

_ROOT_HEADER_BYTES: Final = 32
_EMBEDDED_HEADER_BYTES: Final = 24
_EPOCH: Final = datetime(1601, 1, 1, tzinfo=UTC)
_MOST_ATTACHMENTS: Final = 1_000
_DEEPEST_MESSAGE: Final = 8
_FAULTS: Final = (OSError, ValueError, LookupError, TypeError, AttributeError, AssertionError, struct.error, RecursionError)
"""What the container's reader may raise for a broken file; a UnicodeError is a ValueError."""


def open_outlook(path: Path, _password: str | None) -> TextDocument:
    demand_size(path)
    composition = Composition()
    try:
        ole = cast("Any", olefile).OleFileIO(str(path))
        with ole:
            title = _Message(ole, "", depth=0).add_to(composition)
    except AntiphonError:
        raise
    except _FAULTS as error:
        raise BadRequest(
            "The message is damaged: export it again from Outlook, or save it as .eml.",
            data={"reason": "unreadable", "detail": f"{type(error).__name__}: {error}"[:300]},
        ) from error
    return composition.document(title, heading_anchors=True)


class _Message:
    """One message: the file itself (`folder` empty), or one attached to another."""

    def __init__(self, ole: Any, folder: str, *, depth: int) -> None:
        self._ole = ole
        self._folder = folder
        self._depth = depth
        self._streams = {path.upper(): path for path in ("/".join(parts) for parts in ole.listdir())}
        self._fixed = self._fixed_properties()
        page = self._number(_INTERNET_CODE_PAGE) or self._number(_CODE_PAGE)
        self._charset = None if page is None else _charset_of(page)

    def add_to(self, composition: Composition) -> str:
        """Its subject. Of an encrypted one the header only; raises Unsupported when it has none."""
        subject = self._text(_SUBJECT)
        raw = self._text(_TRANSPORT_HEADERS)
        headers = parse_message(raw.encode("utf-8", "replace").replace(b"\r\n", b"\n"))
        lines = [
            ("From", header(headers, "From") or self._sender()),
            ("To", header(headers, "To") or self._text(_SHOWN_TO)),
            ("Cc", header(headers, "Cc") or self._text(_SHOWN_CC)),
            ("Date", header(headers, "Date") or self._date()),
            ("Subject", subject or header(headers, "Subject")),
        ]
        composition.block("\n".join(f"{name}: {value.strip()}" for name, value in lines if value.strip()))
        if self._text(_MESSAGE_CLASS).upper() == "IPM.NOTE.SMIME":
            add_encrypted_mark(composition)
            return subject
        self._add_body(composition)
        self._add_attachments(composition)
        return subject

    def _add_body(self, composition: Composition) -> None:
        plain = self._text(_BODY)
        if plain.strip():
            composition.block(plain)
            return
        page = self._bytes(_HTML, _BINARY)
        html = decode(page, declared_charset(page) or self._charset) if page else self._text(_HTML)
        if html.strip():
            add_html(composition, html, level_shift=1)
            return
        packed = self._bytes(_RTF, _BINARY)
        if packed:
            composition.extend(rtf_composition(unpacked_rtf(packed)))

    def _add_attachments(self, composition: Composition) -> None:
        prefix = f"{self._folder}__ATTACH_VERSION1.0_#".upper()
        folders = sorted({path[: len(prefix) + 8] for path in self._streams if path.startswith(prefix)})
        if len(folders) > _MOST_ATTACHMENTS:
            raise BadRequest(f"The message holds more than {_MOST_ATTACHMENTS:,} attachments.", data={"reason": "too_many_parts"})
        for folder in folders:
            self._add_attachment(composition, folder + "/")

    def _add_attachment(self, composition: Composition, folder: str) -> None:
        name = self._text(_LONG_NAME, folder) or self._text(_SHORT_NAME, folder) or self._text(_SHOWN_NAME, folder)
        inner = f"{folder}__SUBSTG1.0_3701000D/"
        if any(path.startswith(inner) for path in self._streams):
            if self._depth < _DEEPEST_MESSAGE and f"{inner}__PROPERTIES_VERSION1.0" in self._streams:
                composition.heading(f"Message: {name or '(no subject)'}", self._depth + 1)
                _Message(self._ole, inner, depth=self._depth + 1).add_to(composition)
            else:
                composition.block(f"Attachment: {name or '(unnamed)'} (embedded object)")
            return
        media_type = self._text(_MIME, folder) or "application/octet-stream"
        add_attachment(composition, name, media_type, self._bytes(_DATA, _BINARY, folder), None, level=self._depth + 1)

    def _sender(self) -> str:
        name = self._text(_SENDER_NAME)
        address = self._text(_SENDER_SMTP) or self._text(_SENDER_ADDRESS)
        return f"{name} <{address}>" if name and "@" in address else name or address

    def _date(self) -> str:
        for property_id in (_SENT, _DELIVERED):
            value = self._fixed.get(property_id)
            if value:
                try:
                    return (_EPOCH + timedelta(microseconds=value // 10)).strftime("%a, %d %b %Y %H:%M:%S +0000")
                except (OverflowError, ValueError):
                    continue
        return ""

    def _number(self, property_id: int) -> int | None:
        value = self._fixed.get(property_id)
        return None if value is None else value & 0xFFFFFFFF

    def _fixed_properties(self) -> dict[int, int]:
        """Identifier -> value of those of fixed length, as the 64 bits they are stored in."""
        content = self._stream(f"{self._folder}__properties_version1.0")
        header_bytes = _EMBEDDED_HEADER_BYTES if self._folder else _ROOT_HEADER_BYTES
        found: dict[int, int] = {}
        for at in range(header_bytes, len(content) - 15, 16):
            _, property_id, _, value = struct.unpack_from("<HHLQ", content, at)
            found[property_id] = value
        return found

    def _text(self, property_id: int, folder: str | None = None) -> str:
        wide = self._bytes(property_id, _TEXT_WIDE, folder)
        if wide:
            return wide.decode("utf-16-le", "replace").rstrip("\x00")
        content = self._bytes(property_id, _TEXT_PAGE, folder)
        return decode(content, self._charset).rstrip("\x00") if content else ""

    def _bytes(self, property_id: int, kind: str, folder: str | None = None) -> bytes:
        return self._stream(f"{self._folder if folder is None else folder}__substg1.0_{property_id:04X}{kind}")

    def _stream(self, path: str) -> bytes:
        stored = self._streams.get(path.upper())
        if stored is None:
            return b""
        with self._ole.openstream(stored) as stream:
            return stream.read()


def _charset_of(page: int) -> str | None:
    special = {65001: "utf-8", 20127: "us-ascii", 936: "gbk", 54936: "gb18030", 20932: "euc-jp", 51932: "euc-jp", 50220: "iso-2022-jp",
               51949: "euc-kr", 20866: "koi8-r", 21866: "koi8-u", 932: "shift_jis"}  # fmt: skip
    if page in special:
        return special[page]
    return f"iso-8859-{page - 28590}" if 28591 <= page <= 28606 else f"cp{page}"
