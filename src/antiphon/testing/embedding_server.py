"""`EmbeddingServer`: a real HTTP server on loopback that speaks `/v1/embeddings`, `/v1/rerank` and the paths of a model hub.

Vectors are those of `word_vector`. What it received is recorded; `replies` is what it says instead, as often as there are any.
Users: tests of the adapters, of the hub, and of whatever needs an embedder behind a wire.
"""

from __future__ import annotations

import hashlib
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aiohttp import web

from antiphon.core.runtime import Runtime, system_runtime
from antiphon.testing.embedders import word_vector

SHA = "0123456789abcdef0123456789abcdef01234567"


@dataclass(frozen=True, kw_only=True)
class Said:
    """Instead of an answer. `delay_s`: before anything is said."""

    status: int = 200
    body: Any = None
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    delay_s: float = 0.0


@dataclass
class EmbeddingServer:
    """`rerank_field`: what it calls the texts to rank. `files`: folder of the hub's one model, `owner/model`."""

    dimension: int = 64
    rerank_field: str = "documents"
    files: Path | None = None
    replies: list[Said] = field(default_factory=list[Said])
    requests: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    keys: list[str] = field(default_factory=list[str])
    paths: list[str] = field(default_factory=list[str])
    url: str = ""
    runtime: Runtime = field(default_factory=system_runtime)
    damaged: set[str] = field(default_factory=set[str])

    @property
    def texts(self) -> list[str]:
        return [text for request in self.requests for text in request.get("input", [])]

    async def embeddings(self, request: web.Request) -> web.Response:
        body = await self._heard(request)
        said = await self._said()
        if said is not None:
            return said
        rows = [{"index": n, "embedding": word_vector(text, self.dimension)} for n, text in enumerate(body["input"])]
        return web.json_response({"object": "list", "data": rows[::-1], "model": body["model"], "usage": {}})

    async def rerank(self, request: web.Request) -> web.Response:
        body = await self._heard(request)
        said = await self._said()
        if said is not None:
            return said
        if self.rerank_field not in body:
            return web.json_response({"error": f"missing field `{self.rerank_field}`"}, status=422)
        words = set(body["query"].lower().split())
        scores = [len(words & set(text.lower().split())) / max(1, len(words)) for text in body[self.rerank_field]]
        ranked = sorted(enumerate(scores), key=lambda entry: -entry[1])
        if self.rerank_field == "texts":
            return web.json_response([{"index": n, "score": score} for n, score in ranked])
        return web.json_response({"results": [{"index": n, "relevance_score": score} for n, score in ranked]})

    async def listing(self, request: web.Request) -> web.Response:
        self.paths.append(request.path)
        if self.files is None or request.match_info["name"] != "owner/model":
            return web.json_response({"error": "Repository not found"}, status=404)
        names = sorted(path.relative_to(self.files).as_posix() for path in self.files.rglob("*") if path.is_file())
        return web.json_response({"sha": SHA, "siblings": [{"rfilename": name} for name in [*names, "pytorch_model.bin"]]})

    async def resolve(self, request: web.Request) -> web.Response:
        """Large files answer from elsewhere, with their sha256 told before, as hubs do."""
        self.paths.append(request.path)
        name = request.match_info["file"]
        path = None if self.files is None else self.files / name
        if path is None or not path.is_file():
            return web.Response(status=404)
        if name.endswith(".onnx"):
            digest = hashlib.sha256(path.read_bytes()).hexdigest()
            return web.Response(status=302, headers={"Location": f"/cdn/{name}", "X-Linked-ETag": f'"{digest}"'})
        return web.Response(body=path.read_bytes())

    async def cdn(self, request: web.Request) -> web.Response:
        self.paths.append(request.path)
        assert self.files is not None
        name = request.match_info["file"]
        body = (self.files / name).read_bytes()
        return web.Response(body=body[:-1] + b"!" if name in self.damaged else body)

    async def _heard(self, request: web.Request) -> dict[str, Any]:
        body: dict[str, Any] = await request.json()
        self.requests.append(body)
        self.keys.append(request.headers.get("Authorization", ""))
        return body

    async def _said(self) -> web.Response | None:
        if not self.replies:
            return None
        said = self.replies.pop(0)
        if said.delay_s:
            await self.runtime.scheduler.sleep(said.delay_s)
        if said.status == 200 and said.body is None:
            return None
        return web.json_response(said.body, status=said.status, headers=said.headers)


@asynccontextmanager
async def serve_embeddings(server: EmbeddingServer | None = None) -> AsyncGenerator[EmbeddingServer]:
    server = server or EmbeddingServer()
    app = web.Application(client_max_size=2**28)
    app.router.add_post("/v1/embeddings", server.embeddings)
    app.router.add_post("/v1/rerank", server.rerank)
    app.router.add_get("/api/models/{name:[^/]+/[^/]+}/revision/main", server.listing)
    app.router.add_get("/owner/model/resolve/" + SHA + "/{file:.+}", server.resolve)
    app.router.add_get("/cdn/{file:.+}", server.cdn)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port: int = runner.addresses[0][1]
    server.url = f"http://127.0.0.1:{port}"
    try:
        yield server
    finally:
        await runner.cleanup()
