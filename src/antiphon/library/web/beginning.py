"""How a crawl begins: one transaction makes its row, its first page, the document that waits for it, and its job.

Functions inside the caller's transaction, for `Crawls`, `Watches` and a retried document. Tests: tests/unit/library/test_crawls.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Final

from antiphon.access.scope import Scope
from antiphon.core.errors import Conflict
from antiphon.core.runtime import Runtime
from antiphon.library.web.places import document_name, document_path, kept_url
from antiphon.outgoing.url import WebUrl, parse_url
from antiphon.storage.jobs.contract import Job, JobQueue
from antiphon.storage.records.contract import Transaction
from antiphon.storage.records.rows import (
    CRAWL_PAGES,
    CRAWLS,
    DOCUMENTS,
    WEB_PAGES,
    CrawlPageRow,
    CrawlRow,
    DocumentRow,
    WebPageRow,
)

CRAWL_JOB: Final = "crawl"
SITES_OWN: Final = "auto"
"""`CrawlRow.sitemap`: those that the site names."""
_SITEMAP_ENDINGS: Final = (".xml", ".xml.gz", ".txt", ".txt.gz")


@dataclass(frozen=True, kw_only=True, slots=True)
class CrawlWish:
    """What is to be fetched. `sitemap`: see CrawlRow."""

    workspace_id: str
    url: WebUrl
    by: str
    depth: int = 0
    sitemap: str = ""
    tags: Sequence[str] = ()
    watch_id: str | None = None

    @property
    def starts_with_a_page(self) -> bool:
        """False when the address is that of the sitemap itself: it is no document."""
        return not self.sitemap or not self.url.path.lower().endswith(_SITEMAP_ENDINGS)


def page_id(crawl_id: str, url: str) -> str:
    return f"{crawl_id}:{sha256(url.encode()).hexdigest()[:32]}"


def document_from(tx: Transaction, scope: Scope, workspace_id: str, url: str) -> DocumentRow | None:
    """The document of the workspace that came from, or waits for, this address."""
    for column in ("url", "asked_url"):
        for page in tx.find(WEB_PAGES, scope, {"workspace_id": workspace_id, column: url}):
            row = tx.get(DOCUMENTS, scope, page.id)
            if row is not None and row.deleted_at is None:
                return row
    return None


def begin_crawl(
    tx: Transaction, scope: Scope, jobs: JobQueue, runtime: Runtime, wish: CrawlWish
) -> tuple[CrawlRow, DocumentRow | None]:
    """The crawl, and the document of its start: the one that has this address already, or a new one that waits for it. The
    caller has checked the right to write."""
    now = runtime.clock.now()
    url = kept_url(wish.url)
    crawl = CrawlRow(
        id=runtime.ids.new("crl"), workspace_id=wish.workspace_id, url=str(url), depth=wish.depth, sitemap=wish.sitemap,
        tags=list(wish.tags), watch_id=wish.watch_id, found=1 if wish.starts_with_a_page else 0, added_by=wish.by, created_at=now,
    )  # fmt: skip
    document: DocumentRow | None = None
    if wish.starts_with_a_page:
        document = document_from(tx, scope, wish.workspace_id, str(url))
        if document is None:
            document = _expected(tx, runtime, wish, url)
        elif not document.sha256 and document.state == "failed":
            tx.update(DOCUMENTS, scope, document.id, state="queued", error=None, progress=None, updated_at=now)
            document = tx.get(DOCUMENTS, scope, document.id) or document
        page = CrawlPageRow(
            id=page_id(crawl.id, str(url)), crawl_id=crawl.id, workspace_id=wish.workspace_id, ordinal=0, url=str(url), depth=0,
            document_id=document.id,
        )  # fmt: skip
        tx.insert(CRAWL_PAGES, page)
    tx.insert(CRAWLS, crawl)
    jobs.enqueue(tx, Job(
        id=runtime.ids.new("job"), kind=CRAWL_JOB, user_id=wish.by, workspace_id=wish.workspace_id, subject=crawl.id, created_at=now,
    ))  # fmt: skip
    return crawl, document


def fetch_again(tx: Transaction, scope: Scope, jobs: JobQueue, runtime: Runtime, row: DocumentRow, *, by: str) -> bool:
    """Begins the fetching of a document that never had any content; False when it came from no address. Raises Conflict when
    it is being fetched."""
    page = tx.get(WEB_PAGES, scope, row.id)
    if row.sha256 or page is None:
        return False
    if tx.count(CRAWL_PAGES, scope, {"document_id": row.id, "outcome": ""}) and row.state != "failed":
        raise Conflict("The document is being fetched just now.")
    wish = CrawlWish(workspace_id=row.workspace_id, url=parse_url(page.asked_url), by=by, tags=row.tags)
    begin_crawl(tx, scope, jobs, runtime, wish)
    return True


def _expected(tx: Transaction, runtime: Runtime, wish: CrawlWish, url: WebUrl) -> DocumentRow:
    now = runtime.clock.now()
    row = DocumentRow(
        id=runtime.ids.new("doc"), workspace_id=wish.workspace_id, name=document_name(url), path=document_path(url),
        tags=list(wish.tags), added_by=wish.by, created_at=now, updated_at=now,
    )  # fmt: skip
    tx.insert(DOCUMENTS, row)
    web_page = WebPageRow(
        id=row.id, workspace_id=wish.workspace_id, url=str(url), asked_url=str(url), watch_id=wish.watch_id
    )  # fmt: skip
    tx.insert(WEB_PAGES, web_page)
    return row
