from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from antiphon.server.file_names import LONGEST_NAME, attachment, clean_name


@pytest.mark.parametrize(("given_name", "kept"), [
    ("a.pdf", "a.pdf"), ("../../etc/passwd", "passwd"), ("dir/", "dir"), ("a\\b.pdf", "b.pdf"), ("", "document"),
    ("...", "document"), ("\x00", "document"), ("a\r\nb.pdf", "a b.pdf"), ("\u202egpj.exe", "gpj.exe"), ("e\u0301.txt", "é.txt"),
    ("手册　第一版.pdf", "手册 第一版.pdf"), ("x" * 300, "x" * LONGEST_NAME), ("\ud800.pdf", ".pdf"),
])  # fmt: skip
def test_names_are_made_safe_to_read(given_name, kept):
    assert clean_name(given_name) == kept


@given(st.text())
def test_any_name_becomes_a_short_visible_one_and_stays_it(name):
    kept = clean_name(name)
    assert 0 < len(kept) <= LONGEST_NAME
    assert "/" not in kept
    assert not any(unicodedata.category(c) in {"Cc", "Cf", "Cs"} for c in kept)
    assert clean_name(kept) == kept


@given(st.text())
def test_the_header_is_one_line_of_ascii_with_two_quotation_marks(name):
    header = attachment(name)
    assert header.isascii()
    assert header.isprintable()
    assert header.count('"') == 2
