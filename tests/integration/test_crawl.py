"""Documents from the web, through a whole house, from real sites: one page, links, sitemaps, versions, failures, cancellation."""

from __future__ import annotations

import asyncio
import gzip
import itertools
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from reportlab.pdfgen import canvas

from antiphon.config.settings import Crawl, Outgoing
from antiphon.core.errors import AntiphonError, BadRequest, Conflict
from antiphon.protocol.events import DocumentFailed, DocumentProgress
from antiphon.storage.records.rows import CRAWLS, CrawlRow
from antiphon.testing.conformance.scopes import EVERYTHING
from antiphon.testing.crawl_house import QUICK, CrawlHouse
from antiphon.testing.web_site import Page, Seen, Trap, WebSite, html

TEXT = "text/plain"


@pytest_asyncio.fixture
async def site() -> AsyncIterator[WebSite]:
    async with WebSite().serving() as site:
        yield site


@pytest_asyncio.fixture
async def house(tmp_path: Path, site: WebSite) -> AsyncIterator[CrawlHouse]:
    async with CrawlHouse.open(tmp_path / "data", allow=site.allowed()) as house:
        yield house


def here(site: WebSite, path: str) -> str:
    return f"{site.host}{path}"


async def test_one_page_becomes_a_document(house: CrawlHouse, site: WebSite):
    site.pages["/guide/intro?utm_source=x&v=2"] = Page(status=500)
    site.pages["/guide/intro?v=2"] = html("Herons", "/other", text="The heron stands in the reeds and waits for fish.")
    answer = await house.add(f"{site.url}/guide/intro?utm_source=x&v=2#part", tags=["birds"])
    (document,) = answer["documents"]
    assert (document["state"], document["name"], document["path"]) == ("queued", "intro", f"{site.host}/guide/intro?v=2")
    assert document["url"] == f"{site.url}/guide/intro?v=2"
    crawl = await house.ended(answer["crawl"]["id"])
    (row,) = await house.documents()
    assert (crawl["state"], crawl["counts"], crawl["found"], crawl["done"]) == ("done", {"added": 1}, 1, 1)
    assert (row["id"], row["state"], row["title"], row["media_type"]) == (document["id"], "ready", "Herons", "text/html")
    assert (row["name"], row["tags"], row["url"]) == ("intro.html", ["birds"], f"{site.url}/guide/intro?v=2")
    assert await house.search("heron reeds") == [row["path"]]
    assert site.targets == ["/robots.txt", "/guide/intro?v=2"]
    stages = [event.stage for event in house.events if isinstance(event, DocumentProgress)]
    assert stages[:3] == ["queued", "fetching", "queued"]


async def test_the_type_is_told_by_content(house: CrawlHouse, site: WebSite, tmp_path: Path):
    drawing = canvas.Canvas(str(tmp_path / "a.pdf"))
    drawing.drawString(72, 700, "The kingfisher dives from its perch.")
    drawing.save()
    site.pages["/download"] = Page(
        body=(tmp_path / "a.pdf").read_bytes(),
        media_type="text/html",
        headers={"Content-Disposition": 'attachment; filename="k.pdf"'},
    )
    site.pages["/notes.md"] = Page(body="# 翠鸟\n\n翠鸟从枝头俯冲。".encode(), media_type="text/plain")
    await house.crawled(site.url + "/download")
    await house.crawled(site.url + "/notes.md")
    rows = await house.by_path()
    assert (rows[here(site, "/download")]["media_type"], rows[here(site, "/download")]["name"]) == ("application/pdf", "k.pdf")
    assert rows[here(site, "/notes.md")]["media_type"] == "text/markdown"
    assert await house.search("kingfisher perch") == [here(site, "/download")]


async def test_the_same_address_again_is_a_version_only_when_it_changed(house: CrawlHouse, site: WebSite):
    site.pages["/a"] = Page(body=html("One").body, etag=True)
    await house.crawled(site.url + "/a")
    (first,) = await house.documents()
    again = await house.crawled(site.url + "/a#x")
    (second,) = await house.documents()
    assert (again["counts"], second["version"], second["state"]) == ({"unchanged": 1}, 1, "ready")
    assert "if-none-match" in site.seen[-1].headers
    site.pages["/a"] = Page(body=html("One").body, etag=False)  # the same bytes, without a tag
    assert (await house.crawled(site.url + "/a"))["counts"] == {"unchanged": 1}
    site.pages["/a"] = Page(body=html("Two", text="The bittern booms at night.").body, etag=True)
    changed = await house.crawled(site.url + "/a")
    (third,) = await house.documents()
    assert (changed["counts"], third["id"], third["version"], third["title"]) == ({"replaced": 1}, first["id"], 2, "Two")
    assert await house.search("bittern booms") == [here(site, "/a")]


async def test_links_are_followed_in_the_folder_of_the_start(house: CrawlHouse, site: WebSite):
    site.pages |= {
        "/docs/": html(
            "Start", "a.html", "b", "../outside", "//elsewhere.example/x", "logo.png", "mailto:x@y", "a.html#again", "?utm_id=1"
        ),
        "/docs/a.html": html("Ay", "c.html", "/docs/"),
        "/docs/b": html("Bee", "deep/d.html"),
        "/docs/c.html": html("Sea", "e.html"),
        "/docs/deep/d.html": html("Dee"),
        "/docs/e.html": html("Eee"),
        "/outside": html("Outside"),
    }
    crawl = await house.crawled(site.url + "/docs/", depth=2)
    assert list(await house.by_path()) == [
        here(site, p) for p in ("/docs", "/docs/a.html", "/docs/b", "/docs/c.html", "/docs/deep/d.html")
    ]
    assert (crawl["state"], crawl["counts"], crawl["cut"]) == ("done", {"added": 5}, False)
    order = [target for target in site.targets if target != "/robots.txt"]
    assert order[0] == "/docs/"
    assert set(order[1:3]) == {"/docs/a.html", "/docs/b"}, "not the nearest first"
    assert "/outside" not in order


async def test_a_crawl_is_bounded_and_says_so(tmp_path: Path, site: WebSite):
    for n in range(30):
        site.pages[f"/{n}"] = html(f"Number {n}", *(f"/{m}" for m in range(30)))
    async with CrawlHouse.open(tmp_path / "data", allow=site.allowed(), crawl=Crawl(delay_s=0, pages=7)) as house:
        crawl = await house.crawled(site.url + "/0", depth=3)
        assert (crawl["counts"], crawl["found"], crawl["cut"]) == ({"added": 7}, 7, True)
        with pytest.raises(BadRequest, match="depth"):
            await house.add(site.url + "/0", depth=6)


async def test_links_of_an_unchanged_page_are_followed(house: CrawlHouse, site: WebSite):
    site.pages |= {"/d/": Page(body=html("Start", "a").body, etag=True), "/d/a": html("Ay")}
    await house.crawled(site.url + "/d/")
    crawl = await house.crawled(site.url + "/d/", depth=1)
    assert crawl["counts"] == {"unchanged": 1, "added": 1}


async def test_robots_are_respected(house: CrawlHouse, site: WebSite):
    site.pages |= {
        "/robots.txt": Page(
            body=b"User-agent: *\nDisallow: /\n\nUser-agent: Antiphon\nDisallow: /d/secret\nAllow: /d/\n", media_type=TEXT
        ),
        "/d/": html("Start", "open", "secret/x"),
        "/d/open": html("Open"),
        "/d/secret/x": html("Secret"),
    }
    crawl = await house.crawled(site.url + "/d/", depth=1)
    assert crawl["counts"] == {"added": 2, "skipped": 1}
    assert "/d/secret/x" not in site.targets
    await house.crawled(site.url + "/d/secret/x")
    row = (await house.by_path())[here(site, "/d/secret/x")]
    assert (row["state"], row["error"]["code"]) == ("failed", "url_disallowed")


async def test_a_site_whose_rules_are_broken_is_not_asked_for_more(house: CrawlHouse, site: WebSite):
    site.pages |= {"/robots.txt": Page(status=503), "/a": html("A")}
    await house.crawled(site.url + "/a")
    (row,) = await house.documents()
    assert (row["error"]["code"], site.targets) == ("url_unreachable", ["/robots.txt"])


async def test_a_page_may_ask_not_to_be_followed(house: CrawlHouse, site: WebSite):
    site.pages["/d/"] = Page(
        body=b'<html><head><meta name="robots" content="nofollow"></head><body><p>One</p><a href="a">a</a></body></html>'
    )
    assert (await house.crawled(site.url + "/d/", depth=1))["found"] == 1


async def test_redirects_and_pages_with_several_addresses(house: CrawlHouse, site: WebSite):
    site.pages |= {
        "/start": Page(status=301, headers={"Location": "/d/"}),
        "/d/": html("Start", "old", "b", "b?sort=1", "away"),
        "/d/old": Page(status=302, headers={"Location": "/d/b"}),
        "/d/b": html("Bee"),
        "/d/b?sort=1": Page(body=html("Bee, sorted").body.replace(b"<title>", b'<link rel="canonical" href="/d/b"><title>')),
        "/d/away": Page(status=302, headers={"Location": "/elsewhere"}),
        "/elsewhere": html("Elsewhere"),
    }
    crawl = await house.crawled(site.url + "/start", depth=1)
    rows = await house.by_path()
    assert list(rows) == [here(site, "/d"), here(site, "/d/b")]
    assert rows[here(site, "/d")]["url"] == site.url + "/d/"
    assert crawl["counts"] == {"added": 2, "alternate": 2, "skipped": 1}
    assert (await house.crawled(site.url + "/start"))["counts"] == {"unchanged": 1}
    assert len(await house.documents()) == 2


async def test_the_same_content_is_not_indexed_twice(house: CrawlHouse, site: WebSite):
    site.pages |= {
        "/a": html("Same"),
        "/b": html("Same"),
        "/d/": html("Start", "x", "y"),
        "/d/x": html("Same"),
        "/d/y": html("Other"),
    }
    await house.crawled(site.url + "/a")
    await house.crawled(site.url + "/b")
    rows = await house.by_path()
    error = rows[here(site, "/b")]["error"]
    assert (error["code"], error["data"]["duplicate_of"]) == ("url_duplicate", rows[here(site, "/a")]["id"])
    assert (await house.crawled(site.url + "/d/", depth=1))["counts"] == {"added": 2, "duplicate": 1}
    assert len(await house.documents()) == 4


@pytest.mark.parametrize(("sitemap", "start"), [(True, "/d/"), ("{site}/maps/own.xml", "/d/"), (True, "/d/sitemap.xml")])
async def test_sitemaps(house: CrawlHouse, site: WebSite, sitemap: bool | str, start: str):
    def listed(*paths: str, root: str = "urlset", kind: str = "url") -> bytes:
        inner = "".join(f"<{kind}><loc>{site.url}{path}</loc></{kind}>" for path in paths)
        return f'<{root} xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">{inner}</{root}>'.encode()

    index = Page(body=listed("/maps/1.xml.gz", "/maps/2.xml", root="sitemapindex", kind="sitemap"), media_type="application/xml")
    site.pages |= {
        "/robots.txt": Page(body=f"Sitemap: {site.url}/maps/index.xml\nSitemap: http://elsewhere.example/s.xml\n".encode(), media_type=TEXT),
        "/maps/index.xml": index, "/d/sitemap.xml": index,
        "/maps/own.xml": Page(body=listed("/d/a", "/d/b", "/outside"), media_type="application/xml"),
        "/maps/1.xml.gz": Page(body=gzip.compress(listed("/d/a", "/outside")), media_type="application/gzip"),
        "/maps/2.xml": Page(body=listed("/d/b", "/d/a"), media_type="application/xml"),
        "/d/": html("Start", "not-followed"), "/d/a": html("Ay"), "/d/b": html("Bee"), "/outside": html("Outside"),
    }  # fmt: skip
    answer = await house.add(
        site.url + start, sitemap=sitemap.replace("{site}", site.url) if isinstance(sitemap, str) else sitemap
    )
    crawl = await house.ended(answer["crawl"]["id"])
    wanted = [here(site, path) for path in ("/d", "/d/a", "/d/b")][start == "/d/sitemap.xml" :]
    assert list(await house.by_path()) == wanted
    assert (crawl["state"], crawl["counts"], len(answer["documents"])) == ("done", {"added": len(wanted)}, int(start == "/d/"))


async def test_a_sitemap_that_is_none_or_a_bomb_fails_the_crawl(house: CrawlHouse, site: WebSite):
    site.pages |= {
        "/s.xml": html("No sitemap"),
        "/bomb.xml.gz": Page(body=gzip.compress(b"<x>" * 2**25), media_type="application/gzip"),
    }
    for path, code in (("/s.xml", "bad_request"), ("/bomb.xml.gz", "too_large"), ("/none.xml", "url_not_found")):
        crawl = await house.crawled(site.url + path, sitemap=True)
        assert (crawl["state"], crawl["error"]["code"]) == ("failed", code)
    assert await house.documents() == []


@pytest.mark.parametrize(
    ("page", "code"),
    [
        (Page(status=404), "url_not_found"), (Page(status=410), "url_not_found"), (Page(status=403), "url_denied"), (Page(status=401), "url_denied"),
        (Page(status=500), "url_unreachable"), (Page(status=418), "url_unreachable"), (Page(headers={"Content-Length": str(10**9)}), "url_too_large"),
        (Page(status=302, headers={"Location": "http://169.254.169.254/latest/meta-data/"}), "url_refused"),
    ],
)  # fmt: skip
async def test_what_can_not_be_fetched_says_why_and_can_be_tried_again(house: CrawlHouse, site: WebSite, page: Page, code: str):
    site.pages["/a"] = page
    await house.crawled(site.url + "/a")
    (row,) = await house.documents()
    assert (row["state"], row["error"]["code"], row["searchable"]) == ("failed", code, False)
    assert row["error"]["message"].endswith(".")
    assert any(isinstance(event, DocumentFailed) and event.error["code"] == code for event in house.events)
    site.pages["/a"] = html("Now it is there")
    assert (await house.do("document_retry", document_id=row["id"]))["state"] == "queued"
    await house.settled()
    (again,) = await house.documents()
    assert (again["id"], again["state"], again["title"]) == (row["id"], "ready", "Now it is there")


async def test_what_leads_inside_is_refused_without_a_packet(house: CrawlHouse):
    async with Trap().set() as trap:
        for url in (
            f"http://127.0.0.1:{trap.port}/",
            f"http://localhost:{trap.port}/",
            f"http://[::1]:{trap.port}/",
            "http://10.0.0.1/",
            "http://169.254.169.254/",
        ):
            await house.crawled(url)
        assert trap.packets == 0
    rows = await house.documents()
    assert len(rows) == 5
    assert {(row["state"], row["error"]["code"]) for row in rows} == {("failed", "url_refused")}
    for text in ("ftp://example.org/", "http://user:pw@example.org/", "javascript:alert(1)", "example.org", "http://2130706433/"):
        with pytest.raises(BadRequest):
            await house.add(text)


async def test_a_document_that_serves_goes_on_when_its_site_is_away(house: CrawlHouse, site: WebSite):
    site.pages["/a"] = html("One", text="The curlew calls over the marsh.")
    await house.crawled(site.url + "/a")
    site.pages["/a"] = Page(status=404)
    crawl = await house.crawled(site.url + "/a")
    (row,) = await house.documents()
    assert (crawl["counts"], crawl["error"]["code"], row["state"]) == ({"failed": 1}, "url_not_found", "ready")
    assert await house.search("curlew marsh") == [here(site, "/a")]


async def test_a_busy_site_is_asked_again(tmp_path: Path, site: WebSite):
    answers = [Page(status=503, headers={"Retry-After": "0"}), html("At last")]

    async def busy(_r: asyncio.StreamReader, writer: asyncio.StreamWriter, _: Seen) -> None:
        page = answers.pop(0)
        writer.write(
            f"HTTP/1.1 {page.status} X\r\nContent-Length: {len(page.body)}\r\nContent-Type: text/html\r\n\r\n".encode()
            + page.body
        )
        await writer.drain()

    site.pages["/a"] = busy
    async with CrawlHouse.open(tmp_path / "data", allow=site.allowed(), crawl=Crawl(delay_s=0, retries=1)) as house:
        await house.crawled(site.url + "/a")
        assert [row["state"] for row in await house.documents()] == ["ready"]


async def test_a_crawl_is_cancelled(tmp_path: Path, site: WebSite):
    release = asyncio.Event()

    async def slow(_r: asyncio.StreamReader, writer: asyncio.StreamWriter, _: Seen) -> None:
        await release.wait()
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx")

    site.pages |= {"/d/": html("Start", *(f"p{n}" for n in range(20))), **{f"/d/p{n}": slow for n in range(20)}}
    async with CrawlHouse.open(tmp_path / "data", allow=site.allowed()) as house:
        answer = await house.add(site.url + "/d/", depth=1)
        crawl_id = answer["crawl"]["id"]
        while not any(target.startswith("/d/p") for target in site.targets):
            await asyncio.sleep(0.01)
        assert (await house.do("crawl_cancel", crawl_id=crawl_id))["state"] == "cancelled"
        await house.settled()
        await asyncio.sleep(1.5)  # a heartbeat: the fetching itself ends
        asked = len(site.targets)
        release.set()
        with pytest.raises(Conflict):
            await house.do("crawl_cancel", crawl_id=crawl_id)
        await asyncio.sleep(0.2)
        assert (len(site.targets), [row["title"] for row in await house.documents()]) == (asked, ["Start"])


async def test_a_waiting_document_is_cancelled_or_deleted(house: CrawlHouse, site: WebSite):
    release = asyncio.Event()

    async def slow(_r: asyncio.StreamReader, writer: asyncio.StreamWriter, _: Seen) -> None:
        await release.wait()
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nwords")

    site.pages |= {"/a": slow, "/b": slow}
    added = [await house.add(site.url + path) for path in ("/a", "/b")]
    first, second = (answer["documents"][0]["id"] for answer in added)
    while len(site.targets) < 3:
        await asyncio.sleep(0.01)
    with pytest.raises(Conflict):
        await house.do("document_retry", document_id=first)
    assert (await house.do("document_cancel", document_id=first))["error"]["code"] == "cancelled"
    await house.do("document_delete", document_id=second)
    release.set()
    crawls = [await house.ended(answer["crawl"]["id"]) for answer in added]
    assert [crawl["counts"] for crawl in crawls] == [{"skipped": 1}, {"skipped": 1}]
    (row,) = await house.documents()
    assert (row["id"], row["state"], row["error"]["code"]) == (first, "failed", "cancelled")
    async with asyncio.timeout(10):
        while await house.house.blobs.list():  # what was fetched for nothing goes again
            await asyncio.sleep(0.05)


async def test_a_crawl_ends_with_its_workspace(house: CrawlHouse, site: WebSite):
    release = asyncio.Event()

    async def slow(_r: asyncio.StreamReader, writer: asyncio.StreamWriter, _: Seen) -> None:
        await release.wait()
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nwords")

    site.pages["/a"] = slow
    begun = [(await house.add(f"{site.url}/a?{n}"))["crawl"]["id"] for n in range(4)]
    await house.do("workspace_delete", workspace_id=house.workspace_id)
    release.set()
    async with asyncio.timeout(20):
        while any(row.state == "running" for row in await crawls(house)) or await house.house.blobs.list():
            await asyncio.sleep(0.05)
    assert {row.id for row in await crawls(house)} == set(begun)


async def crawls(house: CrawlHouse) -> list[CrawlRow]:
    return await house.house.stores.store.read(lambda tx: tx.find(CRAWLS, EVERYTHING))


async def test_pages_are_fetched_at_the_pace_the_site_asks_for(tmp_path: Path, site: WebSite):
    site.pages |= {"/d/": html("Start", "a", "b"), "/d/a": html("Ay"), "/d/b": html("Bee")}
    times: list[float] = []
    loop = asyncio.get_running_loop()
    seen = site.seen
    site.seen = type("Timed", (list,), {"append": lambda self, item: (times.append(loop.time()), list.append(self, item))[1]})(
        seen
    )
    async with CrawlHouse.open(tmp_path / "data", allow=site.allowed(), crawl=QUICK.model_copy(update={"delay_s": 0.2})) as house:
        await house.crawled(site.url + "/d/", depth=1)
    assert len(times) == 4
    assert all(later - earlier > 0.15 for earlier, later in itertools.pairwise(times))


async def test_content_has_a_limit(tmp_path: Path, site: WebSite):
    site.pages["/a"] = Page(body=b"words " * 1000, media_type=TEXT)
    outgoing = Outgoing(allow=site.allowed(), max_bytes=1024)
    async with CrawlHouse.open(tmp_path / "data", outgoing=outgoing) as house:
        await house.crawled(site.url + "/a")
        (row,) = await house.documents()
        assert row["error"]["code"] == "url_too_large"
        assert await house.house.blobs.list() == []


async def test_the_address_goes_with_its_document(house: CrawlHouse, site: WebSite):
    site.pages["/a"] = html("One")
    await house.crawled(site.url + "/a")
    (first,) = await house.documents()
    await house.do("document_delete", document_id=first["id"])
    await house.crawled(site.url + "/a")
    (second,) = await house.documents()
    assert (second["id"] != first["id"], second["state"]) == (True, "ready")
    with pytest.raises(AntiphonError):
        await house.do("document_get", document_id=first["id"])
