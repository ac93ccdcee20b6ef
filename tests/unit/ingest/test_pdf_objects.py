"""What is found in the bytes of a PDF without its directory. Whole files: test_pdf.py."""

from __future__ import annotations

import time
import zlib
from pathlib import Path

import pypdfium2
import pytest

from antiphon.ingest import pdf_objects
from antiphon.ingest.pdf_objects import holds_nothing, rebuilt

PAGE = b"1 0 obj\n<</Type /Page /Contents 2 0 R>>\nendobj\n"


def written(tmp_path: Path, content: bytes) -> Path:
    path = tmp_path / "x.pdf"
    path.write_bytes(b"%PDF-1.4\n" + content)
    return path


def stream(content: bytes, head: bytes = b"") -> bytes:
    return b"2 0 obj\n<</Length %d%s>>\nstream\n%s\nendstream\nendobj\n" % (len(content), head, content)


@pytest.mark.parametrize(
    ("content", "nothing"),
    [
        (b"1 0 obj\n<</Type/Page>>\nendobj\n", True),
        (PAGE + stream(b""), True),
        (PAGE + stream(b"q 1 0 0 1 0 0 cm Q"), True),
        (PAGE + stream(zlib.compress(b"q Q"), b"/Filter/FlateDecode"), True),
        (PAGE + stream(b"BT /F1 12 Tf (words) Tj ET"), False),
        (PAGE + stream(zlib.compress(b"0 0 10 10 re f"), b"/Filter/FlateDecode"), False),
        (PAGE + stream(b"no zlib at all", b"/Filter/FlateDecode"), False),
        (PAGE + stream(b"x", b"/Filter/LZWDecode"), False),
        (PAGE, False),
        (PAGE + stream(b"") + b"trailer<</Encrypt 9 0 R>>", False),
        (b"1 0 obj\n<</Type/Page>>\nendobj\ntrailer<</Encrypt 9 0 R>>", True),
        (b"1 0 obj\n<</NeedsRendering true>>\nendobj\n2 0 obj\n<</Type/Page>>endobj", False),
        (b"1 0 obj\n<</Type/Pages>>\nendobj\n", False),
        (b"", False),
    ],
)
def test_emptiness_is_told_from_loss(tmp_path: Path, content: bytes, nothing: bool) -> None:
    assert holds_nothing(written(tmp_path, content)) is nothing


def test_pages_in_streams_of_objects_are_found_too(tmp_path: Path) -> None:
    body = zlib.compress(
        b"7 0 8 50 " + b"<</Type/Page/MediaBox[0 0 99 88]/Contents 2 0 R>>".ljust(50) + b"<</Type/Page/Contents 2 0 R>>"
    )
    holder = b"5 0 obj\n<</Type/ObjStm/N 2/First 9/Filter/FlateDecode>>stream\n" + body + b"\nendstream endobj\n"
    made = rebuilt(written(tmp_path, holder + stream(b"")))
    assert made is not None
    document = pypdfium2.PdfDocument(made)
    assert len(document) == 2
    assert document[0].get_size() == (99, 88)


def test_no_pages_and_encrypted_files_are_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert rebuilt(written(tmp_path, b"1 0 obj <</Type/Catalog>> endobj")) is None
    assert rebuilt(written(tmp_path, PAGE + b"trailer<</Encrypt 3 0 R>>")) is None
    monkeypatch.setattr(pdf_objects, "LARGEST_FILE_BYTES", 10)
    assert rebuilt(written(tmp_path, PAGE)) is None
    assert not holds_nothing(written(tmp_path, b"1 0 obj\n<</Type/Page>>\nendobj\n"))


@pytest.mark.parametrize(
    "piece", [b"1 0 obj ", b"1 0 obj stream ", b"1 0 obj /Type/Page /Contents [", b"1 0 obj <</Type/ObjStm>>stream\n"]
)
def test_c5_hostile_files_take_linear_time(tmp_path: Path, piece: bytes) -> None:
    path = written(tmp_path, piece * 100_000)
    started = time.process_time()
    rebuilt(path)
    holds_nothing(path)
    assert time.process_time() - started < 10
