"""REST helpers against a small HTTP server: paging, uploads with progress, errors of the one tree."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp import web

from antiphon.client import RestClient
from antiphon.core.errors import BadRequest, Internal, NotFound, ShuttingDown

PAGES = {None: {"items": [{"id": "ws_1", "slug": "home", "name": "Home"}], "next_cursor": "2"}, "2": {"items": [{"id": "ws_2", "slug": "lab", "name": "实验室"}], "next_cursor": None}}  # fmt: skip


class Server:
    def __init__(self) -> None:
        self.uploads: list[tuple[str, int]] = []
        self.authorisation: str | None = None

    async def workspaces(self, request: web.Request) -> web.Response:
        self.authorisation = request.headers.get("Authorization")
        return web.json_response(PAGES[request.query.get("cursor")])

    async def upload(self, request: web.Request) -> web.Response:
        head, _, rest = (await request.read()).partition(b"\r\n\r\n")
        name = re.search(r'filename="(.*)"', head.decode())
        self.uploads.append((name[1], len(rest.rpartition(b"\r\n--")[0])))
        return web.json_response({"documents": [{"id": "doc_1", "name": self.uploads[-1][0], "state": "queued"}]}, status=202)

    async def missing(self, _: web.Request) -> web.Response:
        error = {"code": "not_found", "message": "No document 'doc_9'.", "retryable": False, "request_id": "req_1"}
        return web.json_response({"error": error}, status=404)

    async def html(self, _: web.Request) -> web.Response:
        return web.Response(text="<html>", status=502)


@pytest.fixture
async def server() -> AsyncIterator[tuple[Server, str]]:
    fake = Server()
    app = web.Application(client_max_size=10_000_000)
    app.router.add_get("/api/v1/workspaces", fake.workspaces)
    app.router.add_post("/api/v1/workspaces/{id}/documents", fake.upload)
    app.router.add_get("/api/v1/documents/{id}", fake.missing)
    app.router.add_get("/api/v1/me", fake.html)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield fake, f"http://127.0.0.1:{runner.addresses[0][1]}"
    await runner.cleanup()


async def test_lists_are_read_to_the_end_with_the_key(server):
    fake, url = server
    async with RestClient(url, key="secret") as rest:
        assert [w["id"] for w in await rest.workspaces()] == ["ws_1", "ws_2"]
        assert (await rest.workspace("实验室"))["id"] == "ws_2"
        assert (await rest.workspace(None))["id"] == "ws_1"
        with pytest.raises(BadRequest, match="'home', 'lab'"):
            await rest.workspace("nowhere")
    assert fake.authorisation == "Bearer secret"


async def test_uploads_are_streamed_and_counted(server, tmp_path: Path):
    fake, url = server
    path = tmp_path / "员工 handbook.txt"
    path.write_bytes(b"x" * 600_000)
    seen: list[tuple[int, int]] = []
    async with RestClient(url) as rest:
        document = await rest.upload("ws_1", path, progress=lambda sent, total: seen.append((sent, total)))
    assert document["id"] == "doc_1"
    assert fake.uploads == [(path.name, 600_000)]
    assert seen == [(262_144, 600_000), (524_288, 600_000), (600_000, 600_000)]


async def test_errors_come_from_the_tree(server):
    _, url = server
    async with RestClient(url) as rest:
        with pytest.raises(NotFound, match="doc_9"):
            await rest.document("doc_9")
        with pytest.raises(Internal, match="HTTP 502"):
            await rest.me()


async def test_a_server_that_is_away_or_an_address_that_is_none():
    async with RestClient("http://127.0.0.1:9") as rest:
        with pytest.raises(ShuttingDown, match="Is it running"):
            await rest.health()
    async with RestClient("nonsense") as rest:
        with pytest.raises(BadRequest, match="no address"):
            await rest.health()
