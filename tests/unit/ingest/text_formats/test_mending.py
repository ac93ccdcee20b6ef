from __future__ import annotations

import time
import unicodedata

import pytest

from antiphon.ingest.text_formats.mending import mended, one_line


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("plain", "plain"),
        ("co\u00adop\u200ber\u2060ate", "cooperate"),
        ("e\u0301te\u0301", "été"),
        ("e\ufb03cient \ufb02ow", "efficient flow"),
        ("a\u00a0b\u2009c", "a b c"),
        ("a\r\nb\rc\u2028d", "a\nb\nc\nd"),
        ("safe\u202egnp.exe", "safegnp.exe"),
        ("年\u200d假\u200c", "年假"),
        ("می\u200cخواهم", "می\u200cخواهم"),
        ("👩\u200d💻", "👩\u200d💻"),
        ("\ufeffa\x00b\ud800", "ab"),
    ],
)
def test_what_hides_words_goes(text: str, expected: str) -> None:
    assert mended(text) == expected
    assert mended(expected) == expected


def test_long_runs_of_marks_take_no_quadratic_time() -> None:
    text = "a" + "\u0301\u0316" * 40_000 + "\ne\u0301"
    started = time.perf_counter()
    assert mended(text).endswith("\né")
    assert time.perf_counter() - started < 2


def test_one_line_leaves_no_space_between_wrapped_chinese() -> None:
    assert one_line("年假\n  七天，\n\tthe rest\n of it") == "年假七天， the rest of it"
    assert unicodedata.is_normalized("NFC", mended("Å"))
