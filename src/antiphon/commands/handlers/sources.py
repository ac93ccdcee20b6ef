"""Handlers of addresses of the web, crawls and watches. Tests: tests/unit/commands/."""

from __future__ import annotations

from typing import Any

from msgspec import UNSET

from antiphon.commands.paging import page_of, place_of
from antiphon.commands.payloads.sources import CrawlOne, UrlAdd, WatchAdd, WatchChange, WatchList, WatchOne
from antiphon.commands.services import Services
from antiphon.commands.table import Call, Command, Result, Right
from antiphon.library.documents import document_json
from antiphon.library.watching.watches import watch_json
from antiphon.library.web.crawls import crawl_json, crawl_page_json

_CHANGEABLE = ("interval_s", "delete_missing", "tags", "paused")


async def url_add(call: Call[Services], payload: UrlAdd) -> Result:
    crawl, document = await call.services.crawls.add(
        call.caller, call.reach, payload.workspace_id, payload.url, depth=payload.depth, sitemap=payload.sitemap, tags=payload.tags
    )  # fmt: skip
    documents = [] if document is None else [{**document_json(document), "url": crawl.url}]
    return {"documents": documents, "crawl": crawl_json(crawl)}


async def crawl_get(call: Call[Services], payload: CrawlOne) -> Result:
    """`pages`: those that were looked at so far, and what became of them."""
    crawl = await call.services.crawls.get(call.reach, payload.crawl_id)
    pages = await call.services.crawls.pages(call.reach, payload.crawl_id)
    return {**crawl_json(crawl), "pages": [crawl_page_json(page) for page in pages]}


async def crawl_cancel(call: Call[Services], payload: CrawlOne) -> Result:
    return crawl_json(await call.services.crawls.cancel(call.reach, payload.crawl_id))


async def watch_add(call: Call[Services], payload: WatchAdd) -> Result:
    row = await call.services.watches.add(
        call.caller, call.reach, payload.workspace_id, folder=payload.folder, url=payload.url, depth=payload.depth,
        sitemap=payload.sitemap, tags=payload.tags, interval_s=payload.interval_s, delete_missing=payload.delete_missing,
    )  # fmt: skip
    return watch_json(row)


async def watch_list(call: Call[Services], payload: WatchList) -> Result:
    rows = await call.services.watches.list(
        call.reach, payload.workspace_id, after=place_of(payload.cursor, "watches"), limit=payload.limit + 1
    )
    return page_of(rows, "watches", limit=payload.limit, place=lambda row: (row.created_at, row.id), shape=watch_json)


async def watch_get(call: Call[Services], payload: WatchOne) -> Result:
    return watch_json(await call.services.watches.get(call.reach, payload.watch_id))


async def watch_change(call: Call[Services], payload: WatchChange) -> Result:
    changes = {field: getattr(payload, field) for field in _CHANGEABLE if getattr(payload, field) is not UNSET}
    return watch_json(await call.services.watches.change(call.reach, payload.watch_id, **changes))


async def watch_delete(call: Call[Services], payload: WatchOne) -> Result:
    await call.services.watches.delete(call.reach, payload.watch_id)
    return {"id": payload.watch_id, "deleted": True}


async def watch_sync(call: Call[Services], payload: WatchOne) -> Result:
    return watch_json(await call.services.watches.sync(call.caller, call.reach, payload.watch_id))


COMMANDS: list[Command[Any, Services]] = [
    Command(
        verb="url_add", payload=UrlAdd, right=Right.EDITOR, handler=url_add,
        summary="Fetches an address of the web, pages it links to, or what a sitemap lists, as documents.",
    ),
    Command(verb="crawl_get", payload=CrawlOne, right=Right.VIEWER, handler=crawl_get, summary="Reads how far a crawl has come."),
    Command(
        verb="crawl_cancel", payload=CrawlOne, right=Right.EDITOR, handler=crawl_cancel,
        summary="Ends a crawl; what it has fetched stays.",
    ),
    Command(
        verb="watch_add", payload=WatchAdd, right=Right.OWNER, handler=watch_add,
        summary="Keeps a folder of the server, or an address of the web, up on a schedule.",
    ),
    Command(
        verb="watch_list", payload=WatchList, right=Right.EDITOR, handler=watch_list,
        summary="Lists a workspace's watches, oldest first.",
    ),
    Command(verb="watch_get", payload=WatchOne, right=Right.EDITOR, handler=watch_get, summary="Reads a watch and its last result."),
    Command(
        verb="watch_change", payload=WatchChange, right=Right.OWNER, handler=watch_change,
        summary="Changes a watch, pauses it, or lets it go on.",
    ),
    Command(
        verb="watch_delete", payload=WatchOne, right=Right.OWNER, handler=watch_delete,
        summary="Stops watching; the documents stay.",
    ),
    Command(verb="watch_sync", payload=WatchOne, right=Right.EDITOR, handler=watch_sync, summary="Syncs a watch now."),
]  # fmt: skip
