from __future__ import annotations

import contextlib
import random
import struct
from pathlib import Path

import pytest

from antiphon.core.errors import AntiphonError, BadRequest, TooLarge, Unsupported
from antiphon.ingest.text_formats.outlook import open_outlook
from antiphon.ingest.text_formats.packed_rtf import unpacked_rtf

NOTHING = 0xFFFFFFFF


class Storage:
    """Just enough of [MS-CFB] to make messages: every stream in sectors of its own, no small streams."""

    def __init__(self) -> None:
        self._entries: list[tuple[str, int, bytes, list[int]]] = [("Root Entry", 5, b"", [])]

    def folder(self, name: str, inside: int = 0) -> int:
        return self._add(name, 1, b"", inside)

    def stream(self, name: str, content: bytes, inside: int = 0) -> None:
        self._add(name, 2, content.ljust(4096, b"\0") if content else content, inside)

    def _add(self, name: str, kind: int, content: bytes, inside: int) -> int:
        self._entries.append((name, kind, content, []))
        self._entries[inside][3].append(len(self._entries) - 1)
        return len(self._entries) - 1

    def content(self) -> bytes:
        sectors: list[bytes] = []
        table: list[int] = []

        def put(content: bytes) -> int:
            pieces = [content[at : at + 512].ljust(512, b"\0") for at in range(0, len(content), 512)]
            first = len(sectors)
            for number, piece in enumerate(pieces):
                sectors.append(piece)
                table.append(first + number + 1 if number + 1 < len(pieces) else 0xFFFFFFFE)
            return first

        siblings = {}
        for _, _, _, children in self._entries:
            for number, child in enumerate(children):
                siblings[child] = children[number + 1] if number + 1 < len(children) else NOTHING
        places = [put(content) if content else 0xFFFFFFFE for _, _, content, _ in self._entries]
        directory = b""
        for number, (name, kind, content, children) in enumerate(self._entries):
            encoded = (name + "\0").encode("utf-16-le")
            child = children[0] if children else NOTHING
            directory += encoded.ljust(64, b"\0") + struct.pack(
                "<HBBLLL", len(encoded), kind, 1, NOTHING, siblings.get(number, NOTHING), child
            )
            directory += bytes(36) + struct.pack("<LQ", places[number], len(content))
        directory_at = put(directory)
        tables = (len(sectors) + 127) // 127 + 1
        fat_at = list(range(len(sectors), len(sectors) + tables))
        table += [0xFFFFFFFD] * tables
        table += [NOTHING] * (128 * tables - len(table))
        header = bytearray(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1".ljust(512, b"\0"))
        struct.pack_into("<HHHHH", header, 24, 0x3E, 3, 0xFFFE, 9, 6)
        struct.pack_into("<LLLLLLLLL", header, 44, tables, directory_at, 0, 4096, 0xFFFFFFFE, 0, 0xFFFFFFFE, 0, 0)
        struct.pack_into("<109L", header, 76, *fat_at, *[NOTHING] * (109 - tables))
        return bytes(header) + b"".join(sectors) + struct.pack(f"<{128 * tables}L", *table)


def text_property(storage: Storage, number: int, text: str, inside: int = 0, *, page: str = "") -> None:
    kind, content = ("001E", text.encode(page)) if page else ("001F", text.encode("utf-16-le"))
    storage.stream(f"__substg1.0_{number:04X}{kind}", content + b"\0\0", inside)


def fixed(storage: Storage, values: dict[int, int], inside: int = 0) -> None:
    header = bytes(24 if inside else 32)
    storage.stream(
        "__properties_version1.0",
        header + b"".join(struct.pack("<HHLQ", 3, key, 6, value) for key, value in values.items()),
        inside,
    )


def read(tmp_path: Path, storage: Storage) -> tuple[str, str, list[str]]:
    path = tmp_path / "x"
    path.write_bytes(storage.content())
    document = open_outlook(path, None)
    return document.title, next(document.pages()).text, [heading.title for heading in document.outline()]


def test_a_message_with_attachments_and_a_message_inside(tmp_path: Path) -> None:
    storage = Storage()
    fixed(storage, {0x0039: 134_405_568_000_000_000})
    text_property(storage, 0x0037, "年假 leave")
    text_property(storage, 0x0C1A, "Li")
    text_property(storage, 0x5D01, "li@example.org")
    text_property(storage, 0x0E04, "Wang")
    text_property(storage, 0x1000, "Seven days.\r\n")
    first = storage.folder("__attach_version1.0_#00000000")
    text_property(storage, 0x3707, "notes.txt", first)
    storage.stream("__substg1.0_37010102", b"attached words", first)
    second = storage.folder("__attach_version1.0_#00000001")
    text_property(storage, 0x3001, "Inner mail", second)
    inner = storage.folder("__substg1.0_3701000D", second)
    fixed(storage, {}, inner)
    text_property(storage, 0x0037, "Inner", inner)
    text_property(storage, 0x1000, "The point.", inner)
    title, text, outline = read(tmp_path, storage)
    assert title == "年假 leave"
    assert text.startswith(
        "From: Li <li@example.org>\nTo: Wang\nDate: Tue, 01 Dec 2026 00:00:00 +0000\nSubject: 年假 leave\n\nSeven days."
    )
    assert "Attachment: notes.txt (application/octet-stream, 4 KB)" in text
    assert outline == ["Message: Inner mail"]
    assert text.endswith("Subject: Inner\n\nThe point.")


def test_code_pages_and_html_bodies(tmp_path: Path) -> None:
    storage = Storage()
    fixed(storage, {0x3FDE: 950})
    text_property(storage, 0x0037, "年假七天", page="big5")
    storage.stream("__substg1.0_10130102", "<h1>休假</h1><p>七天</p>".encode("big5"))
    title, text, outline = read(tmp_path, storage)
    assert title.strip("\0") == "年假七天"
    assert text == "Subject: 年假七天\n\n休假\n\n七天"
    assert outline == ["休假"]


def packed(rtf: bytes) -> bytes:
    body = b"".join(b"\0" + rtf[at : at + 8] for at in range(0, len(rtf), 8))
    return struct.pack("<4L", len(body) + 12, len(rtf), 0x75465A4C, 0) + body


def test_a_packed_body(tmp_path: Path) -> None:
    assert unpacked_rtf(packed(rb"{\rtf1 Hello}")) == rb"{\rtf1 Hello}"
    reference = struct.pack("<4L", 100, 6, 0x75465A4C, 0) + b"\x01" + struct.pack(">H", 0 << 4 | 4)
    assert unpacked_rtf(reference) == rb"{\rtf1"
    assert unpacked_rtf(struct.pack("<4L", 100, 3, 0x414C454D, 0) + b"abcd") == b"abc"
    with pytest.raises(TooLarge):
        unpacked_rtf(struct.pack("<4L", 100, 2**31, 0x75465A4C, 0))
    with pytest.raises(BadRequest):
        unpacked_rtf(b"short")
    storage = Storage()
    fixed(storage, {})
    text_property(storage, 0x0037, "S")
    storage.stream("__substg1.0_10090102", packed(rb"{\rtf1 Hello\par there}"))
    assert read(tmp_path, storage)[1] == "Subject: S\n\nHello\n\nthere"


def test_encrypted_and_damaged_messages_are_told(tmp_path: Path) -> None:
    storage = Storage()
    fixed(storage, {})
    text_property(storage, 0x0037, "S")
    content = storage.content()
    path = tmp_path / "x"
    path.write_bytes(content[:700])
    with pytest.raises(BadRequest, match="damaged"):
        open_outlook(path, None)
    encrypted = Storage()
    fixed(encrypted, {})
    text_property(encrypted, 0x001A, "IPM.Note.SMIME")
    path.write_bytes(encrypted.content())
    with pytest.raises(Unsupported, match="encrypted"):
        open_outlook(path, None)
    text_property(encrypted, 0x0037, "Secret plan")
    path.write_bytes(encrypted.content())
    document = open_outlook(path, None)
    assert next(document.pages()).text == "Subject: Secret plan\n\n(The message is encrypted.)"
    assert "only its header" in document.shortfall()
    chance = random.Random(3)
    for _ in range(300):
        broken = bytearray(content[: chance.randrange(512, len(content) + 1)])
        for _ in range(chance.randrange(1, 40)):
            broken[chance.randrange(len(broken))] = chance.randrange(256)
        path.write_bytes(broken)
        with contextlib.suppress(AntiphonError):
            open_outlook(path, None)
