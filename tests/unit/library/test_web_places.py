from __future__ import annotations

import pytest

from antiphon.library.arrivals import LONGEST_PATH, clean_path
from antiphon.library.web.places import document_name, document_path, kept_url
from antiphon.outgoing.url import parse_url


@pytest.mark.parametrize(
    ("url", "kept"),
    [
        ("http://h.example/a?utm_source=x&b=1&gclid=2", "http://h.example/a?b=1"), ("http://h.example/a?fbclid=x", "http://h.example/a"),
        ("http://h.example/a?", "http://h.example/a"), ("http://h.example/a?b=2&a=1#c", "http://h.example/a?b=2&a=1"),
    ],
)  # fmt: skip
def test_one_address_for_all_spellings(url: str, kept: str):
    assert str(kept_url(parse_url(url))) == kept


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("http://h.example/", "h.example"), ("http://h.example/a/b.html", "h.example/a/b.html"), ("http://h.example/a//b/", "h.example/a/b"),
        ("http://h.example/%E6%89%8B%E5%86%8C?q=%E4%B8%80", "h.example/手册?q=一"), ("http://h.example/a%2F..%2Fb%5Cc", "h.example/a/_/b_c"),
        ("http://h.example/a%00%0Ab%E2%80%AEc", "h.example/a bc"),
    ],
)  # fmt: skip
def test_paths_are_what_people_read_and_may_be_stored(url: str, path: str):
    assert document_path(parse_url(url)) == path
    assert clean_path(path) == path


def test_a_long_path_is_cut_and_still_its_own():
    one, other = (document_path(parse_url("http://h.example/" + "x" * 1500 + end)) for end in "ab")
    assert one != other
    assert len(one) <= LONGEST_PATH
    assert clean_path(one) == one


@pytest.mark.parametrize(
    ("url", "media_type", "disposition", "name"),
    [
        ("http://h.example/", "text/html; charset=utf-8", "", "h.example.html"), ("http://h.example/a", "text/html", "", "a.html"),
        ("http://h.example/a.php", "text/html", "", "a.php"), ("http://h.example/a.PDF", "application/pdf", "", "a.PDF"),
        ("http://h.example/get?id=1", "application/pdf", 'attachment; filename="../r.pdf"', "r.pdf"), ("http://h.example/v1.2", "text/plain", "", "v1.2.txt"),
        ("http://h.example/a/", "", "", "a"), ("http://h.example/x", "image/png", "inline; filename=y.png", "y.png"),
    ],
)  # fmt: skip
def test_names(url: str, media_type: str, disposition: str, name: str):
    assert document_name(parse_url(url), media_type, disposition) == name
