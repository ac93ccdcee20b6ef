"""`Crawls`: fetching addresses into a workspace, as its members ask for it: begun, looked at, cancelled. The work is crawler.py's.

Tests: tests/unit/library/test_crawls.py, tests/integration/test_crawl.py.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

from antiphon.access.identity import Identity
from antiphon.access.missing import missing
from antiphon.access.scope import Scope, system_scope
from antiphon.config.settings import Settings
from antiphon.core.completion import to_the_end
from antiphon.core.errors import BadRequest, Conflict, QuotaExceeded
from antiphon.core.runtime import Runtime, rfc3339
from antiphon.library.arrivals import clean_tags
from antiphon.library.web.beginning import CRAWL_JOB, SITES_OWN, CrawlWish, begin_crawl
from antiphon.library.workspaces import live_workspace
from antiphon.outgoing.url import WebUrl, parse_url
from antiphon.protocol.events import DocumentFailed, DocumentProgress, Event
from antiphon.protocol.topics import workspace_topic
from antiphon.storage.jobs.contract import JobQueue
from antiphon.storage.records.contract import Store, Transaction, Urgency
from antiphon.storage.records.rows import CRAWL_PAGES, CRAWLS, DOCUMENTS, WEB_PAGES, CrawlPageRow, CrawlRow, DocumentRow

Publish = Callable[[Sequence[str], Event], None]
KEPT_S: Final = 30 * 86_400.0
FORGOTTEN_AT_ONCE: Final = 20
_EVERYTHING: Final = system_scope("crawls: forgetting those that ended long ago, of all workspaces")
RUNNING_PER_WORKSPACE: Final = 1000
_CANCELLED: Final = {"code": "cancelled", "message": "The fetching of this address was cancelled; retry starts it again."}


class Crawls:
    def __init__(self, store: Store, jobs: JobQueue, runtime: Runtime, settings: Settings, publish: Publish) -> None:
        self._store = store
        self._jobs = jobs
        self._runtime = runtime
        self._settings = settings
        self._publish = publish

    async def add(
        self,
        identity: Identity,
        scope: Scope,
        workspace_id: str,
        url: str,
        *,
        depth: int = 0,
        sitemap: bool | str = False,
        tags: Sequence[str] = (),
    ) -> tuple[CrawlRow, DocumentRow | None]:
        """Begins it; the document of the start, unless the address is that of a sitemap. Raises NotFound, Forbidden, BadRequest
        (address, depth, tags), QuotaExceeded."""
        wish = CrawlWish(
            workspace_id=workspace_id, url=parse_url(url.strip()), by=identity.user_id, depth=self.checked_depth(depth),
            sitemap=checked_sitemap(sitemap), tags=clean_tags(tags),
        )  # fmt: skip

        def begin(tx: Transaction) -> tuple[CrawlRow, DocumentRow | None]:
            live_workspace(tx, scope, workspace_id)
            scope.demand(workspace_id)
            if tx.count(CRAWLS, scope, {"workspace_id": workspace_id, "state": "running"}) >= RUNNING_PER_WORKSPACE:
                raise QuotaExceeded(
                    f"{RUNNING_PER_WORKSPACE} addresses of this workspace wait to be fetched: let some end first."
                )
            return begin_crawl(tx, scope, self._jobs, self._runtime, wish)

        crawl, document = await self._store.write(begin)
        if document is not None and document.state == "queued":
            self._publish([workspace_topic(workspace_id)], DocumentProgress(document_id=document.id, stage="queued"))
        return crawl, document

    def checked_depth(self, depth: int) -> int:
        most = self._settings.crawl.max_depth
        if not 0 <= depth <= most:
            raise BadRequest(f"The depth is {depth}; 0 to {most} are allowed.")
        return depth

    async def get(self, scope: Scope, crawl_id: str) -> CrawlRow:
        """Raises NotFound."""
        return await self._store.read(lambda tx: live_crawl(tx, scope, crawl_id))

    async def pages(self, scope: Scope, crawl_id: str) -> list[CrawlPageRow]:
        """Those that were looked at, or whose document is there, in the order of finding. Raises NotFound."""

        def read(tx: Transaction) -> list[CrawlPageRow]:
            live_crawl(tx, scope, crawl_id)
            pages = tx.find(CRAWL_PAGES, scope, {"crawl_id": crawl_id}, order="ordinal")
            return [page for page in pages if page.outcome or page.document_id is not None]

        return await self._store.read(read)

    async def cancel(self, scope: Scope, crawl_id: str) -> CrawlRow:
        """What was fetched stays; what waits is given up. Raises NotFound, Forbidden, Conflict when it has ended."""

        def cancel(tx: Transaction) -> tuple[CrawlRow, list[DocumentRow]]:
            crawl = live_crawl(tx, scope, crawl_id)
            scope.demand(crawl.workspace_id)
            if crawl.state != "running":
                raise Conflict("This crawl has ended already.")
            if crawl.watch_id is not None:
                raise Conflict("This crawl belongs to a watch: pause or delete the watch to end it.")
            return end_cancelled(tx, scope, self._jobs, self._runtime, crawl)

        async def commit() -> CrawlRow:
            crawl, given_up = await self._store.write(cancel)
            self.tell_given_up(given_up)
            return crawl

        return await to_the_end(self._runtime.scheduler, commit(), name="cancel crawl")

    def tell_given_up(self, documents: Sequence[DocumentRow]) -> None:
        """That these are not waited for any more; after the commit."""
        for row in documents:
            event = DocumentFailed(document_id=row.id, name=row.name, error=_CANCELLED)
            self._publish([workspace_topic(row.workspace_id)], event)

    async def forget_ended(self) -> int:
        """Removes crawls that ended long ago; their number."""
        where = {"finished_at": ("<", self._runtime.clock.now() - KEPT_S)}

        def forget(tx: Transaction) -> int:
            return remove_crawls(tx, _EVERYTHING, tx.find(CRAWLS, _EVERYTHING, where, limit=FORGOTTEN_AT_ONCE))

        forgotten = 0
        while some := await self._store.write(forget, Urgency.INGEST):
            forgotten += some
        return forgotten

    async def urls_of(self, scope: Scope, document_ids: Sequence[str]) -> dict[str, str]:
        """Document -> the address it came from, for those that came from one."""
        where = {"id": ("in", list(document_ids))}
        pages = await self._store.read(lambda tx: tx.find(WEB_PAGES, scope, where))
        return {page.id: page.url for page in pages}


def end_cancelled(
    tx: Transaction, scope: Scope, jobs: JobQueue, runtime: Runtime, crawl: CrawlRow
) -> tuple[CrawlRow, list[DocumentRow]]:
    """Ends a running crawl inside the transaction; the documents that waited for it, and are given up."""
    jobs.cancel_within(tx, crawl.id, kind=CRAWL_JOB)
    given_up = give_up_waiting(tx, scope, runtime, crawl, _CANCELLED)
    tx.update(CRAWLS, scope, crawl.id, state="cancelled", finished_at=runtime.clock.now())
    return live_crawl(tx, scope, crawl.id), given_up


def give_up_waiting(
    tx: Transaction, scope: Scope, runtime: Runtime, crawl: CrawlRow, error: dict[str, Any]
) -> list[DocumentRow]:  # fmt: skip
    """Of a crawl that ends before its pages: what was not looked at is skipped, and its documents fail with the error."""
    given_up: list[DocumentRow] = []
    for page in tx.find(CRAWL_PAGES, scope, {"crawl_id": crawl.id, "outcome": ""}):
        row = tx.get(DOCUMENTS, scope, page.document_id) if page.document_id is not None else None
        if row is None or page.document_id is None:
            tx.delete(CRAWL_PAGES, scope, {"id": page.id})
            continue
        tx.update(CRAWL_PAGES, scope, page.id, outcome="skipped")
        if row.deleted_at is None and not row.sha256 and row.state == "queued":
            now = runtime.clock.now()
            tx.update(DOCUMENTS, scope, row.id, state="failed", error=error, progress=None, updated_at=now)
            given_up.append(row)
    return given_up


def remove_crawls(tx: Transaction, scope: Scope, crawls: Sequence[CrawlRow]) -> int:
    """With their pages."""
    for crawl in crawls:
        tx.delete(CRAWL_PAGES, scope, {"crawl_id": crawl.id})
        tx.delete(CRAWLS, scope, {"id": crawl.id})
    return len(crawls)


def live_crawl(tx: Transaction, scope: Scope, crawl_id: str) -> CrawlRow:
    """Raises NotFound."""
    row = tx.get(CRAWLS, scope, crawl_id)
    if row is None:
        raise missing("crawl", crawl_id)
    return row


def checked_sitemap(sitemap: bool | str) -> str:
    """As the row has it. Raises BadRequest for an address that is none."""
    if isinstance(sitemap, bool):
        return SITES_OWN if sitemap else ""
    return str(checked_url(sitemap)) if sitemap.strip() else ""


def checked_url(text: str) -> WebUrl:
    return parse_url(text.strip())


def crawl_page_json(row: CrawlPageRow) -> dict[str, Any]:
    return {"url": row.url, "outcome": row.outcome or None, "document_id": row.document_id}


def crawl_json(row: CrawlRow) -> dict[str, Any]:
    """`found`: pages found so far; `done`: looked at; `counts`: by outcome; `cut`: there were more than one crawl fetches."""
    shown: dict[str, Any] = {
        "id": row.id, "workspace_id": row.workspace_id, "url": row.url, "depth": row.depth, "sitemap": sitemap_json(row.sitemap),
        "tags": row.tags, "state": row.state, "found": row.found, "done": sum(row.counts.values()), "counts": row.counts, "cut": row.cut,
        "watch_id": row.watch_id, "created_at": rfc3339(row.created_at),
        "finished_at": None if row.finished_at is None else rfc3339(row.finished_at),
    }  # fmt: skip
    return shown if row.error is None else {**shown, "error": row.error}


def sitemap_json(sitemap: str) -> bool | str:
    return sitemap == SITES_OWN or sitemap or False
