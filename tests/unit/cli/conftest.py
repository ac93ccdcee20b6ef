"""A small REST server in the shape of docs/commands, and no settings from outside."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import web


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch, tmp_path) -> None:
    for name in list(os.environ):
        if name.startswith("ANTIPHON_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("ANTIPHON_DATA_DIR", str(tmp_path / "data"))


class FakeRest:
    """Documents become ready at the second look; names with `bad` fail, names with `exe` are refused."""

    def __init__(self) -> None:
        self.url = ""
        self.documents: dict[str, dict[str, Any]] = {}
        self.deleted: list[str] = []
        self.keys_made: list[dict[str, Any]] = []
        self.looks = 0

    async def workspaces(self, _: web.Request) -> web.Response:
        return web.json_response({"items": [{"id": "ws_1", "slug": "home", "name": "Home"}], "next_cursor": None})

    async def upload(self, request: web.Request) -> web.Response:
        head = (await request.read()).partition(b"\r\n\r\n")[0].decode()
        name = head.partition('filename="')[2].partition('"')[0]
        if "exe" in name:
            error = {"code": "unsupported", "message": f"{name!r} is no document.", "retryable": False, "request_id": "req_1"}
            return web.json_response({"error": error}, status=415)
        document = {"id": f"doc_{len(self.documents) + 1}", "name": name, "state": "queued"}
        self.documents[document["id"]] = document
        return web.json_response({"documents": [document]}, status=202)

    async def document(self, request: web.Request) -> web.Response:
        document = self.documents[request.match_info["id"]]
        self.looks += 1
        bad = "bad" in document["name"]
        document["state"] = {"queued": "parsing", "parsing": "failed" if bad else "ready"}.get(
            document["state"], document["state"]
        )
        if document["state"] == "failed":
            document["error"] = {"code": "unsupported", "message": "It is damaged."}
        return web.json_response(document)

    async def list_documents(self, _: web.Request) -> web.Response:
        return web.json_response({"documents": list(self.documents.values()), "next_cursor": None})

    async def delete(self, request: web.Request) -> web.Response:
        self.deleted.append(request.match_info["id"])
        return web.json_response({})

    async def search(self, request: web.Request) -> web.Response:
        query = (await request.json())["query"]
        passage = {"title": "Handbook\x1b[31m", "page": 3, "score": 1.5, "text": f"about {query}\nand more"}
        return web.json_response({"passages": [passage] if query != "nothing" else [], "took_ms": 1, "mode": "lexical"})

    async def create_key(self, request: web.Request) -> web.Response:
        self.keys_made.append(await request.json())
        return web.json_response({"id": "key_1", "key": "k" * 40}, status=201)

    async def keys(self, _: web.Request) -> web.Response:
        return web.json_response({"items": [{"id": "key_1", "name": "robot"}], "next_cursor": None})

    async def revoke(self, request: web.Request) -> web.Response:
        self.deleted.append(request.match_info["id"])
        return web.json_response({})


@pytest.fixture
async def rest_server() -> AsyncIterator[FakeRest]:
    fake = FakeRest()
    app = web.Application(client_max_size=10_000_000)
    app.router.add_get("/api/v1/workspaces", fake.workspaces)
    app.router.add_post("/api/v1/workspaces/{id}/documents", fake.upload)
    app.router.add_get("/api/v1/workspaces/{id}/documents", fake.list_documents)
    app.router.add_post("/api/v1/workspaces/{id}/search", fake.search)
    app.router.add_get("/api/v1/documents/{id}", fake.document)
    app.router.add_delete("/api/v1/documents/{id}", fake.delete)
    app.router.add_post("/api/v1/keys", fake.create_key)
    app.router.add_get("/api/v1/keys", fake.keys)
    app.router.add_delete("/api/v1/keys/{id}", fake.revoke)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    fake.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield fake
    await runner.cleanup()
