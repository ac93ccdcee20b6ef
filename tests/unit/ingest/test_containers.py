from __future__ import annotations

import io
import random
import struct
import zipfile

import pytest

from antiphon.ingest.containers import ole_media_type, zip_media_type
from antiphon.ingest.media_names import (
    DAMAGED_ZIP,
    DOC,
    DOCX,
    ENCRYPTED_OFFICE,
    EPUB,
    ODS,
    ODT,
    OLE,
    OUTLOOK,
    PPTX,
    XLS,
    XLSB,
    XLSX,
    ZIP,
)  # fmt: skip


def zipped(*names: str, mimetype: str = "") -> io.BytesIO:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        if mimetype:
            archive.writestr(zipfile.ZipInfo("mimetype"), mimetype)
        for name in names:
            archive.writestr(name, "x" * 100)
    return file


def ole(*names: str, inside: tuple[str, ...] = ()) -> io.BytesIO:
    """A container whose root has these children, and a folder with those inside."""
    nothing = 0xFFFFFFFF

    def entry(name: str, kind: int, left: int, right: int, child: int) -> bytes:
        encoded = (name + "\0").encode("utf-16-le")
        return encoded.ljust(64, b"\0") + struct.pack("<HBBLLL", len(encoded), kind, 1, left, right, child) + bytes(48)

    children = ["Folder", *names]
    entries = [entry("Root Entry", 5, nothing, nothing, 1)]
    for number, name in enumerate(children, start=1):
        right = number + 1 if number < len(children) else nothing
        entries.append(entry(name, 1, nothing, right, len(children) + 1 if name == "Folder" and inside else nothing))
    for number, name in enumerate(inside, start=len(children) + 1):
        entries.append(entry(name, 2, nothing, number + 1 if number < len(children) + len(inside) else nothing, nothing))
    directory = b"".join(entries)
    directory += bytes(-len(directory) % 512)
    sectors = len(directory) // 512
    table = [0xFFFFFFFD, *range(2, sectors + 1), 0xFFFFFFFE]
    fat = struct.pack("<128L", *table, *[nothing] * (128 - len(table)))
    header = bytearray(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1".ljust(512, b"\0"))
    struct.pack_into("<HH", header, 30, 9, 6)
    struct.pack_into("<L", header, 48, 1)
    struct.pack_into("<109L", header, 76, 0, *[nothing] * 108)
    return io.BytesIO(bytes(header) + fat + directory)


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (("[Content_Types].xml", "word/document.xml"), DOCX),
        (("[Content_Types].xml", "xl/workbook.xml", "word/x"), XLSX),
        (("[Content_Types].xml", "xl/workbook.bin"), XLSB),
        (("_rels/.rels", "ppt/presentation.xml"), PPTX),
        (("META-INF/container.xml", "OEBPS/content.opf"), EPUB),
        (("META-INF/MANIFEST.MF", "A.class"), "application/java-archive"),
        (("Index/Document.iwa",), "application/vnd.apple.iwork"),
        (("word/notes.txt", "xl/a.txt"), ZIP),
        ((), ZIP),
    ],
)
def test_zip_files_are_told_by_their_members(names: tuple[str, ...], expected: str) -> None:
    if not names:
        assert zip_media_type(io.BytesIO(b"PK\x05\x06" + bytes(18))) == DAMAGED_ZIP
        return
    assert zip_media_type(zipped(*names)) == expected


@pytest.mark.parametrize("kind", [EPUB, ODT, ODS])
def test_a_stored_mimetype_decides(kind: str) -> None:
    assert zip_media_type(zipped("content.xml", mimetype=kind)) == kind


def test_bytes_before_a_zip_do_not_hide_it_and_a_cut_one_is_told_by_its_front() -> None:
    whole = zipped("[Content_Types].xml", "word/document.xml", *(f"word/media/{n}" for n in range(50))).getvalue()
    assert zip_media_type(io.BytesIO(b"MZ junk" * 20_000 + whole)) == DOCX
    assert zip_media_type(io.BytesIO(whole[:2000])) == DOCX
    assert zip_media_type(io.BytesIO(zipped("a.txt").getvalue()[:-30])) == DAMAGED_ZIP


@pytest.mark.parametrize(
    ("names", "inside", "expected"),
    [
        (("WordDocument",), ("Workbook",), DOC),
        (("Workbook",), ("WordDocument",), XLS),
        (("Book",), (), XLS),
        (("__properties_version1.0",), ("WordDocument",), OUTLOOK),
        (("EncryptedPackage", "EncryptionInfo"), (), ENCRYPTED_OFFICE),
        (("Something",), ("WordDocument",), OLE),
    ],
)
def test_ole_files_are_told_by_what_lies_at_their_root(names: tuple[str, ...], inside: tuple[str, ...], expected: str) -> None:
    assert ole_media_type(ole(*names, inside=inside)) == expected


def test_no_bytes_make_it_raise() -> None:
    chance = random.Random(7)
    samples = [zipped("[Content_Types].xml", "word/document.xml").getvalue(), ole("WordDocument", inside=("Book",)).getvalue()]
    for _ in range(2000):
        content = bytearray(chance.choice(samples))
        for _ in range(chance.randrange(1, 30)):
            content[chance.randrange(len(content))] = chance.randrange(256)
        content = content[: chance.randrange(len(content) + 1)]
        assert zip_media_type(io.BytesIO(bytes(content)))
        assert ole_media_type(io.BytesIO(bytes(content)))
