from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from antiphon.core.errors import BadRequest
from antiphon.outgoing.url import LONGEST_URL, parse_url, resolve_reference


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("http://example.org", ("http", "example.org", 80, "/", None)),
        ("https://Example.ORG:8443/a?b#c", ("https", "example.org", 8443, "/a", "b")),
        ("http://example.org/?", ("http", "example.org", 80, "/", "")),
        ("http://例え.jp/パス", ("http", "xn--r8jz45g.jp", 80, "/%E3%83%91%E3%82%B9", None)),
        ("http://a_b.example.org/100%", ("http", "a_b.example.org", 80, "/100%25", None)),
        ("http://[2001:db8::1]/", ("http", "2001:db8::1", 80, "/", None)),
    ],
)  # fmt: skip
def test_the_parts_of_a_url(text: str, parts: tuple[object, ...]):
    url = parse_url(text)
    assert (url.scheme, url.host, url.port, url.path, url.query) == parts


@pytest.mark.parametrize(
    "text",
    [
        "", "example.org", "http://", "http:///x", "http://a..b/", "http://-/", "http://a:0/", "http://a:65536/", "http://a:８０/", "http://a:-1/",
        "http://[::1", "http://[::1]x/", "http://[127.0.0.1]/", "http://1.2.3/", "http://1.2.3.4.5/", "http://256.1.1.1/", "http://a.0x1/",
        "http://user@a/", "http://user:pw@a/", "http://a b/", "http://a\\b/", "http://a%41/", "http://" + "a" * 64 + "/", "http://a/\x7f",
        "http://a/" + "x" * LONGEST_URL, "mailto:a@b", "http://xn--a/\u2028",
    ],
)  # fmt: skip
def test_what_is_refused(text: str):
    with pytest.raises(BadRequest) as caught:
        parse_url(text)
    assert "pw" not in caught.value.message


@pytest.mark.parametrize(
    ("link", "meant"),
    [
        ("b.html", "http://h.example/d/b.html"), ("/b", "http://h.example/b"), ("../../../b", "http://h.example/b"), ("?q=1", "http://h.example/d/a?q=1"),
        ("#top", "http://h.example/d/a"), ("//other.example/x", "http://other.example/x"), (" b\n", "http://h.example/d/b"), ("", "http://h.example/d/a"),
    ],
)  # fmt: skip
def test_what_a_link_means(link: str, meant: str):
    assert str(resolve_reference(link, parse_url("http://h.example/d/a"))) == meant


@pytest.mark.parametrize(
    "link", ["javascript:alert(1)", "mailto:a@b", "data:text/html,x", "http://[", "tel:1", "a b", "http://u@h/"]
)
def test_links_that_are_no_addresses(link: str):
    with pytest.raises(BadRequest):
        resolve_reference(link, parse_url("http://h.example/"))


@given(st.text(max_size=60))
def test_what_is_parsed_is_parsed_the_same_again(text: str):
    for candidate in (text, f"http://{text}", f"http://example.org/{text}", f"http://example.org:80?{text}"):
        try:
            url = parse_url(candidate)
        except BadRequest:
            continue
        assert parse_url(str(url)) == url
        assert str(url).isascii()


@given(st.text(max_size=30))
def test_no_link_raises_anything_else(link: str):
    with contextlib.suppress(BadRequest):
        assert resolve_reference(link, parse_url("http://h.example/d/a")).host
