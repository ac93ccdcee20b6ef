from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from antiphon.core.errors import BadRequest, TooLarge
from antiphon.ingest.web_links import LARGEST_SITEMAP_BYTES, MOST_ADDRESSES, MOST_LINKS, links_of, page_links, sitemap_links

PAGE = """<html><head><base href="/docs/"><link rel="Canonical" href="/docs/a"><title>A</title></head>
<body><a href="b.html">b</a><a href='b.html'>again</a><area href="c"><a>none</a><a href="">empty</a><a rel="nofollow" href="d">d</a>
<a href="javascript:alert(1)">x</a><img src="e.png"><script>document.write('<a href="f">')</script></body></html>"""


def sitemap(*addresses: str, kind: str = "url", root: str = "urlset") -> bytes:
    inner = "".join(f"<{kind}><loc> {address}\n</loc><lastmod>2026-01-01</lastmod></{kind}>" for address in addresses)
    return f'<?xml version="1.0"?><{root} xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">{inner}</{root}>'.encode()


def test_the_links_of_a_page_as_they_are_written():
    found = page_links(PAGE)
    assert found.links == ["b.html", "c", "javascript:alert(1)"]
    assert (found.base, found.canonical, found.follow, found.cut) == ("/docs/", "/docs/a", True, False)


@pytest.mark.parametrize(("content", "follow"), [("noindex", True), ("index, NOFOLLOW", False), ("none", False), ("all", True)])
def test_a_page_may_ask_not_to_be_followed(content: str, follow: bool):
    assert page_links(f'<html><head><meta name="Robots" content="{content}"></head><a href="a">a</a></html>').follow is follow


def test_links_are_bounded():
    found = page_links("".join(f'<a href="/{n}">x</a>' for n in range(MOST_LINKS + 10)) + f'<a href="/{"x" * 5000}">x</a>')
    assert (len(found.links), found.cut) == (MOST_LINKS, True)
    assert page_links("<div>" * 100_000 + '<a href="x">x</a>').links == []


def test_only_html_has_links(tmp_path: Path):
    path = tmp_path / "file"
    path.write_bytes(b"%PDF-1.7 <a href='x'>")
    assert links_of(path, "a.pdf").links == []
    path.write_text(PAGE)
    assert links_of(path, "a").links[0] == "b.html"


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_a_sitemap_and_an_index_of_sitemaps(pack):
    assert sitemap_links(pack(sitemap("http://h/a", "http://h/b"))).links == ["http://h/a", "http://h/b"]
    found = sitemap_links(pack(sitemap("http://h/1.xml.gz", kind="sitemap", root="sitemapindex")))
    assert (found.links, found.sitemaps) == ([], ["http://h/1.xml.gz"])
    assert sitemap_links(pack(b"\xef\xbb\xbfhttp://h/a\r\nhttp://h/b\n\nother\n")).links == ["http://h/a", "http://h/b"]


def test_pictures_in_a_sitemap_are_no_pages():
    content = (
        b'<urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9" xmlns:image="http://www.google.com/schemas/sitemap-image/1.1">'
        b"<url><loc>http://h/a</loc><image:image><image:loc>http://h/a.png</image:loc></image:image></url></urlset>"
    )
    assert sitemap_links(content).links == ["http://h/a"]


def test_entities_are_not_opened(tmp_path: Path):
    secret = tmp_path / "secret"
    secret.write_text("the secret")
    laughs = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10 if n else "ha" * 10}">' for n in range(10))
    external = f'<!DOCTYPE x [<!ENTITY s SYSTEM "file://{secret}">]><urlset><url><loc>http://h/&s;</loc></url><url><loc>http://h/b</loc></url></urlset>'
    links = sitemap_links(external.encode()).links
    assert "secret" not in "".join(links)
    assert links[-1] == "http://h/b"
    with pytest.raises(BadRequest):
        sitemap_links(f"<!DOCTYPE x [{laughs}]><urlset><url><loc>http://h/&l9;</loc></url></urlset>".encode())


def test_bombs_and_nonsense_are_refused():
    with pytest.raises(TooLarge):
        sitemap_links(gzip.compress(b"\0" * (LARGEST_SITEMAP_BYTES + 10)))
    for content in (b"", b"<html><body>404</body></html>", b"plain text", b"\x1f\x8bbroken", sitemap()):
        with pytest.raises(BadRequest):
            sitemap_links(content)
    many = sitemap_links(sitemap(*(f"http://h/{n}" for n in range(MOST_ADDRESSES + 5))))
    assert (len(many.links), many.cut) == (MOST_ADDRESSES, True)
