"""Handlers of documents, their pages and files. Tests: tests/unit/commands/."""

from __future__ import annotations

from typing import Any

from msgspec import UNSET

from antiphon.commands.paging import page_of, place_of
from antiphon.commands.payloads.documents import (
    DocumentAdd,
    DocumentChange,
    DocumentList,
    DocumentOne,
    DocumentPage,
    DocumentPageImage,
    DocumentRects,
    DocumentReplace,
    DocumentRetry,
    UploadedFile,
)
from antiphon.commands.services import Services
from antiphon.commands.table import Call, Command, Result, Right
from antiphon.library.arrivals import Added, Upload
from antiphon.library.documents import document_json
from antiphon.library.pages import page_json
from antiphon.storage.records.rows import DocumentRow


async def document_add(call: Call[Services], payload: DocumentAdd) -> Result:
    uploads = [_upload(file, payload.path) for file in payload.files]
    added = await call.services.documents.add(call.caller, call.reach, payload.workspace_id, uploads, tags=payload.tags)
    return {"documents": [_added_json(entry) for entry in added]}


async def document_replace(call: Call[Services], payload: DocumentReplace) -> Result:
    upload = _upload(payload.files[0], None)
    return _added_json(await call.services.documents.replace(call.caller, call.reach, payload.document_id, upload))


async def document_change(call: Call[Services], payload: DocumentChange) -> Result:
    row = await call.services.documents.change(
        call.reach, payload.document_id, name=payload.name if payload.name is not UNSET else None,
        path=payload.path if payload.path is not UNSET else None, tags=payload.tags if payload.tags is not UNSET else None,
    )  # fmt: skip
    return await _shown(call, row)


async def document_list(call: Call[Services], payload: DocumentList) -> Result:
    rows = await call.services.documents.list(
        call.reach, payload.workspace_id, state=payload.state, q=payload.q, path=payload.path, ids=payload.ids,
        after=place_of(payload.cursor, "documents"), limit=payload.limit + 1,
    )  # fmt: skip
    urls = await call.services.crawls.urls_of(call.reach, [row.id for row in rows])
    return page_of(
        rows, "documents", limit=payload.limit, place=lambda row: (row.created_at, row.id),
        shape=lambda row: with_url(document_json(row), urls.get(row.id)), key="documents",
    )  # fmt: skip


async def document_get(call: Call[Services], payload: DocumentOne) -> Result:
    return await _shown(call, await call.services.documents.get(call.reach, payload.document_id))


async def document_delete(call: Call[Services], payload: DocumentOne) -> Result:
    await call.services.documents.delete(call.caller, call.reach, payload.document_id)
    return {"id": payload.document_id, "deleted": True}


async def document_retry(call: Call[Services], payload: DocumentRetry) -> Result:
    row = await call.services.documents.retry(call.caller, call.reach, payload.document_id, password=payload.password)
    return await _shown(call, row)


async def document_cancel(call: Call[Services], payload: DocumentOne) -> Result:
    return await _shown(call, await call.services.documents.cancel(call.reach, payload.document_id))


async def document_page_text(call: Call[Services], payload: DocumentPage) -> Result:
    return page_json(*await call.services.pages.text(call.reach, payload.document_id, payload.page, version=payload.version))


async def document_outline(call: Call[Services], payload: DocumentOne) -> Result:
    return await call.services.pages.outline(call.reach, payload.document_id)


async def document_rects(call: Call[Services], payload: DocumentRects) -> Result:
    found = await call.services.pages.rectangles(
        call.reach, payload.document_id, payload.page, payload.start, payload.end, version=payload.version
    )  # fmt: skip
    return {"page": found.page, "width": found.width, "height": found.height, "rects": found.rects}


async def document_page_image(call: Call[Services], payload: DocumentPageImage) -> Result:
    """`png` holds bytes: the HTTP edge sends them as they are."""
    pages = call.services.pages
    return {"png": await pages.image(call.reach, payload.document_id, payload.page, payload.width, version=payload.version)}


async def document_original(call: Call[Services], payload: DocumentOne) -> Result:
    """Where the file lies; the HTTP edge streams it out of the blob store."""
    found = await call.services.pages.original(call.reach, payload.document_id)
    return {"name": found.name, "media_type": found.media_type, "sha256": found.sha256, "bytes": found.size_bytes}


async def _shown(call: Call[Services], row: DocumentRow) -> Result:
    return with_url(document_json(row), (await call.services.crawls.urls_of(call.reach, [row.id])).get(row.id))


def with_url(shown: dict[str, Any], url: str | None) -> dict[str, Any]:
    """`url`: of a document that came from the web."""
    return shown if url is None else {**shown, "url": url}


def _added_json(entry: Added) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "id": entry.row.id, "name": entry.row.name, "state": entry.row.state, "change": entry.change, "version": entry.version,
    }  # fmt: skip
    return shown if entry.duplicate_of is None else {**shown, "duplicate_of": entry.duplicate_of}


def _upload(file: UploadedFile, path: str | None) -> Upload:
    return Upload(name=file.name, sha256=file.sha256, size_bytes=file.bytes, path=file.path or path or "")


COMMANDS: list[Command[Any, Services]] = [
    Command(
        verb="document_add", payload=DocumentAdd, right=Right.EDITOR, handler=document_add,
        summary="Adds uploaded files as documents.",
    ),
    Command(
        verb="document_replace", payload=DocumentReplace, right=Right.EDITOR, handler=document_replace,
        summary="Gives a document new content, as its next version; the old one serves until that is indexed.",
    ),
    Command(
        verb="document_change", payload=DocumentChange, right=Right.EDITOR, handler=document_change,
        summary="Changes a document's name, path or tags.",
    ),
    Command(
        verb="document_outline", payload=DocumentOne, right=Right.VIEWER, handler=document_outline,
        summary="Reads a document's headings, sections and where its pages begin.",
    ),
    Command(
        verb="document_list", payload=DocumentList, right=Right.VIEWER, handler=document_list,
        summary="Lists a workspace's documents, newest first.",
    ),
    Command(verb="document_get", payload=DocumentOne, right=Right.VIEWER, handler=document_get, summary="Reads a document's state."),
    Command(
        verb="document_delete", payload=DocumentOne, right=Right.EDITOR, handler=document_delete,
        summary="Deletes a document; it is gone at once.",
    ),
    Command(
        verb="document_retry", payload=DocumentRetry, right=Right.EDITOR, handler=document_retry,
        summary="Tries a failed document again.",
    ),
    Command(
        verb="document_cancel", payload=DocumentOne, right=Right.EDITOR, handler=document_cancel,
        summary="Ends the work on a document.",
    ),
    Command(
        verb="document_page_text", payload=DocumentPage, right=Right.VIEWER, handler=document_page_text,
        summary="Reads the stored text of a page.",
    ),
    Command(
        verb="document_rects", payload=DocumentRects, right=Right.VIEWER, handler=document_rects,
        summary="Finds where a range of a page's text stands.",
    ),
    Command(
        verb="document_page_image", payload=DocumentPageImage, right=Right.VIEWER, handler=document_page_image,
        summary="Draws a page.",
    ),
    Command(
        verb="document_original", payload=DocumentOne, right=Right.VIEWER, handler=document_original,
        summary="Finds the original file of a document.",
    ),
]  # fmt: skip
