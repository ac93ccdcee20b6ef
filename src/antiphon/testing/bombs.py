"""Files made to hurt: containers that open to gigabytes, documents that loop, pictures of too many pixels. For tests only.

Each function writes one file. Tests: tests/integration/test_office_bombs.py, tests/integration/live/test_hostile_files.py.
"""

from __future__ import annotations

import struct
import zipfile
import zlib
from pathlib import Path
from typing import Final

from antiphon.testing.office_files import RawZip, paragraph, relationships, word_parts, write_parts, zeros_deflated

MIB: Final = 2**20
TYPES: Final = "<Types/>"
DOCUMENT: Final = relationships({"r": ("officeDocument", "word/document.xml")})
WORKBOOK: Final = relationships({"r": ("officeDocument", "xl/workbook.xml")})


def long_document(path: Path) -> None:
    """Honest about its 640 MB of empty paragraphs, which would take 3 GB as a tree."""
    packed, checksum, size = zeros_deflated(640 * MIB, b"<w:document xmlns:w='w'><w:body>", b"</w:body></w:document>", b"<w:p/>")
    raw = RawZip()
    raw.add_text("[Content_Types].xml", TYPES)
    raw.add_text("_rels/.rels", DOCUMENT)
    raw.add("word/document.xml", packed, size=size, checksum=checksum)
    raw.write(path)


def lying_workbook(path: Path) -> None:
    packed, checksum, _ = zeros_deflated(200 * MIB, b"<worksheet><sheetData>", b"", b"<row/>")
    raw = RawZip()
    raw.add_text("[Content_Types].xml", TYPES)
    raw.add_text("_rels/.rels", WORKBOOK)
    raw.add_text("xl/workbook.xml", "<workbook/>")
    raw.add("xl/worksheets/sheet1.xml", packed, size=4000, checksum=checksum)
    raw.write(path)


def overlapping_document(path: Path) -> None:
    """3.1 GB from one stretch of bytes that 10 parts share."""
    packed, checksum, size = zeros_deflated(310 * MIB)
    raw = RawZip()
    raw.add_text("[Content_Types].xml", TYPES)
    first = raw.add("word/document.xml", packed, size=size, checksum=checksum)
    for number in range(9):
        raw.add(f"word/media/{number}.bin", packed, size=size, checksum=checksum, offset=first)
    raw.write(path)


def zip_in_zip(path: Path) -> None:
    """As 42.zip: archives of archives."""
    inner = path.with_suffix(".inner")
    packed, checksum, size = zeros_deflated(40 * MIB)
    raw = RawZip()
    raw.add("0.dll", packed, size=size, checksum=checksum)
    content = raw.write(inner).read_bytes()
    for _ in range(4):
        with zipfile.ZipFile(inner, "w", zipfile.ZIP_DEFLATED) as archive:
            for number in range(16):
                archive.writestr(f"lib {number}.zip", content)
        content = inner.read_bytes()
    path.write_bytes(content)


def archive_in_document(path: Path) -> None:
    packed, checksum, size = zeros_deflated(300 * MIB)
    raw = RawZip()
    for number in range(3):
        raw.add(f"{number}", packed, size=size, checksum=checksum)
    content = raw.write(path).read_bytes()
    write_parts(path, {**word_parts(paragraph("x")), "word/embeddings/oleObject1.xlsx": content})


def laughing_document(path: Path) -> None:
    entities = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 10))
    parts = word_parts("")
    parts["word/document.xml"] = f'<!DOCTYPE d [<!ENTITY l0 "lol">{entities}]><d>&l9;</d>'
    write_parts(path, parts)


def many_tags(path: Path) -> None:
    """Small enough for the container's limits; the tree would be a hundred times larger."""
    write_parts(path, word_parts("<w:p/>" * 5_000_000))


def many_rows(path: Path) -> None:
    parts = {
        "[Content_Types].xml": TYPES, "_rels/.rels": WORKBOOK,
        "xl/workbook.xml": '<workbook xmlns:r="r"><sheets><sheet name="S" r:id="s"/></sheets></workbook>',
        "xl/_rels/workbook.xml.rels": relationships({"s": ("worksheet", "worksheets/sheet1.xml")}),
        "xl/worksheets/sheet1.xml": "<worksheet><sheetData>" + "<row/>" * 4_000_000 + "</sheetData></worksheet>",
    }  # fmt: skip
    write_parts(path, parts)


def wide_table(path: Path) -> None:
    cell = '<w:tc><w:tcPr><w:gridSpan w:val="2147483647"/><w:vMerge w:val="restart"/></w:tcPr><w:p><w:r><w:t>word</w:t></w:r></w:p></w:tc>'
    write_parts(path, word_parts(f"<w:tbl>{f'<w:tr>{cell * 50}</w:tr>' * 100}</w:tbl>"))


def pdf_with_stream_bomb(path: Path) -> None:
    """A page whose content is 1 GB of spaces and drawing, packed twice: 5 kB."""
    packed, _, _ = zeros_deflated(1024 * MIB, b"BT /F1 12 Tf ", b" ET", b"0 0 m 9 9 l ")
    # zlib's own head and tail, which PDF wants around the deflated data
    once = b"\x78\x9c" + packed + struct.pack(">L", 0)
    path.write_bytes(pdf_of({4: (b"/Filter[/FlateDecode/FlateDecode]", zlib.compress(once, 9))}))


def pdf_with_object_stream_bomb(path: Path) -> None:
    """Its catalogue lies in a stream of objects that opens to 1 GB."""
    packed, _, _ = zeros_deflated(1024 * MIB)
    path.write_bytes(pdf_of({5: (b"/Type/ObjStm/N 1000000/First 20/Filter/FlateDecode", b"\x78\x9c" + packed)}))


def pdf_that_loops(path: Path) -> None:
    """Pages that are their own children, contents that refer to themselves, forms that draw themselves."""
    form = b"<</Type/XObject/Subtype/Form/BBox[0 0 9 9]/Resources<</XObject<</X 4 0 R>>>>/Length 5>>stream\n/X Do\nendstream"
    body = (
        b"%PDF-1.7\n1 0 obj<</Type/Catalog/Pages 2 0 R/Outlines 6 0 R>>endobj\n"
        b"2 0 obj<</Type/Pages/Count 1000000/Kids[2 0 R 3 0 R 2 0 R]/Parent 2 0 R>>endobj\n"
        b"3 0 obj<</Type/Page/Parent 3 0 R/MediaBox[0 0 99 99]/Contents[4 0 R 4 0 R]/Resources<</XObject<</X 4 0 R>>>>>>endobj\n"
        b"4 0 obj" + form + b"endobj\n5 0 obj 5 0 R endobj\n6 0 obj<</First 7 0 R/Last 7 0 R>>endobj\n"
        b"7 0 obj<</Title(x)/Next 7 0 R/First 6 0 R/Dest[3 0 R/Fit]>>endobj\n"
        b"xref\n0 1\n0000000000 65535 f\r\ntrailer<</Root 1 0 R/Size 8/Prev 0>>\nstartxref\n0\n%%EOF\n"
    )
    path.write_bytes(body)


def pdf_with_vast_picture(path: Path) -> None:
    """One picture of 100,000 x 100,000 pixels of 24 bits, 30 GB when unpacked."""
    packed, _, _ = zeros_deflated(512 * MIB)
    picture = b"/Type/XObject/Subtype/Image/Width 100000/Height 100000/ColorSpace/DeviceRGB/BitsPerComponent 8/Filter/FlateDecode"
    path.write_bytes(pdf_of({4: (b"", b"99 0 0 99 0 0 cm /X Do"), 5: (picture, b"\x78\x9c" + packed)}))


def vast_png(path: Path) -> None:
    """100,000 x 100,000 pixels by its head, with little behind."""
    head = struct.pack(">LLBBBBB", 100_000, 100_000, 8, 2, 0, 0, 0)

    def part(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">L", len(content)) + kind + content + struct.pack(">L", zlib.crc32(kind + content))

    packed, _, _ = zeros_deflated(300 * MIB)
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + part(b"IHDR", head) + part(b"IDAT", b"\x78\x9c" + packed) + part(b"IEND", b""))


def pdf_of(streams: dict[int, tuple[bytes, bytes]]) -> bytes:
    """A page (object 3) with its content (4) and a picture (5, `/X`) or whatever else stands at these numbers."""
    made = bytearray(
        b"%PDF-1.7\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj\n2 0 obj<</Type/Pages/Count 1/Kids[3 0 R]>>endobj\n"
        b"3 0 obj<</Type/Page/Parent 2 0 R/MediaBox[0 0 99 99]/Contents 4 0 R"
        b"/Resources<</XObject<</X 5 0 R>>/Font<</F1<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>>>>>>>endobj\n"
    )
    for number, (head, content) in streams.items():
        made += b"%d 0 obj<<%s/Length %d>>stream\n%s\nendstream endobj\n" % (number, head, len(content), content)
    made += b"trailer<</Root 1 0 R/Size 9>>\n%%EOF\n"
    return bytes(made)
