"""Watched folders and addresses, through a whole house: what is new, changed, moved and gone; schedule, rights, and one at a time."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from antiphon.config.settings import Watch
from antiphon.core.errors import BadRequest, Conflict, Forbidden, NotFound
from antiphon.protocol.events import WatchSynced
from antiphon.testing.crawl_house import CrawlHouse
from antiphon.testing.web_site import Page, WebSite, html

HOUR_S = 3600.0


@pytest.fixture
def shelf(tmp_path: Path) -> Path:
    folder = tmp_path / "roots" / "shelf"
    (folder / "sub").mkdir(parents=True)
    (folder / "a.txt").write_text("The avocet has a bent bill.")
    (folder / "sub" / "b.txt").write_text("The bittern booms at night.")
    (folder / ".hidden").write_text("never")
    return folder


@pytest_asyncio.fixture
async def house(tmp_path: Path) -> AsyncIterator[CrawlHouse]:
    async with CrawlHouse.open(tmp_path / "data", watch=Watch(roots=str(tmp_path / "roots"))) as house:
        yield house


async def watch(house: CrawlHouse, **fields: object) -> dict[str, object]:
    """Made, and synced once."""
    made = await house.do("watch_add", workspace_id=house.workspace_id, **fields)
    return await house.synced(made["id"])


async def sync(house: CrawlHouse, watch_id: object) -> dict[str, int]:
    """The counts of one more sync."""
    await house.do("watch_sync", watch_id=watch_id)
    done = await house.synced(str(watch_id))
    assert done["last"]["state"] in {"ok", "partial"}, done["last"]
    return done["last"]["counts"]


async def paths(house: CrawlHouse) -> list[str]:
    return list(await house.by_path())


async def test_a_folder_is_kept_up(house: CrawlHouse, shelf: Path):
    made = await watch(house, folder=str(shelf), tags=["birds"], delete_missing=True)
    assert (made["kind"], made["folder"], made["last"]["counts"]) == ("folder", str(shelf), {"added": 2})
    assert await paths(house) == ["shelf/a.txt", "shelf/sub/b.txt"]
    assert [row["tags"] for row in await house.documents()] == [["birds"]] * 2
    assert await sync(house, made["id"]) == {"unchanged": 2}
    (shelf / "a.txt").write_text("The avocet sweeps its bill from side to side.")
    (shelf / "c.txt").write_text("The crane dances.")
    (shelf / "sub" / "b.txt").unlink()
    assert await sync(house, made["id"]) == {"replaced": 1, "added": 1, "deleted": 1}
    rows = await house.by_path()
    assert (list(rows), rows["shelf/a.txt"]["version"]) == (["shelf/a.txt", "shelf/c.txt"], 2)
    assert await house.search("sweeps side") == ["shelf/a.txt"]
    events = [event for event in house.events if isinstance(event, WatchSynced)]
    assert [(event.watch_id, event.state) for event in events] == [(made["id"], "ok")] * 3
    assert events[-1].counts == {"replaced": 1, "added": 1, "deleted": 1}


async def test_a_file_that_moved_keeps_its_document(house: CrawlHouse, shelf: Path):
    made = await watch(house, folder=str(shelf), delete_missing=True)
    before = await house.by_path()
    (shelf / "a.txt").rename(shelf / "sub" / "moved.txt")
    assert await sync(house, made["id"]) == {"unchanged": 2}
    after = await house.by_path()
    assert after["shelf/sub/moved.txt"]["id"] == before["shelf/a.txt"]["id"]
    assert await paths(house) == ["shelf/sub/b.txt", "shelf/sub/moved.txt"]
    assert await sync(house, made["id"]) == {"unchanged": 2}


async def test_only_files_that_were_written_to_are_read(house: CrawlHouse, shelf: Path, monkeypatch: pytest.MonkeyPatch):
    made = await watch(house, folder=str(shelf))
    opened: list[str] = []
    open_ = os.open

    def recorded(path: object, *how: object, **more: object) -> int:
        opened.append(Path(str(path)).name)
        return open_(path, *how, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(os, "open", recorded)
    (shelf / "a.txt").touch()
    assert await sync(house, made["id"]) == {"unchanged": 2}
    assert [name for name in opened if name in {"a.txt", "b.txt"}] == ["a.txt"]


async def test_what_is_missing_stays_unless_it_is_to_go(house: CrawlHouse, shelf: Path):
    made = await watch(house, folder=str(shelf))
    (shelf / "a.txt").unlink()
    assert await sync(house, made["id"]) == {"unchanged": 1}
    assert await paths(house) == ["shelf/a.txt", "shelf/sub/b.txt"]
    await house.do("watch_change", watch_id=made["id"], delete_missing=True)
    assert await sync(house, made["id"]) == {"unchanged": 1, "deleted": 1}


async def test_nothing_is_deleted_for_a_folder_that_is_away_or_empty(house: CrawlHouse, shelf: Path, tmp_path: Path):
    made = await watch(house, folder=str(shelf), delete_missing=True)
    shelf.rename(tmp_path / "elsewhere")
    await house.do("watch_sync", watch_id=made["id"])
    away = await house.synced(str(made["id"]))
    assert (away["last"]["state"], away["last"]["error"]["code"], away["failures"]) == ("failed", "bad_request", 1)
    shelf.mkdir()
    assert await sync(house, made["id"]) == {"failed": 1}
    assert len(await paths(house)) == 2


async def test_other_peoples_documents_are_not_the_watchs_to_delete(house: CrawlHouse, shelf: Path, site_file: str):
    (shelf / "same.txt").write_text(site_file)
    site_document = await house.do(
        "document_add", workspace_id=house.workspace_id,
        files=[{"name": "mine.txt", "path": "mine.txt", "sha256": await stored(house, site_file), "bytes": len(site_file)}],
    )  # fmt: skip
    made = await watch(house, folder=str(shelf), delete_missing=True)
    assert made["last"]["counts"] == {"added": 2, "duplicate": 1}
    (shelf / "same.txt").unlink()
    await sync(house, made["id"])
    kept = await house.do("document_get", document_id=site_document["documents"][0]["id"])
    assert kept["path"] == "mine.txt"


@pytest.fixture
def site_file() -> str:
    return "The dunlin probes the mud."


async def stored(house: CrawlHouse, text: str) -> str:
    async def pieces() -> AsyncIterator[bytes]:
        yield text.encode()

    return (await house.house.blobs.put(pieces(), max_bytes=0)).sha256


async def test_only_folders_an_administrator_named_and_nothing_outside_of_them(house: CrawlHouse, shelf: Path, tmp_path: Path):
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret.txt").write_text("secret")
    (shelf.parent / "link").symlink_to(outside)
    for folder in (
        outside,
        shelf.parent / "link",
        shelf / ".." / ".." / "outside",
        tmp_path / "never-was",
        Path("/etc"),
        Path("/"),
    ):
        with pytest.raises(Forbidden):
            await house.do("watch_add", workspace_id=house.workspace_id, folder=str(folder))
    with pytest.raises(BadRequest):
        await house.do("watch_add", workspace_id=house.workspace_id, folder="shelf")
    (shelf / "link.txt").symlink_to(outside / "secret.txt")
    (shelf / "dir").symlink_to(outside)
    await watch(house, folder=str(shelf))
    assert await paths(house) == ["shelf/a.txt", "shelf/sub/b.txt"]


async def test_a_folder_that_becomes_a_link_is_not_followed(house: CrawlHouse, shelf: Path, tmp_path: Path):
    made = await watch(house, folder=str(shelf))
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret.txt").write_text("secret")
    shelf.rename(tmp_path / "gone")
    shelf.symlink_to(outside)
    await house.do("watch_sync", watch_id=made["id"])
    last = (await house.synced(str(made["id"])))["last"]
    assert last["error"]["code"] == "forbidden"
    assert not any("secret" in path for path in await paths(house))


async def test_a_site_is_kept_up(tmp_path: Path):
    async with WebSite().serving() as site, CrawlHouse.open(tmp_path / "data", allow=site.allowed()) as house:
        site.pages |= {"/d/": Page(body=html("Start", "a", "b").body, etag=True), "/d/a": html("Ay"), "/d/b": html("Bee")}
        made = await watch(house, url=site.url + "/d/", depth=1, delete_missing=True)
        assert made["last"]["counts"] == {"added": 3}
        assert await sync(house, made["id"]) == {"unchanged": 3}
        site.pages |= {
            "/d/": Page(body=html("Start", "a", "c").body, etag=True),
            "/d/a": html("Ay, changed"),
            "/d/c": html("Sea"),
        }
        assert await sync(house, made["id"]) == {"replaced": 2, "added": 1, "deleted": 1}
        assert [path.rpartition("/")[2] for path in await paths(house)] == ["d", "a", "c"]
        site.pages["/d/a"] = Page(status=500)
        counts = await sync(house, made["id"])
        assert counts == {"unchanged": 2, "failed": 1}, "a page that fails once is not gone"
        del site.pages["/d/a"]
        assert await sync(house, made["id"]) == {"unchanged": 2, "deleted": 1}
        site.pages["/d/"] = Page(status=503)
        await house.do("watch_sync", watch_id=made["id"])
        down = await house.synced(str(made["id"]))
        assert (down["last"]["state"], down["last"]["error"]["code"], down["failures"]) == ("failed", "url_unreachable", 1)
        assert len(await paths(house)) == 2


async def test_what_lies_behind_a_page_that_fails_is_not_gone(tmp_path: Path):
    async with WebSite().serving() as site, CrawlHouse.open(tmp_path / "data", allow=site.allowed()) as house:
        site.pages |= {"/d/": html("Start", "hub"), "/d/hub": html("Hub", "leaf"), "/d/leaf": html("Leaf")}
        made = await watch(house, url=site.url + "/d/", depth=2, delete_missing=True)
        assert made["last"]["counts"] == {"added": 3}
        site.pages["/d/hub"] = Page(status=500)
        assert await sync(house, made["id"]) == {"unchanged": 1, "failed": 1}
        assert len(await paths(house)) == 3


async def test_one_sync_at_a_time(house: CrawlHouse, shelf: Path):
    made = await house.do("watch_add", workspace_id=house.workspace_id, folder=str(shelf))
    results = await asyncio.gather(*(house.do("watch_sync", watch_id=made["id"]) for _ in range(20)), return_exceptions=True)
    assert sum(isinstance(result, Conflict) for result in results) >= 19
    await house.synced(made["id"])
    results = await asyncio.gather(*(house.do("watch_sync", watch_id=made["id"]) for _ in range(20)), return_exceptions=True)
    assert sum(not isinstance(result, Exception) for result in results) == 1
    await house.synced(made["id"])
    with pytest.raises(Conflict, match="watched already"):
        await house.do("watch_add", workspace_id=house.workspace_id, folder=str(shelf))


async def test_deleting_a_watch_keeps_its_documents(house: CrawlHouse, shelf: Path):
    made = await watch(house, folder=str(shelf))
    await house.do("watch_delete", watch_id=made["id"])
    assert len(await paths(house)) == 2
    assert (await house.do("watch_list", workspace_id=house.workspace_id))["items"] == []
    with pytest.raises(NotFound):
        await house.do("watch_sync", watch_id=made["id"])


async def test_wishes_that_can_not_be(house: CrawlHouse, shelf: Path):
    for fields in ({}, {"folder": str(shelf), "url": "http://example.org/"}, {"folder": str(shelf), "depth": 1}, {"url": "nonsense"},
                   {"url": "http://example.org/", "interval_s": 1.0}, {"url": "http://example.org/", "interval_s": 1e8}):  # fmt: skip
        with pytest.raises(BadRequest):
            await house.do("watch_add", workspace_id=house.workspace_id, **fields)
