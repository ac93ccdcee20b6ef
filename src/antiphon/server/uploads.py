"""The form `upload`: files stream into the blob store while they arrive, then the verb makes documents of them.

The right to write is looked at before the first byte of the body is read. What was stored of a request that does not succeed
(broken off, too large, refused) is released again. Tests: tests/integration/http/test_http_uploads.py.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, Final

from anyio import CancelScope
from starlette.responses import Response

from antiphon.core.errors import BadRequest, NotFound
from antiphon.server.bodies import text_fields
from antiphon.server.file_names import clean_name
from antiphon.server.multipart import MultipartReader
from antiphon.server.rest import Exchange

FILE_PART: Final = "file"
PATH_FIELD: Final = "path"
_LONGEST_TYPE: Final = 200
Uploading = Callable[[], AbstractAsyncContextManager[None]]


@asynccontextmanager
async def unguarded() -> AsyncGenerator[None]:
    """For houses in which nothing ever removes a blob."""
    yield


class UploadForm:
    """`uploading` is held from before the first blob is stored until the rows that refer to them are committed, so that no
    removal takes a blob in between (ingest/blob_gate.py). A broken-off upload releases its blobs after it let go."""

    def __init__(self, uploading: Uploading) -> None:
        self._uploading = uploading

    async def answer(self, exchange: Exchange) -> Response:
        return await _answer(exchange, self._uploading)


async def _answer(exchange: Exchange, uploading: Uploading) -> Response:
    payload = exchange.house.commands[exchange.verb].payload
    fields = text_fields([(name, str(value)) for name, value in exchange.request.path_params.items()], payload)
    await _demand_write(exchange, fields)
    stored: list[str] = []
    try:
        async with uploading():
            files, further = await _store_parts(exchange, stored)
            paths = [text for name, text in further if name == PATH_FIELD]
            if len(paths) > 1:
                further = [(name, text) for name, text in further if name != PATH_FIELD]
                _give_paths(files, paths)
            fields |= text_fields(further, payload)
            return exchange.answer(await exchange.execute({**fields, "files": files}))
    except BaseException:
        # Also when the client went away and the task is cancelled: the release must not be.
        with CancelScope(shield=True):
            await exchange.house.release_blobs(stored)
        raise


async def _demand_write(exchange: Exchange, fields: dict[str, Any]) -> None:
    workspace_id = str(fields.get("workspace_id", ""))
    if not workspace_id:
        document = await exchange.house.commands.execute(
            "document_get", fields, identity=exchange.caller.identity, request_id=exchange.request_id
        )  # fmt: skip
        workspace_id = str(document["workspace_id"])
    reach = await exchange.house.commands.reach(exchange.verb, exchange.caller.identity)
    if reach is None or not reach.sees(workspace_id):
        raise NotFound(f"There is no workspace {workspace_id[:80]!r}.")
    reach.demand(workspace_id)


def _give_paths(files: list[dict[str, Any]], paths: list[str]) -> None:
    """One path a file, in the same order. (A single one is that of all of them.)"""
    if len(paths) != len(files):
        raise BadRequest(f"There are {len(files)} files and {len(paths)} paths: send one path for each file, or one for all.")
    for file, path in zip(files, paths, strict=True):
        file[PATH_FIELD] = path


async def _store_parts(exchange: Exchange, stored: list[str]) -> tuple[list[dict[str, Any]], list[tuple[str, str]]]:
    """The files as the payload wants them, and the plain fields. Appends to `stored` as soon as a blob is there."""
    house, files, further = exchange.house, list[dict[str, Any]](), list[tuple[str, str]]()
    reader = MultipartReader(exchange.request.headers.get("content-type", ""), exchange.request.stream())
    async for part in reader.parts():
        if part.filename is None:
            further.append((part.name, await part.text()))
            continue
        if not part.filename:
            continue  # a browser's file field that was left empty
        if part.name != FILE_PART:
            raise BadRequest(f"A file came in the part {part.name[:80]!r}; the part's name must be {FILE_PART!r}.")
        blob = await house.blobs.put(part.content(), max_bytes=house.settings.limits.upload_bytes)
        stored.append(blob.sha256)
        files.append({
            "name": clean_name(part.filename), "sha256": blob.sha256, "bytes": blob.size_bytes, "media_type": part.media_type[:_LONGEST_TYPE],
        })  # fmt: skip
    if not files:
        raise BadRequest(f"There is no file in the request: send each in a part named {FILE_PART!r}.")
    return files, further
