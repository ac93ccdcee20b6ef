from __future__ import annotations

import pytest

from antiphon.ingest.document import WebLinks
from antiphon.library.web.rules import CrawlRules, base_of, own_address
from antiphon.outgoing.url import parse_url


@pytest.mark.parametrize(
    ("start", "url", "taken"),
    [
        ("http://h.example/d/", "http://h.example/d/a", True), ("http://h.example/d/i.html", "http://h.example/d/a", True),
        ("http://h.example/d", "http://h.example/e", True), ("http://h.example/d/", "http://h.example/e", False),
        ("http://h.example/d/", "https://h.example/d/a", False), ("http://h.example/d/", "http://h.example:81/d/a", False),
        ("http://h.example/d/", "http://sub.h.example/d/a", False), ("http://h.example/d/", "http://h.example/d/a.PNG", False),
        ("http://h.example/d/", "http://h.example/d/../e", False), ("http://h.example/d/", "http://h.example/d/a.pdf", True),
    ],
)  # fmt: skip
def test_what_a_crawl_takes(start: str, url: str, taken: bool):
    assert CrawlRules(parse_url(start)).takes(parse_url(url)) is taken


def test_new_links_up_to_a_number():
    rules, base = CrawlRules(parse_url("http://h.example/d/")), parse_url("http://h.example/d/")
    known = {"http://h.example/d/"}
    links = ["a", "a#x", "./a", "?utm_id=1", "javascript:x", "http://[", "../e", "b", "c"]
    assert rules.taken(links, base, known, 2) == (["http://h.example/d/a", "http://h.example/d/b"], True)
    assert rules.taken(links, base, known, 2) == (["http://h.example/d/c"], False)


def test_what_links_are_relative_to():
    page = parse_url("http://h.example/d/a")
    assert str(base_of(page, WebLinks(base="/e/"))) == "http://h.example/e/"
    assert base_of(page, WebLinks(base="javascript:x")) == base_of(page, WebLinks()) == page


def test_a_page_is_believed_about_its_query_only():
    page = parse_url("http://h.example/a?sort=1")
    assert str(own_address(page, WebLinks(canonical="/a"))) == "http://h.example/a"
    for other in ("/", "/b", "http://elsewhere.example/a", "javascript:x", ""):
        assert own_address(page, WebLinks(canonical=other)) == page
    plain = parse_url("http://h.example/a")
    assert own_address(plain, WebLinks(canonical="/a?b")) == plain
