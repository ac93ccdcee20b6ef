"""A small REST server in the shape of docs/commands, and no settings from outside."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from hashlib import sha256
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
        self.uploads: list[list[str]] = []

    async def workspaces(self, _: web.Request) -> web.Response:
        return web.json_response({"items": [{"id": "ws_1", "slug": "home", "name": "Home"}], "next_cursor": None})

    async def upload(self, request: web.Request) -> web.Response:
        names, paths, tags, contents = list[str](), list[str](), list[str](), list[bytes]()
        async for part in await request.multipart():
            content = bytes(await part.read())
            if part.filename:
                names.append(part.filename)
                contents.append(content)
            else:
                (paths if part.name == "path" else tags).append(content.decode())
        self.uploads.append(names)
        for name in names:
            if "exe" in name:
                error = {"code": "unsupported", "message": f"{name!r} is no document.", "retryable": False, "request_id": "req_1"}
                return web.json_response({"error": error}, status=415)
        made: list[dict[str, Any]] = []
        for place, name in enumerate(names):
            path = paths[place] if paths else ""
            present = next((d for d in self.documents.values() if path and d["path"] == path), None)
            document = present or {"id": f"doc_{len(self.documents) + 1}", "name": name, "path": path}
            document |= {"state": "queued", "sha256": sha256(contents[place]).hexdigest(), "tags": tags}
            self.documents[document["id"]] = document
            made.append({**document, "change": "replaced" if present else "added"})
        return web.json_response({"documents": made}, status=202)

    async def change(self, request: web.Request) -> web.Response:
        document = self.documents[request.match_info["id"]]
        document |= await request.json()
        return web.json_response(document)

    def _look(self, document: dict[str, Any]) -> None:
        self.looks += 1
        bad = "bad" in document["name"]
        document["state"] = {"queued": "parsing", "parsing": "failed" if bad else "ready"}.get(
            document["state"], document["state"]
        )
        if document["state"] == "failed":
            document["error"] = {"code": "unsupported", "message": "It is damaged."}

    async def list_documents(self, request: web.Request) -> web.Response:
        ids = request.query.get("ids")
        found = [document for document in self.documents.values() if ids is None or document["id"] in ids.split(",")]
        if ids is not None:
            for document in found:
                self._look(document)
        return web.json_response({"documents": found, "next_cursor": None})

    async def delete(self, request: web.Request) -> web.Response:
        self.deleted.append(request.match_info["id"])
        self.documents.pop(request.match_info["id"], None)
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
    app.router.add_patch("/api/v1/documents/{id}", fake.change)
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
