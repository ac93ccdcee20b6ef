from __future__ import annotations

import pytest

from antiphon.ingest.decoding import decode

SIMPLIFIED = "入职满一年的员工每年享有七天带薪年休假，这是公司的规定。"
TRADITIONAL = "入職滿一年的員工每年享有七天帶薪年休假，這是公司的規定。"


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        (SIMPLIFIED, "utf-8"),
        (SIMPLIFIED, "utf-8-sig"),
        (SIMPLIFIED, "utf-16"),
        (SIMPLIFIED, "utf-32"),
        (SIMPLIFIED, "gb18030"),
        (TRADITIONAL, "big5"),
        (TRADITIONAL, "utf-8"),
        ("naïve café, 20 €", "windows-1252"),
    ],
)
def test_texts_in_common_encodings_are_read(text: str, encoding: str) -> None:
    assert decode(text.encode(encoding)) == text


def test_line_ends_become_one_kind_and_nothing_raises() -> None:
    assert decode(b"a\r\nb\rc\n") == "a\nb\nc\n"
    assert isinstance(decode(bytes(range(256)) * 10), str)
    assert decode(b"\xff\xfe\x00") is not None


def test_a_broken_byte_does_not_spoil_a_whole_text() -> None:
    assert decode(SIMPLIFIED.encode() + b"\xff" + TRADITIONAL.encode()) == SIMPLIFIED + "\ufffd" + TRADITIONAL
