"""`Crawler`: works one crawl to its end: fetches the pages that were found, nearest first, and finds further ones in them.

A page's content, its mark, and the pages it leads to are committed in one transaction, so a crawl that was killed goes on behind
the last page, and a repeated step does nothing. The pages that wait are rows; only which addresses are known is kept in memory,
and read from them at the start. A page that can't be fetched becomes a failed document and ends nothing.
Tests: tests/integration/test_crawl.py, test_crawl_crash.py.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

from anyio import to_thread
from msgspec import structs

from antiphon.access.scope import system_scope
from antiphon.config.settings import Settings
from antiphon.core.errors import AntiphonError, Conflict, ShuttingDown, TooLarge, UrlDisallowed
from antiphon.core.failpoints import failpoint
from antiphon.core.runtime import Runtime
from antiphon.ingest.blob_gate import BlobGate
from antiphon.ingest.document import WebLinks
from antiphon.library.arrivals import Overtaken
from antiphon.library.removal import release_unreferenced
from antiphon.library.web.arrival import Arrived, PageArrivals, PageContent, error_json
from antiphon.library.web.beginning import document_from, page_id
from antiphon.library.web.crawls import give_up_waiting
from antiphon.library.web.fetching import Fetched, PageFetcher, Validators
from antiphon.library.web.places import kept_url
from antiphon.library.web.rules import CrawlRules, base_of, own_address
from antiphon.library.web.sitemaps import LinkFinder, Sitemaps
from antiphon.outgoing.url import WebUrl, parse_url
from antiphon.protocol.events import DocumentFailed, DocumentProgress, Event
from antiphon.storage.blobs.contract import BlobStore
from antiphon.storage.jobs.contract import Job, JobQueue
from antiphon.storage.records.contract import Store, Transaction
from antiphon.storage.records.rows import (
    CRAWL_PAGES,
    CRAWLS,
    DOCUMENTS,
    WATCHES,
    WEB_PAGES,
    WORKSPACES,
    CrawlPageRow,
    CrawlRow,
    DocumentRow,
    WebPageRow,
)

OnEvent = Callable[[str, Event], None]
"""(workspace id, event). Called after the commit; must not wait."""
STEP_CRAWLING: Final = "crawling"
_PROGRESS_INTERVAL_S: Final = 0.25
_EVERYTHING: Final = system_scope("crawls: jobs act for the server")


class Ending(Protocol):
    """What else happens in the transaction in which a crawl of a watch ends."""

    def crawl_ended(self, tx: Transaction, crawl: CrawlRow) -> list[Event]: ...


@dataclass(kw_only=True, slots=True)
class _Course:
    """A running crawl, as its job sees it. `rules` None: the start has not been fetched yet."""

    job: Job
    crawl: CrawlRow
    rules: CrawlRules | None
    known: set[str] = field(default_factory=set[str])
    delete_missing: bool = False
    finding: asyncio.Lock = field(default_factory=asyncio.Lock)
    """Held while a page's links are compared with what is known, until the new ones are committed."""


class Crawler:
    """Without state between crawls; one per process."""

    def __init__(
        self,
        *,
        store: Store,
        jobs: JobQueue,
        blobs: BlobStore,
        gate: BlobGate,
        fetcher: PageFetcher,
        finder: LinkFinder,
        work: Overtaken,
        ending: Ending,
        settings: Settings,
        runtime: Runtime,
        on_event: OnEvent,
    ) -> None:
        self._store = store
        self._jobs = jobs
        self._blobs = blobs
        self._gate = gate
        self._fetcher = fetcher
        self._finder = finder
        self._work = work
        self._ending = ending
        self._limits = settings.crawl
        self._runtime = runtime
        self._on_event = on_event
        self._sitemaps = Sitemaps(fetcher, finder)
        self._arrivals = PageArrivals(_EVERYTHING, jobs, runtime)

    async def run(self, job: Job) -> None:
        """To its end, finished or failed. Raises Conflict when the claim is lost, and ShuttingDown."""
        course = await self._take_up(job)
        if course is None:
            await self._jobs.finish(job, work=lambda tx: self._abandon(tx, job))
            return
        try:
            if course.crawl.sitemap and job.step != STEP_CRAWLING:
                await self._read_sitemaps(course)
            while pages := await self._next(course):
                await _all(self._page(course, page) for page in pages)
        except (Conflict, ShuttingDown):
            raise
        except AntiphonError as error:
            await self.fail(job, error)
            return
        failpoint("crawl.before_end")
        await self._end(course)

    async def fail(self, job: Job, error: AntiphonError) -> None:
        """Ends the crawl with an error of its own (a sitemap that can't be read, a defect). Raises Conflict."""
        events: list[tuple[str, Event]] = []

        def mark(tx: Transaction) -> None:
            crawl = tx.get(CRAWLS, _EVERYTHING, job.subject)
            if crawl is not None and crawl.state == "running":
                events.extend(self._finish_row(tx, crawl, "failed", error_json(error)))

        await self._jobs.fail(job, error_json(error), work=mark)
        self._publish(events)

    # --- steps ----------------------------------------------------------------------------------------------------------

    async def _take_up(self, job: Job) -> _Course | None:
        def read(tx: Transaction) -> _Course | None:
            crawl = tx.get(CRAWLS, _EVERYTHING, job.subject)
            space = None if crawl is None else tx.get(WORKSPACES, _EVERYTHING, crawl.workspace_id)
            if crawl is None or crawl.state != "running" or space is None or space.deleted_at is not None:
                return None
            start = str(job.progress.get("start") or "")
            watch = None if crawl.watch_id is None else tx.get(WATCHES, _EVERYTHING, crawl.watch_id)
            return _Course(
                job=job, crawl=crawl, rules=CrawlRules(parse_url(start)) if start else None,
                known={page.url for page in tx.find(CRAWL_PAGES, _EVERYTHING, {"crawl_id": crawl.id})},
                delete_missing=watch is not None and watch.delete_missing,
            )  # fmt: skip

        return await self._store.read(read)

    def _abandon(self, tx: Transaction, job: Job) -> None:
        """Nobody waits for it any more: its workspace was deleted."""
        crawl = tx.get(CRAWLS, _EVERYTHING, job.subject)
        if crawl is not None and crawl.state == "running":
            tx.update(CRAWLS, _EVERYTHING, crawl.id, state="cancelled", finished_at=self._runtime.clock.now())

    async def _next(self, course: _Course) -> list[CrawlPageRow]:
        """Of a crawl whose start is not known yet, that one alone."""
        most = self._limits.parallel if course.rules is not None else 1
        where = {"crawl_id": course.crawl.id, "outcome": ""}
        return await self._store.read(lambda tx: tx.find(CRAWL_PAGES, _EVERYTHING, where, order="ordinal", limit=most))

    async def _read_sitemaps(self, course: _Course) -> None:
        """The start's page, when it is one, comes first, so that a redirect of it is known."""
        crawl, start = course.crawl, parse_url(course.crawl.url)
        alone = crawl.found == 0
        if not alone and course.rules is None:
            await _all(self._page(course, page) for page in await self._next(course))
        rules = course.rules or CrawlRules(start)
        course.rules = rules
        found, cut = await self._sitemaps.addresses(
            start, crawl.sitemap, start_is_sitemap=alone, rules=rules, known=course.known, most=self._left(course)
        )  # fmt: skip

        def mark(tx: Transaction) -> None:
            self._insert(tx, course, found, depth=0, cut=cut)

        progress = {**course.job.progress, "start": course.job.progress.get("start") or str(start)}
        await self._jobs.advance(course.job, step=STEP_CRAWLING, work=mark, progress=progress)
        course.job = structs.replace(course.job, step=STEP_CRAWLING, progress=progress)
        await self._reread(course)

    async def _page(self, course: _Course, page: CrawlPageRow) -> None:
        document, source = await self._store.read(lambda tx: self._known(tx, page))
        if document is not None:
            self._tell(course, DocumentProgress(document_id=document.id, stage="fetching"))
        validators = Validators(etag=source.etag, last_modified=source.last_modified) if source is not None else None
        try:
            fetched = await self._fetcher.fetch(
                parse_url(page.url),
                validators if document is not None and document.sha256 else None,
                self._teller(course, document),
            )
        except (Conflict, ShuttingDown):
            raise
        except AntiphonError as error:
            await self._commit_failure(course, page, error)
            return
        try:
            await self._take(course, page, document, fetched)
        finally:
            fetched.close()

    async def _take(self, course: _Course, page: CrawlPageRow, document: DocumentRow | None, fetched: Fetched) -> None:
        if fetched.content is None and document is not None:
            links = await self._links(course, page, document.sha256, document.name)
            await self._commit(
                course, page, fetched.url, links, lambda tx: self._arrivals.unchanged(tx, course.crawl, page, fetched.validators)
            )
            return
        sha256 = ""
        try:
            async with self._gate.uploading():
                blob = await self._blobs.put(fetched.chunks(), max_bytes=0)
                sha256 = blob.sha256
                failpoint("crawl.after_fetch")
                links = await self._links(course, page, sha256, fetched.url.path)
                content = PageContent(
                    url=own_address(kept_url(fetched.url), links), sha256=sha256, size_bytes=blob.size_bytes,
                    media_type=fetched.media_type, disposition=fetched.disposition, validators=fetched.validators,
                )  # fmt: skip
                await self._commit(
                    course, page, content.url, links, lambda tx: self._arrivals.store(tx, course.crawl, page, content)
                )
        finally:
            if sha256:
                await release_unreferenced(self._store, self._jobs, self._runtime, [sha256])
        failpoint("crawl.after_page")

    async def _links(self, course: _Course, page: CrawlPageRow, sha256: str, name: str) -> WebLinks:
        """Of a page whose links would be followed, or that may have a better address; nothing of others."""
        if page.depth >= course.crawl.depth and parse_url(page.url).query is None:
            return WebLinks()
        try:
            return await self._finder.links(self._blobs.local_path(sha256), name)
        except TooLarge:
            return WebLinks(cut=True)
        except AntiphonError:  # a page that can't be read leads nowhere; why, its document will say
            return WebLinks()

    # --- commits --------------------------------------------------------------------------------------------------------

    async def _commit(
        self, course: _Course, page: CrawlPageRow, url: WebUrl, links: WebLinks, store: Callable[[Transaction], Arrived]
    ) -> None:
        """The page's outcome, its mark and the pages it leads to. `url`: the page's own address."""
        rules = course.rules or CrawlRules(url)
        moved = str(url) != page.url
        outside = moved and course.rules is not None and not rules.takes(url)
        already = moved and str(url) in course.known
        follows = not outside and not already and page.depth < course.crawl.depth and links.follow
        progress = {**course.job.progress, "start": str(url)} if course.rules is None else None

        def commit(tx: Transaction) -> Arrived:
            if outside and page.document_id is None:
                arrived = Arrived(outcome="skipped")
            elif already and page.document_id is None:
                arrived = Arrived(outcome="alternate")
            else:
                arrived = store(tx)
            self._insert(tx, course, found, depth=page.depth + 1, cut=cut)
            self._count(tx, course, page, arrived)
            return arrived

        async with course.finding:
            found, cut = list[str](), follows and links.cut
            if follows:
                base, left = base_of(url, links), self._left(course)
                found, cut = await to_thread.run_sync(rules.taken, links.links, base, course.known, left)
            arrived = await self._jobs.advance(course.job, step=course.job.step, work=commit, progress=progress)
            course.known.add(str(url))
        if progress is not None:
            course.rules, course.job = rules, structs.replace(course.job, progress=progress)
        await self._follow(course, arrived)

    async def _commit_failure(self, course: _Course, page: CrawlPageRow, error: AntiphonError) -> None:
        start = course.rules is None
        progress = {**course.job.progress, "start": page.url} if start else None

        def commit(tx: Transaction) -> Arrived:
            if isinstance(error, UrlDisallowed) and page.document_id is None:
                arrived = Arrived(outcome="skipped")
            else:
                arrived = self._arrivals.fail(tx, course.crawl, page, error, delete_missing=course.delete_missing)
            if page.ordinal == 0 and page.document_id is not None:
                tx.update(CRAWLS, _EVERYTHING, course.crawl.id, error=error_json(error))
            self._count(tx, course, page, arrived)
            return arrived

        arrived = await self._jobs.advance(course.job, step=course.job.step, work=commit, progress=progress)
        if progress is not None:
            course.rules, course.job = CrawlRules(parse_url(page.url)), structs.replace(course.job, progress=progress)
        await self._follow(course, arrived)

    def _insert(self, tx: Transaction, course: _Course, urls: Sequence[str], *, depth: int, cut: bool) -> None:
        crawl = tx.get(CRAWLS, _EVERYTHING, course.crawl.id) or course.crawl
        for number, url in enumerate(urls, start=crawl.found):
            row = CrawlPageRow(
                id=page_id(crawl.id, url), crawl_id=crawl.id, workspace_id=crawl.workspace_id, ordinal=number, url=url, depth=depth
            )  # fmt: skip
            if tx.get(CRAWL_PAGES, _EVERYTHING, row.id) is None:
                tx.insert(CRAWL_PAGES, row)
        tx.update(CRAWLS, _EVERYTHING, crawl.id, found=crawl.found + len(urls), cut=crawl.cut or cut)
        course.crawl = structs.replace(course.crawl, found=crawl.found + len(urls))

    def _count(self, tx: Transaction, course: _Course, page: CrawlPageRow, arrived: Arrived) -> None:
        crawl = tx.get(CRAWLS, _EVERYTHING, course.crawl.id) or course.crawl
        counts = {**crawl.counts, arrived.outcome: crawl.counts.get(arrived.outcome, 0) + 1}
        tx.update(CRAWLS, _EVERYTHING, crawl.id, counts=counts)
        changes = {"outcome": arrived.outcome, "document_id": arrived.document_id or page.document_id}
        tx.update(CRAWL_PAGES, _EVERYTHING, page.id, **changes)

    async def _end(self, course: _Course) -> None:
        events: list[tuple[str, Event]] = []

        def finish(tx: Transaction) -> None:
            crawl = tx.get(CRAWLS, _EVERYTHING, course.crawl.id)
            if crawl is not None and crawl.state == "running":
                events.extend(self._finish_row(tx, crawl, "done", crawl.error))

        await self._jobs.finish(course.job, work=finish)
        self._publish(events)

    def _finish_row(
        self, tx: Transaction, crawl: CrawlRow, state: str, error: dict[str, Any] | None
    ) -> list[tuple[str, Event]]:  # fmt: skip
        told = error or {"code": "internal", "message": "The crawl ended before this address was looked at."}
        given_up = give_up_waiting(tx, _EVERYTHING, self._runtime, crawl, told)
        tx.update(CRAWLS, _EVERYTHING, crawl.id, state=state, error=error, finished_at=self._runtime.clock.now())
        ended = tx.get(CRAWLS, _EVERYTHING, crawl.id) or crawl
        events = self._ending.crawl_ended(tx, ended) if crawl.watch_id is not None else []
        events += [DocumentFailed(document_id=row.id, name=row.name, error=told) for row in given_up]
        return [(crawl.workspace_id, event) for event in events]

    # --- what is around -------------------------------------------------------------------------------------------------

    def _left(self, course: _Course) -> int:
        return max(self._limits.pages - course.crawl.found, 0)

    def _known(self, tx: Transaction, page: CrawlPageRow) -> tuple[DocumentRow | None, WebPageRow | None]:
        row = (
            tx.get(DOCUMENTS, _EVERYTHING, page.document_id)
            if page.document_id is not None
            else document_from(tx, _EVERYTHING, page.workspace_id, page.url)
        )
        return row, None if row is None else tx.get(WEB_PAGES, _EVERYTHING, row.id)

    async def _reread(self, course: _Course) -> None:
        crawl = await self._store.read(lambda tx: tx.get(CRAWLS, _EVERYTHING, course.crawl.id))
        course.crawl = crawl or course.crawl

    async def _follow(self, course: _Course, arrived: Arrived) -> None:
        if arrived.overtaken is not None:
            await self._work.overtaken(*arrived.overtaken)
        for event in arrived.events:
            self._tell(course, event)

    def _teller(self, course: _Course, document: DocumentRow | None) -> Callable[[int, int | None], None] | None:
        if document is None:
            return None
        told_s = self._runtime.clock.monotonic()

        def tell(done: int, total: int | None) -> None:
            nonlocal told_s
            now_s = self._runtime.clock.monotonic()
            if now_s - told_s >= _PROGRESS_INTERVAL_S:
                told_s = now_s
                self._tell(course, DocumentProgress(document_id=document.id, stage="fetching", done=done, total=total))

        return tell

    def _tell(self, course: _Course, event: Event) -> None:
        self._on_event(course.crawl.workspace_id, event)

    def _publish(self, events: Sequence[tuple[str, Event]]) -> None:
        for workspace_id, event in events:
            self._on_event(workspace_id, event)


async def _all(works: Any) -> None:
    """Runs them side by side; the first error ends the others, and is raised."""
    tasks = [asyncio.ensure_future(work) for work in works]
    try:
        await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
