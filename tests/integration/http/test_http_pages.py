"""The web app's page and files as HTTP serves them: what the page is made of, how it is kept, and that it loads nothing from elsewhere."""

from __future__ import annotations

import gzip
import re
from pathlib import Path

import pytest

from antiphon.server.web_app import BUNDLE, PAGE_PATHS, host_source, web_routes

ROOT = Path(__file__).parents[3]
PLAIN = {"Accept-Encoding": "identity"}
PLACES = ["/", "/sign-in", "/c/ses_1", "/d/doc_1?p=3&m=4-9", "/documents", "/settings", "/settings/models"]
built = pytest.mark.skipif(not (BUNDLE / "index.html").is_file(), reason="the web app is not built here: `make web`")


@pytest.mark.parametrize("path", [*PLACES, "/docs/api"])
async def test_a_page_loads_itself_and_nothing_else(house, http, path):
    async with http.get(house.url + path, headers=PLAIN) as answer:
        assert (answer.status, answer.content_type) == (200, "text/html")
        page, policy = await answer.text(), answer.headers["Content-Security-Policy"]
    assert "'unsafe" not in policy
    assert "default-src 'self'" in policy
    assert not re.search(r"<script(?![^>]*\ssrc=)|<style|\sstyle=|\son\w+=", page)
    for reference in re.findall(r'(?:src|href)="([^"]+)"', page):
        assert reference.startswith(("/", "#")), reference
        if not reference.startswith("#"):
            async with http.get(house.url + reference.split("#")[0]) as answer:
                assert answer.status == 200, reference


def test_each_place_of_the_page_is_an_address_of_the_server():
    router = (ROOT / "web" / "src" / "app" / "router.ts").read_text(encoding="utf-8")
    cases = set(re.findall(r'case "([\w-]*)":', router.split("export function routeOf")[1].split("export function addressOf")[0]))
    assert {path.split("/")[1] for path in PAGE_PATHS} == cases


@built
async def test_hashed_files_are_kept_for_good_and_come_compressed(house, http):
    async with http.get(f"{house.url}/", headers=PLAIN) as answer:
        script = re.search(r'src="(/assets/[^"]+\.js)"', await answer.text())
        assert answer.headers["Cache-Control"] == "no-cache"
    assert script is not None
    sizes = {}
    for encoding in ("br", "gzip", "identity"):
        async with http.get(house.url + script[1], headers={"Accept-Encoding": encoding}, auto_decompress=False) as answer:
            body = await answer.read()
            assert (answer.status, answer.content_type) == (200, "text/javascript")
            assert answer.headers.get("Content-Encoding", "identity") == encoding
            assert answer.headers["Cache-Control"] == "public, max-age=31536000, immutable"
            assert answer.headers["Vary"] == "Accept-Encoding"
            sizes[encoding] = len(body)
            tag = answer.headers["ETag"]
            plain = gzip.decompress(body) if encoding == "gzip" else body
        assert encoding == "br" or plain == (BUNDLE / script[1].lstrip("/")).read_bytes()
        async with http.get(house.url + script[1], headers={"Accept-Encoding": encoding, "If-None-Match": tag}) as answer:
            assert answer.status == 304
    assert sizes["br"] < sizes["gzip"] < sizes["identity"] / 2
    async with http.get(house.url + script[1], headers={"Accept-Encoding": "br;q=0, gzip;q=0"}, auto_decompress=False) as answer:
        assert "Content-Encoding" not in answer.headers


@built
async def test_what_pdf_js_needs_is_there(house, http):
    for path in ("/pdf/cmaps/UniGB-UCS2-H.bcmap", "/pdf/standard_fonts/FoxitFixed.pfb"):
        async with http.get(house.url + path) as answer:
            assert answer.status == 200, path


async def test_files_end_at_their_folders(house, http):
    paths = (
        "/static/%2e%2e%2fapp.py", "/static/..%2fapp.py", "/static/nope.js", "/static/", "/static/no_bundle.html", "/assets/",
        "/assets/..%2findex.html", "/assets/%2e%2e/%2e%2e/app.py", "/index.html", "/sources.sha256", "/c/", "/c/a/b", "/nothing",
    )  # fmt: skip
    for path in paths:
        async with http.get(house.url + path) as answer:
            assert answer.status == 404, path


def test_what_is_no_host_is_not_named_in_a_policy():
    for host in ("a.example; script-src *", "a.example *", "a.example,", "a'b", "", "例.example"):
        assert host_source(host) == "localhost"
    for host in ("a.example:8000", "[::1]:80", "127.0.0.1"):
        assert host_source(host) == host


async def test_a_host_header_adds_no_directive(house, http):
    async with http.get(f"{house.url}/", headers={"Host": "localhost; script-src *"}) as answer:
        assert "script-src *" not in answer.headers.get("Content-Security-Policy", "")


def test_without_a_bundle_a_plain_page_says_how_to_get_one(tmp_path: Path):
    routes = web_routes(tmp_path / "none")
    assert {route.path for route in routes} >= set(PAGE_PATHS)
    told = (Path(web_routes.__code__.co_filename).parent / "pages" / "no_bundle.html").read_text(encoding="utf-8")
    assert "make web" in told
    assert not re.search(r"<script|<style|\sstyle=", told)


def test_no_markup_is_made_of_data():
    for path in (ROOT / "web" / "src").rglob("*.ts*"):
        text = path.read_text(encoding="utf-8")
        found = re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function", text)
        assert found is None, path
        assert "https://" not in re.sub(r"//.*", "", text) or path.name == "generated.ts", path
