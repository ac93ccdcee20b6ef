from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from antiphon.ingest.media_names import (
    ATOM,
    AUDIO,
    CSV,
    EXECUTABLE,
    HTML,
    JSON,
    JSON_LINES,
    MAIL,
    MARKDOWN,
    MBOX,
    NOTEBOOK,
    PDF,
    PLAIN_TEXT,
    RSS,
    RTF,
    SOURCE_CODE,
    SVG,
    TSV,
    VIDEO,
    WEBP,
    XML,
    advice_for,
)
from antiphon.ingest.media_type import media_type_of, media_type_of_file


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


@pytest.mark.parametrize(
    ("head", "name", "expected"),
    [
        (b"%PDFn\r\ntrailer", "a.pdf", PDF),
        ("<!doctype html><p>年假".encode("utf-16"), "a.txt", HTML),
        (b"<!-- saved -->\n<!DOCTYPE HTML>", "a", HTML),
        (b"<div><p>one</p><p>two</p></div>", "mail.txt", HTML),
        (b"<?xml version='1.0'?><!DOCTYPE html><html xmlns='x'>", "a", HTML),
        (b"<?xml version='1.0'?>\n<!-- c -->\n<rss version='2.0'>", "a.txt", RSS),
        (b"<feed xmlns='http://www.w3.org/2005/Atom'>", "a", ATOM),
        (b"<?xml version='1.0'?><!DOCTYPE svg PUBLIC 'x' 'y'><svg:svg xmlns:svg='z'>", "a", SVG),
        (b"<note><to>Li</to><from>Wang</from></note>", "a.txt", XML),
        (b"<3 is a heart", "a.txt", PLAIN_TEXT),
        (b"{\\rtf1 x}", "a.doc", RTF),
        (b'{"a": [1, 2, {"b": null}]}', "a.txt", JSON),
        (b'{"a": 1}\n{"a": 2}\n', "a.txt", JSON_LINES),
        (b'{"cells": [{"cell_type": "code"', "a", PLAIN_TEXT),
        (b'{"cells": [{"cell_type": "code"}]}', "a", NOTEBOOK),
        (b"[1] Smith, J. 2020. A paper.", "a.txt", PLAIN_TEXT),
        (b"[TODO] write {this}", "a.txt", PLAIN_TEXT),
        (b"From: a@b.c\nSubject: x\n\nHello", "a.txt", MAIL),
        ("From: a@b.c\nSubject: x\n\nHello".encode("utf-16"), "a.txt", MAIL),
        (b"From a@b Wed Jul 16 06:24:10 2008\nFrom: a@b\nSubject: x\n\nA\n\nFrom a@b Wed Jul 16 06:24:10 2008\n", "a", MBOX),
        (b"Subject: of this chapter\n\nDate: unknown", "a.txt", PLAIN_TEXT),
        (b"Note: a\nFrom: here on\n\nx", "a.txt", PLAIN_TEXT),
        (b"a,b\n1,2", "a.csv", CSV),
        (b"a\tb\tc\n1\t2\t3\n4\t5\t6\n7\t8\t9\n", "a.txt", TSV),
        (b"a;b;c\n1;2;3\n4;5;6\n7;8;9\n", "a", CSV),
        (b"One, two, three\nfour, five, six\nseven, eight, nine\nten, eleven, twelve\n", "a.txt", PLAIN_TEXT),
        (b"import os\n", "a.py", SOURCE_CODE),
        (b"#!/usr/bin/env python3\nimport os\n", "tool", SOURCE_CODE),
        (b"all:\n\techo\n", "Makefile", SOURCE_CODE),
        (b"%PDF-1.4", "a.py", PDF),
        (b"# Title", "a.md", MARKDOWN),
        (b"<!DOCTYPE html><p>x", "a.md", HTML),
        (b"<p align=center><img src=a><br></p>\n\n# Title", "README.md", MARKDOWN),
        (b"<template><div><p>x</p></div></template>", "a.vue", SOURCE_CODE),
        (b'{"a": [1, 2]}', "a.csv", JSON),
        (b"From: a@b.c\nSubject: x\n\nHello", "a.md", MAIL),
        (b"RIFF....WEBPVP8 ", "a.txt", WEBP),
        (b"RIFF....WAVEfmt ", "a.txt", AUDIO),
        (b"\x00\x00\x00\x18ftypmp42\x00\x00\x00\x00", "a.txt", VIDEO),
        (b"ID3\x04\x00\x00\x00\x00\x00\x00", "a.txt", AUDIO),
        (b"ID3 is a tag of sound files.", "a.txt", PLAIN_TEXT),
        (b"BZh means bzip2.", "a.txt", PLAIN_TEXT),
        (b"\xca\xfe\xba\xbe\x00\x00\x00\x34", "a.txt", EXECUTABLE),
    ],
)
def test_kinds_are_told_by_their_content(head: bytes, name: str, expected: str) -> None:
    assert media_type_of(head, name) == expected


@pytest.mark.parametrize("name", ["exe.txt", "exe.pdf", "exe.docx", "exe"])
def test_c8_a_program_is_a_program_whatever_its_name(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_bytes(b"MZ\x90\x00\x03\x00\x00\x00" + b"\x00" * 100)
    assert media_type_of_file(path, name) == EXECUTABLE
    assert "program" in advice_for(EXECUTABLE)


def test_a_type_is_told_from_the_head_alone_in_a_long_file(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_text("[" + "1, " * 100_000 + "1]")
    assert media_type_of_file(path, "x") == JSON
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("notes/a.txt", "x" * 100_000)
    assert media_type_of_file(path, "x.docx") == "application/zip"
