"""Mail (RFC 822, mbox): headers as first lines, the body, forwarded messages, attachments by name. Runs in worker processes.

Small text attachments are read too, others only named. Of encrypted mail the header is read. Tests:
tests/unit/ingest/text_formats/test_mail.py.
"""

from __future__ import annotations

import email
import email.errors
import email.header
import email.message
import email.policy
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final, cast

from antiphon.core.errors import BadRequest, Unsupported
from antiphon.ingest.composition import Composition
from antiphon.ingest.decoding import codec_of_label, decode
from antiphon.ingest.plain_text import TextDocument, demand_size
from antiphon.ingest.text_formats.html import add_html
from antiphon.ingest.text_formats.mending import one_line

Message = email.message.Message

SHOWN_HEADERS: Final = ("From", "To", "Cc", "Date", "Subject")
_MBOX_START: Final = re.compile(rb"^From [^\n]{1,200}\n(?=[A-Za-z-]{1,60}:)", re.MULTILINE)
_MOST_MESSAGES: Final = 5_000
_MOST_PARTS: Final = 1_000
_DEEPEST_MESSAGE: Final = 8
_MOST_PARSING_STEPS: Final = 40_000_000
"""Lines times boundaries: the standard parser compares each line with every open boundary."""
_LARGEST_TEXT_ATTACHMENT_BYTES: Final = 2**20
_TEXT_TYPES: Final = frozenset(
    {"application/json", "application/xml", "application/x-yaml", "application/yaml", "application/csv"}
)
_TEXT_ENDINGS: Final = (
    ".txt",
    ".csv",
    ".tsv",
    ".md",
    ".json",
    ".xml",
    ".log",
    ".yaml",
    ".yml",
    ".ini",
    ".html",
    ".htm",
    ".ics",
    ".srt",
)
_BINARY: Final = re.compile(rb"[\x00-\x08\x0e-\x1a\x1c-\x1f]")
_LEAST_PLAIN_SHARE: Final = 0.5
_LONGEST_HEADER_CHARACTERS: Final = 4_000
_ENCRYPTED: Final = "The message is encrypted and only its header could be read: open it in your mail program and save it there without encryption."


class _Encrypted(Exception):
    """The body can't be read without somebody's key."""


class _ShortHeaders(email.policy.Compat32):
    """Headers are cut before the standard library looks for parameters in them, for which it takes quadratic time."""

    def header_source_parse(self, sourcelines: list[str]) -> tuple[str, str]:
        name, value = super().header_source_parse(sourcelines)
        return name, value[:_LONGEST_HEADER_CHARACTERS]


def open_mail(path: Path, _password: str | None) -> TextDocument:
    demand_size(path)
    content = _as_bytes(path.read_bytes())
    starts = [match.start() for match in _MBOX_START.finditer(content)]
    composition = Composition()
    if len(starts) > 1:
        _demand_few(len(starts), _MOST_MESSAGES)
        for start, end in zip(starts, [*starts[1:], len(content)], strict=True):
            message = parse_message(content[start:end])
            composition.heading(header(message, "Subject") or "(no subject)", 1)
            add_message(composition, message)
        return composition.document(heading_anchors=True)
    message = parse_message(content)
    add_message(composition, message)
    return composition.document(header(message, "Subject"), heading_anchors=True)


def parse_message(content: bytes) -> Message:
    """Raises BadRequest for what would take too long or nests too deeply."""
    if (content.count(b"\n") + 1) * content.lower().count(b"boundary=") > _MOST_PARSING_STEPS:
        raise BadRequest("The message has too many parts to be read.", data={"reason": "too_deep"})
    try:
        return email.message_from_bytes(content, policy=_ShortHeaders())
    except RecursionError:
        raise BadRequest("The message is nested too deeply to be read.", data={"reason": "too_deep"}) from None


def header(message: Message, name: str) -> str:
    """One line, encoded words decoded; empty when it is missing."""
    # not `get`: it gives bytes beyond ASCII up before their encoding could be told
    return decoded_header(next((str(value) for key, value in message.raw_items() if key.lower() == name.lower()), ""))


def decoded_header(raw: str) -> str:
    """RFC 2047 words in whatever charset they claim; raw bytes that are no ASCII are told as a text's are."""
    raw = raw[:_LONGEST_HEADER_CHARACTERS].replace("\r", "").replace("\n", "")
    raw_bytes = raw.encode("utf-8", "surrogateescape")
    if not raw_bytes.isascii():
        raw = decode(raw_bytes)
    try:
        pieces = email.header.decode_header(raw)
    except (ValueError, LookupError, email.errors.HeaderParseError):  # ValueError: binascii's
        return one_line(raw)
    words = [word if isinstance(word, str) else decode(word, charset or "ascii") for word, charset in pieces]
    return one_line("".join(words))


def add_message(composition: Composition, message: Message, depth: int = 0) -> None:
    """Of an encrypted one the header, and a shortfall. Raises Unsupported when it has none."""
    lines = [f"{name}: {value}" for name in SHOWN_HEADERS if (value := header(message, name))]
    if lines:
        composition.block("\n".join(lines))
    attachments: list[tuple[str, Message]] = []
    try:
        for part in _bodies(message, attachments, depth, [0]):
            _add_body(composition, part)
    except _Encrypted:
        add_encrypted_mark(composition)
        return
    if len(attachments) > _MOST_PARTS:
        raise BadRequest("The message has too many attachments to be read.", data={"reason": "too_deep"})
    for name, part in attachments:
        _add_attachment(composition, name, part, depth)


def add_encrypted_mark(composition: Composition) -> None:
    """In place of a body that can't be read. Raises Unsupported when nothing else was."""
    if not composition.length:
        raise Unsupported(_ENCRYPTED, data={"reason": "encrypted"})
    composition.shortfall = _ENCRYPTED
    composition.block("(The message is encrypted.)")


def _bodies(message: Message, attachments: list[tuple[str, Message]], depth: int, count: list[int]) -> Iterator[Message]:
    """The parts to read, in order; of alternatives the best. What is attached goes to the list. Recursion is bounded by the
    standard parser's own."""
    count[0] += 1
    _demand_few(count[0], _MOST_PARTS)
    kind = message.get_content_type()
    if kind in {"multipart/encrypted", "application/pkcs7-mime", "application/x-pkcs7-mime"} and _is_encrypted(message):
        raise _Encrypted
    if kind == "message/rfc822" or (kind == "message/global" and message.is_multipart()):
        attachments.append(("", message))
    elif message.is_multipart():
        parts = _parts(message)
        if kind == "multipart/alternative":
            yield from _best_alternative(parts, attachments, depth, count)
            return
        for part in parts:
            yield from _bodies(part, attachments, depth, count)
    elif _is_attached(message):
        attachments.append((_file_name(message), message))
    elif kind in {"text/plain", "text/html"} or kind.startswith("text/"):
        yield message
    elif kind != "application/pgp-encrypted":
        attachments.append((_file_name(message), message))


def _best_alternative(
    parts: list[Message], attachments: list[tuple[str, Message]], depth: int, count: list[int]
) -> Iterator[Message]:
    """Plain text, unless it is only a stub of the HTML."""
    plain = next((part for part in parts if part.get_content_type() == "text/plain"), None)
    rich = [part for part in parts if part is not plain]
    chosen: list[Message] = []
    for part in rich:
        chosen += [
            found for found in _bodies(part, attachments, depth, count) if found.get_content_type() in {"text/html", "text/plain"}
        ]
    if plain is not None:
        plain_length = len(body_text(plain).split())
        rich_length = max((len(body_text(part).split()) for part in chosen), default=0)
        if plain_length and plain_length >= _LEAST_PLAIN_SHARE * rich_length:
            chosen = [plain]
    yield from chosen or ([] if plain is None else [plain])


def body_text(part: Message) -> str:
    text = _decoded(part)
    if part.get_content_type() != "text/html":
        return text
    composition = Composition()
    add_html(composition, text)
    return composition.text()


def _add_body(composition: Composition, part: Message) -> None:
    text = _decoded(part)
    if part.get_content_type() == "text/html":
        add_html(composition, text, level_shift=1)
    elif "-----BEGIN PGP MESSAGE-----" in text and len(text.split("-----BEGIN PGP MESSAGE-----")[0].strip()) < 40:
        raise _Encrypted
    else:
        composition.block(text)


def _add_attachment(composition: Composition, name: str, part: Message, depth: int) -> None:
    if part.get_content_type() in {"message/rfc822", "message/global"}:
        found = next(iter(_parts(part)), None)
        if found is not None and depth < _DEEPEST_MESSAGE:
            composition.heading(f"Message: {header(found, 'Subject') or '(no subject)'}", depth + 1)
            add_message(composition, found, depth + 1)
        return
    payload = _payload(part)
    add_attachment(composition, name, part.get_content_type(), payload, _charset(part), level=depth + 1)


def add_attachment(
    composition: Composition, name: str, media_type: str, content: bytes, charset: str | None, *, level: int = 1
) -> None:
    """Its name as a heading, with its text where that is small and safe."""
    shown = name or "(unnamed)"
    is_text = media_type.startswith("text/") or media_type in _TEXT_TYPES or name.lower().endswith(_TEXT_ENDINGS)
    if is_text and 0 < len(content) <= _LARGEST_TEXT_ATTACHMENT_BYTES and not _BINARY.search(content):
        composition.heading(f"Attachment: {shown}", level)
        text = decode(content, charset)
        if media_type == "text/html" or name.lower().endswith((".html", ".htm")):
            add_html(composition, text, level_shift=level)
        else:
            composition.block(text)
    elif content or name:
        composition.block(f"Attachment: {shown} ({media_type}, {_size(len(content))})")


def _decoded(part: Message) -> str:
    return decode(_payload(part), _charset(part))


def _charset(part: Message) -> str | None:
    value = part.get_param("charset")
    if isinstance(value, tuple):  # RFC 2231
        value = value[2]
    return value if value is not None and codec_of_label(str(value)) is not None else None


def _payload(part: Message) -> bytes:
    try:
        content = part.get_payload(decode=True)
    except (ValueError, LookupError, AssertionError):
        content = None
    return content if isinstance(content, bytes) else b""


def _parts(message: Message) -> list[Message]:
    inner = cast("object", message.get_payload())
    return (
        [part for part in cast("list[object]", inner) if isinstance(part, email.message.Message)]
        if isinstance(inner, list)
        else []
    )


def _is_attached(part: Message) -> bool:
    return part.get_content_disposition() == "attachment" or (
        bool(_file_name(part)) and part.get_content_type() not in {"text/plain", "text/html"}
    )


def _is_encrypted(part: Message) -> bool:
    if part.get_content_type() == "multipart/encrypted":
        return True
    return str(part.get_param("smime-type") or "enveloped-data").lower() in {"enveloped-data", "authenveloped-data"}


def _file_name(part: Message) -> str:
    try:
        name = part.get_filename()
    except (ValueError, LookupError, TypeError):
        return ""
    return decoded_header(name or "")[:200]


def _size(size_bytes: int) -> str:
    return f"{size_bytes} bytes" if size_bytes < 1024 else f"{size_bytes / 1024:,.0f} KB"


def _as_bytes(content: bytes) -> bytes:
    """Mail kept in UTF-16 (by programs that save everything so) as UTF-8, with plain line ends; other mail as it is."""
    if content.startswith((b"\xff\xfe", b"\xfe\xff", b"\xef\xbb\xbf")) or b"\x00" in content[:200]:
        return decode(content).encode()
    return content.lstrip(b"\r\n").replace(b"\r\n", b"\n")


def _demand_few(number: int, most: int) -> None:
    if number > most:
        raise BadRequest(f"The mail holds more than {most:,} parts: split it.", data={"reason": "too_many_parts"})
