"""`RestClient`: the REST calls that a program (and our command line) needs. Tests: tests/unit/client/test_rest.py."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self
from urllib.parse import quote

import aiohttp
import anyio
import msgspec

from antiphon.client.events import error_from_wire
from antiphon.core.errors import BadRequest, Internal, ShuttingDown, Timeout

UPLOAD_CHUNK_BYTES: Final = 256 * 1024
PAGE_ITEMS: Final = 100
Progress = Callable[[int, int], None]
"""(bytes sent, bytes in all)."""
Json = dict[str, Any]


class RestClient:
    """One HTTP session. Every call raises the server's error from the one error tree, ShuttingDown when it is away."""

    def __init__(self, url: str, *, key: str | None = None, timeout_s: float = 60.0) -> None:
        self._url = url.rstrip("/")
        self._headers = {"Authorization": f"Bearer {key}"} if key else {}
        self._timeout_s = timeout_s
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        timeout = aiohttp.ClientTimeout(total=self._timeout_s, sock_connect=10.0)
        self._session = aiohttp.ClientSession(headers=self._headers, timeout=timeout)
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._session is not None:
            await self._session.close()

    async def request(
        self, method: str, path: str, *, body: Json | aiohttp.FormData | None = None, query: Json | None = None,
        timeout_s: float | None = None,
    ) -> Json:  # fmt: skip
        """The JSON of the answer; {} for an empty one. `path` begins with `/`."""
        if self._session is None:
            raise RuntimeError("Use `async with RestClient(...) as rest`.")
        given = {name: str(value) for name, value in (query or {}).items() if value is not None}
        data = body if isinstance(body, aiohttp.FormData) else msgspec.json.encode(body) if body is not None else None
        headers = {"Content-Type": "application/json"} if isinstance(data, bytes) else {}
        timeout = aiohttp.ClientTimeout(total=timeout_s or self._timeout_s, sock_connect=10.0)
        try:
            async with self._session.request(
                method, self._url + path, data=data, params=given, headers=headers, timeout=timeout
            ) as answer:
                return _decoded(answer.status, await answer.read(), f"{method} {path}")
        except TimeoutError:
            raise Timeout(f"The server did not answer {method} {path} in time.") from None
        except aiohttp.InvalidURL as error:
            raise BadRequest(f"{self._url!r} is no address of a server: {error}.") from None
        except aiohttp.ClientError as error:
            raise ShuttingDown(f"The server at {self._url} cannot be reached: {error}. Is it running?") from None

    async def items(
        self, path: str, *, key: str = "items", query: Json | None = None, cursor_name: str = "cursor"
    ) -> AsyncIterator[Json]:
        """Every item of a list, page after page. Messages are paged by `before`."""
        cursor: str | None = None
        while True:
            page = await self.request("GET", path, query={**(query or {}), "limit": PAGE_ITEMS, cursor_name: cursor})
            for item in page.get(key, []):
                yield item
            cursor = page.get("next_cursor")
            if cursor is None:
                return

    async def health(self) -> Json:
        return await self.request("GET", "/healthz")

    async def me(self) -> Json:
        return await self.request("GET", "/api/v1/me")

    async def workspaces(self) -> list[Json]:
        return [item async for item in self.items("/api/v1/workspaces")]

    async def workspace(self, name: str | None) -> Json:
        """The workspace with this id, slug or name; None: the first of the caller's. Raises BadRequest when none fits."""
        known = await self.workspaces()
        for field in ("id", "slug", "name"):
            for workspace in known:
                if name is None or workspace.get(field) == name:
                    return workspace
        names = ", ".join(repr(str(workspace.get("slug"))) for workspace in known) or "none"
        raise BadRequest(f"There is no workspace {name!r} for you. There are: {names}.")

    async def documents(self, workspace_id: str, *, state: str | None = None) -> list[Json]:
        path = f"/api/v1/workspaces/{quote(workspace_id, safe='')}/documents"
        return [item async for item in self.items(path, key="documents", query={"state": state})]

    async def document(self, document_id: str) -> Json:
        return await self.request("GET", f"/api/v1/documents/{quote(document_id, safe='')}")

    async def delete_document(self, document_id: str) -> Json:
        return await self.request("DELETE", f"/api/v1/documents/{quote(document_id, safe='')}")

    async def upload(self, workspace_id: str, path: Path, *, progress: Progress | None = None) -> Json:
        """Sends one file, streamed from disk; the server's row of the document (it is parsed afterwards)."""
        return (await self.upload_all(workspace_id, [path], progress=progress))[0]

    async def upload_all(
        self,
        workspace_id: str,
        files: Sequence[Path],
        *,
        paths: Sequence[str] = (),
        tags: Sequence[str] = (),
        progress: Progress | None = None,
    ) -> list[Json]:
        """Sends files in one request, all of them or none; a row of each, in their order. `paths`: one for each file, by which
        it is known when it comes again."""
        form = aiohttp.FormData(quote_fields=False)
        for place, path in enumerate(files):
            if paths:
                form.add_field("path", paths[place])
            form.add_field("file", _chunks(path, progress), filename=path.name, content_type="application/octet-stream")
        for tag in tags:
            form.add_field("tags", tag)
        address = f"/api/v1/workspaces/{quote(workspace_id, safe='')}/documents"
        answer = await self.request("POST", address, body=form, timeout_s=3600.0)
        documents: list[Json] = answer.get("documents", [])
        if len(documents) != len(files):
            raise Internal(f"The server was sent {len(files)} files and named {len(documents)} documents.")
        return documents

    async def change_document(self, document_id: str, **fields: Any) -> Json:
        """`name`, `path`, `tags`."""
        return await self.request("PATCH", f"/api/v1/documents/{quote(document_id, safe='')}", body=fields)

    async def documents_among(self, workspace_id: str, ids: Sequence[str]) -> list[Json]:
        """Those of the documents (100 at most) that are there."""
        path = f"/api/v1/workspaces/{quote(workspace_id, safe='')}/documents"
        answer = await self.request("GET", path, query={"ids": ",".join(ids), "limit": PAGE_ITEMS})
        found: list[Json] = answer.get("documents", [])
        return found

    async def add_url(self, workspace_id: str, url: str, **fields: Any) -> Json:
        """Has the server fetch an address. `depth`, `sitemap`, `tags`. Gives `documents` and `crawl`."""
        path = f"/api/v1/workspaces/{quote(workspace_id, safe='')}/urls"
        return await self.request("POST", path, body={"url": url, **fields})

    async def crawl(self, crawl_id: str) -> Json:
        return await self.request("GET", f"/api/v1/crawls/{quote(crawl_id, safe='')}")

    async def watches(self, workspace_id: str) -> list[Json]:
        path = f"/api/v1/workspaces/{quote(workspace_id, safe='')}/watches"
        return [item async for item in self.items(path)]

    async def add_watch(self, workspace_id: str, **fields: Any) -> Json:
        """`folder` or `url`, and what the watch should be like."""
        return await self.request("POST", f"/api/v1/workspaces/{quote(workspace_id, safe='')}/watches", body=fields)

    async def watch(self, watch_id: str) -> Json:
        return await self.request("GET", f"/api/v1/watches/{quote(watch_id, safe='')}")

    async def change_watch(self, watch_id: str, **fields: Any) -> Json:
        return await self.request("PATCH", f"/api/v1/watches/{quote(watch_id, safe='')}", body=fields)

    async def sync_watch(self, watch_id: str) -> Json:
        return await self.request("POST", f"/api/v1/watches/{quote(watch_id, safe='')}/sync", body={})

    async def delete_watch(self, watch_id: str) -> Json:
        return await self.request("DELETE", f"/api/v1/watches/{quote(watch_id, safe='')}")

    async def search(self, workspace_id: str, query: str, *, k: int = 6) -> Json:
        return await self.request(
            "POST", f"/api/v1/workspaces/{quote(workspace_id, safe='')}/search", body={"query": query, "k": k}
        )

    async def run(self, run_id: str) -> Json:
        """The record of a run."""
        return await self.request("GET", f"/api/v1/runs/{quote(run_id, safe='')}")

    async def replay(self, run_id: str, *, wait_s: float = 50.0) -> Json:
        """Runs it again; see `run_replay` for what is told. After `wait_s` the replay may still be running."""
        path = f"/api/v1/runs/{quote(run_id, safe='')}/replay"
        return await self.request("POST", path, body={"wait_s": wait_s}, timeout_s=wait_s + 10)

    async def create_key(self, name: str, *, workspace_id: str | None = None, role: str | None = None) -> Json:
        body = {"name": name, "workspace_id": workspace_id, "role": role}
        return await self.request("POST", "/api/v1/keys", body={key: value for key, value in body.items() if value is not None})

    async def keys(self) -> list[Json]:
        return [item async for item in self.items("/api/v1/keys")]

    async def revoke_key(self, key_id: str) -> Json:
        return await self.request("DELETE", f"/api/v1/keys/{quote(key_id, safe='')}")


def _decoded(status: int, content: bytes, what: str) -> Json:
    try:
        value: Json | None = msgspec.json.decode(content, type=Json) if content else {}
    except msgspec.DecodeError:
        value = None
    if status < 400 and value is not None:
        return value
    if value is not None and "error" in value:
        raise error_from_wire(value["error"])
    raise Internal(f"The server answered {what} with HTTP {status} and no JSON. Is this an Antiphon server?")


async def _chunks(path: Path, progress: Progress | None) -> AsyncIterator[bytes]:
    async with await anyio.open_file(path, "rb") as file:
        total = (await anyio.Path(path).stat()).st_size
        sent = 0
        while chunk := await file.read(UPLOAD_CHUNK_BYTES):
            yield chunk
            sent += len(chunk)
            if progress is not None:
                progress(sent, total)
