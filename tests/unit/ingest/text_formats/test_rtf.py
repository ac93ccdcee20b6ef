from __future__ import annotations

from pathlib import Path

import pytest

from antiphon.ingest.text_formats.rtf import open_rtf, rtf_composition


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        (rb"{\rtf1\ansi Hello {\b bold} world\par Second\line line\tab x}", "Hello bold world\n\nSecond\nline\tx"),
        (rb"{\rtf1\ansi{\fonttbl{\f0 Times;}}{\*\generator X;}{\info{\title T}}{\pict 0a0b}{\header H}Text}", "Text"),
        (rb"{\rtf1\ansi\uc1 \u24180?\u20551 ?\'e9}", "年假é"),
        (rb"{\rtf1\ansi\uc2 \u24180\'c4\'ea!}", "年!"),
        (rb"{\rtf1\ansi \u-10179?\u-8704?}", "😀"),
        (rb"{\rtf1\ansi\ansicpg936 \'c4\'ea\'bc\'d9}", "年假"),
        (rb"{\rtf1\ansi{\fonttbl{\f0\fcharset0 A;}{\f1\fcharset136 B;}}\f1 \'a6\'7e\f0 \'e9}", "年é"),
        (rb"{\rtf1\intbl a\cell b\cell\row c\cell d\cell\row\pard after\par}", "| a | b\n| c | d\n\nafter"),
        (rb"{\rtf1 \{x\}\\ \~y\_z\ldblquote q\rdblquote}", "{x}\\  y-z“q”"),
        (rb"{\rtf1 a{\pict\bin4 }}}}b}c", "ac"),
        (rb"{\rtf1 {\field{\*\fldinst HYPERLINK x}{\fldrslt shown}}}", "shown"),
    ],
)
def test_control_words_become_text(source: bytes, expected: str) -> None:
    assert rtf_composition(source).text() == expected


def test_a_file_without_text_is_empty(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_bytes(rb"{\rtf1 {\pict 0a0b}}")
    assert [page.text for page in open_rtf(path, None).pages()] == [""]


def test_c6_nesting_is_bounded() -> None:
    assert rtf_composition(b"{\\rtf1 " + b"{" * 500_000 + b"deep" + b"}" * 500_000).text() == "deep"
