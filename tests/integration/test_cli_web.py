"""`antiphon ingest URL` and `antiphon watch` against a real server and a real site."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from antiphon.testing.server_process import ServerProcess
from antiphon.testing.web_site import Page, SiteThread, WebSite, html


@pytest.fixture(scope="module")
def site() -> Iterator[WebSite]:
    pages = {"/d/": html("Start", "a", "gone"), "/d/a": html("Ay", text="The whimbrel whistles seven times.")}
    with SiteThread(pages) as site:
        yield site


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, site: WebSite) -> Iterator[ServerProcess]:
    folder = tmp_path_factory.mktemp("cli")
    (folder / "roots" / "shelf").mkdir(parents=True)
    (folder / "roots" / "shelf" / "a.txt").write_text("The avocet has a bent bill.")
    server = ServerProcess(
        folder / "data", outgoing_allow=site.allowed(), crawl_delay_s=0.01, crawl_retries=0, watch_roots=str(folder / "roots")
    )
    server.call("POST", "/workspaces", {"name": "W"})
    yield server
    server.terminate()


def run(server: ServerProcess, *arguments: str) -> tuple[int, Any, str]:
    """(exit code, its JSON, what it said besides)."""
    command = [str(Path(sys.executable).parent / "antiphon"), *arguments, "--data-dir", str(server.data_dir), "--json"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    return done.returncode, json.loads(done.stdout) if done.stdout else None, done.stderr


def test_an_address_is_ingested_with_what_it_links_to(server: ServerProcess, site: WebSite):
    code, told, _ = run(server, "ingest", site.url + "/d/", "--depth", "1", "--tag", "web")
    states = {outcome["path"].removeprefix(site.url): (outcome["state"], outcome["change"]) for outcome in told["documents"]}
    assert states == {"/d/": ("ready", "added"), "/d/a": ("ready", "added"), "/d/gone": ("failed", "added")}
    assert (code, told["failed"]) == (4, 1)
    (missing,) = [outcome for outcome in told["documents"] if outcome["state"] == "failed"]
    assert missing["error"]["code"] == "url_not_found"
    code, told, _ = run(server, "ingest", site.url + "/d/a")
    assert (code, told["documents"][0]["change"]) == (0, "unchanged")


def test_what_can_not_be_fetched_is_told(server: ServerProcess, site: WebSite):
    code, told, _ = run(server, "ingest", "http://127.0.0.1:9/", "http://user:pw@example.org/", site.url + "/d/a")
    assert code == 4
    assert [(outcome.get("error") or {}).get("code") for outcome in told["documents"]] == ["url_refused", "bad_request", None]
    site.pages["/d/b"] = html("Bee")
    assert run(server, "ingest", site.url + "/d/b")[0] == 0
    site.pages["/d/b"] = Page(status=500)
    code, told, _ = run(server, "ingest", site.url + "/d/b")
    assert (code, told["documents"][0]["state"], told["documents"][0]["error"]["code"]) == (0, "ready", "url_unreachable")


def test_a_sitemap_that_is_not_there_fails(server: ServerProcess, site: WebSite):
    code, told, _ = run(server, "ingest", site.url + "/d/none.xml", "--sitemap")
    assert (code, told["documents"][0]["error"]["code"]) == (4, "url_not_found")


def test_options_of_addresses_need_one(server: ServerProcess, tmp_path: Path):
    (tmp_path / "a.txt").write_text("a")
    code, _, said = run(server, "ingest", str(tmp_path / "a.txt"), "--depth", "1")
    assert (code, json.loads(said)["error"]["code"]) == (1, "bad_request")


def test_watches_from_the_terminal(server: ServerProcess, site: WebSite):
    shelf = server.data_dir.parent / "roots" / "shelf"
    code, made, _ = run(server, "watch", "add", str(shelf), "--every", "6h", "--delete-missing")
    assert (code, made["kind"], made["interval_s"], made["delete_missing"]) == (0, "folder", 21_600.0, True)
    code, page, _ = run(server, "watch", "add", site.url + "/d/", "--depth", "1", "--every", "30m")
    assert (code, page["url"], page["depth"]) == (0, site.url + "/d/", 1)
    listed = run(server, "watch", "list")[1]["items"]
    assert {watch["id"] for watch in listed} == {made["id"], page["id"]}
    while server.call("GET", f"/watches/{made['id']}")["running"]:
        time.sleep(0.05)
    (shelf / "b.txt").write_text("The bittern booms.")
    code, synced, _ = run(server, "watch", "sync", made["id"])
    assert (code, synced["last"]["counts"]) == (0, {"unchanged": 1, "added": 1})
    assert run(server, "watch", "pause", made["id"])[1]["next_due"] is None
    assert run(server, "watch", "resume", made["id"])[1]["next_due"] is not None
    for watch in (made, page):
        assert run(server, "watch", "remove", watch["id"])[1]["deleted"] is True
    code, _, said = run(server, "watch", "add", "/etc")
    assert (code, json.loads(said)["error"]["code"]) == (3, "forbidden")
    assert run(server, "watch", "add", str(shelf), "--every", "soon")[0] == 1
