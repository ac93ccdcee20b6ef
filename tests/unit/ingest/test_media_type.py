from __future__ import annotations

import pytest

from antiphon.ingest.media_type import media_type_of


@pytest.mark.parametrize(
    ("head", "name", "expected"),
    [
        (b"%PDF-1.7\n", "a.txt", "application/pdf"),
        (b"junk before\n%PDF-1.4", "a.pdf", "application/pdf"),
        (b"<!DOCTYPE html><html>", "report.pdf", "text/html"),
        (b"\xef\xbb\xbf  <HTML>", "a.txt", "text/html"),
        (b"MZ\x90\x00\x03", "notes.txt", "application/x-executable"),
        (b"MZ is the mark of DOS programs.", "notes.txt", "text/plain"),
        (b"\x7fELF\x02", "notes.md", "application/x-executable"),
        (b"PK\x03\x04....", "a.md", "application/zip"),
        (b"\x89PNG\r\n\x1a\n", "a.txt", "image/png"),
        (b"<svg onload=alert(1)>", "a.txt", "image/svg+xml"),
        (b"<?xml version='1.0'?><a/>", "a.txt", "application/xml"),
        (b"# Title\n", "a.MD", "text/markdown"),
        (b"# Title\n", "a.txt", "text/plain"),
        ("年假".encode("gb18030"), "a.txt", "text/plain"),
        ("年假".encode("utf-16"), "a.md", "text/markdown"),
        (b"", "empty.txt", "text/plain"),
        (b"a\x00b", "a.txt", "application/octet-stream"),
        (bytes(range(1, 9)) * 50, "a.txt", "application/octet-stream"),
    ],
)
def test_content_decides(head: bytes, name: str, expected: str) -> None:
    assert media_type_of(head, name) == expected
