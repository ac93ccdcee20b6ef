"""kill -9 in the middle of a crawl and of a folder's sync: the next start goes on, nothing is doubled, nothing is lost or left over."""

from __future__ import annotations

import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from antiphon.storage.inspection import inspect_storage
from antiphon.testing.server_process import ServerProcess
from antiphon.testing.web_site import SiteThread, html

PAGES = {
    "/d/": html("Start", *(f"p{n}" for n in range(6))),
    **{f"/d/p{n}": html(f"Page {n}", f"q{n}", text=f"This page is about the wader number {n}.") for n in range(6)},
    **{f"/d/q{n}": html(f"Leaf {n}", text=f"A leaf that speaks of the gull number {n}.") for n in range(6)},
}
WAIT_S = 40.0


def until(check: Any) -> Any:
    deadline = time.monotonic() + WAIT_S
    while time.monotonic() < deadline:
        found = check()
        if found:
            return found
        time.sleep(0.05)
    raise AssertionError("It did not happen in time.")


def workspace(server: ServerProcess) -> str:
    return str(server.call("POST", "/workspaces", {"name": "W"})["id"])


def documents(server: ServerProcess, workspace_id: str) -> list[dict[str, Any]]:
    return server.call("GET", f"/workspaces/{workspace_id}/documents?limit=200")["documents"]


def all_ready(server: ServerProcess, workspace_id: str, count: int) -> list[dict[str, Any]] | None:
    found = documents(server, workspace_id)
    return found if len(found) == count and all(row["state"] == "ready" for row in found) else None


def killed(server: ServerProcess) -> None:
    assert server.wait_ended(WAIT_S) == -9


@pytest.mark.parametrize(
    "failpoint", ["crawl.after_fetch:1", "crawl.after_fetch:5", "crawl.after_page:1", "crawl.after_page:6", "crawl.before_end"]
)
def test_a_crawl_goes_on_where_it_was_killed(tmp_path: Path, failpoint: str):
    with SiteThread(PAGES) as site:
        settings = {"outgoing_allow": site.allowed(), "crawl_delay_s": 0.01}
        server = ServerProcess(tmp_path / "data", failpoint=failpoint, **settings)
        space = workspace(server)
        crawl_id = server.call("POST", f"/workspaces/{space}/urls", {"url": site.url + "/d/", "depth": 2})["crawl"]["id"]
        killed(server)
        asked_before = Counter(site.targets)
        server = ServerProcess(tmp_path / "data", **settings)
        try:
            until(lambda: all_ready(server, space, 13))
            crawl = until(lambda: (found := server.call("GET", f"/crawls/{crawl_id}"))["state"] != "running" and found)
            assert (crawl["state"], crawl["counts"], crawl["found"]) == ("done", {"added": 13}, 13)
            paths = [row["path"] for row in documents(server, space)]
            assert len(set(paths)) == len(paths) == 13
            found = server.call("POST", f"/workspaces/{space}/search", {"query": "gull number 3", "k": 3})["passages"]
            assert found[0]["text"].count("gull number 3") == 1
        finally:
            server.terminate()
        again = Counter(site.targets) - asked_before
        repeated = [target for target in asked_before if target != "/robots.txt" and again[target]]
        assert len(repeated) <= 2, "pages that were committed are fetched again"
    assert inspect_storage(tmp_path / "data").problems == []


@pytest.mark.parametrize("failpoint", ["sync.after_files:1", "sync.after_files:2", "sync.before_end"])
def test_a_folder_sync_goes_on_where_it_was_killed(tmp_path: Path, failpoint: str):
    folder = tmp_path / "roots" / "shelf"
    folder.mkdir(parents=True)
    for n in range(40):
        (folder / f"{n:02}.txt").write_text(f"This file is about the wader number {n}.")
    settings = {"watch_roots": str(tmp_path / "roots")}
    server = ServerProcess(tmp_path / "data", failpoint=failpoint, **settings)
    space = workspace(server)
    watch_id = server.call("POST", f"/workspaces/{space}/watches", {"folder": str(folder), "delete_missing": True})["id"]
    killed(server)
    server = ServerProcess(tmp_path / "data", **settings)
    try:
        watch = until(lambda: (found := server.call("GET", f"/watches/{watch_id}"))["running"] or found)
        watch = until(lambda: not (found := server.call("GET", f"/watches/{watch_id}"))["running"] and found)
        assert watch["last"]["state"] == "ok"
        assert sum(watch["last"]["counts"].values()) >= 40
        until(lambda: all_ready(server, space, 40))
        (folder / "00.txt").unlink()
        server.call("POST", f"/watches/{watch_id}/sync", {})
        until(lambda: all_ready(server, space, 39))
    finally:
        server.terminate()


def test_a_watch_is_due_again_after_a_restart(tmp_path: Path):
    folder = tmp_path / "roots" / "shelf"
    folder.mkdir(parents=True)
    (folder / "a.txt").write_text("one")
    settings = {"watch_roots": str(tmp_path / "roots"), "watch_least_interval_s": 1}
    server = ServerProcess(tmp_path / "data", **settings)
    space = workspace(server)
    watch_id = server.call("POST", f"/workspaces/{space}/watches", {"folder": str(folder), "interval_s": 1})["id"]
    first = until(lambda: not (found := server.call("GET", f"/watches/{watch_id}"))["running"] and found)
    server.kill()
    (folder / "b.txt").write_text("two")
    server = ServerProcess(tmp_path / "data", **settings)
    try:
        until(lambda: all_ready(server, space, 2))
        later = server.call("GET", f"/watches/{watch_id}")
        assert later["next_due"] > first["next_due"]
    finally:
        server.terminate()
