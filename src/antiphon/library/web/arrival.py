"""What becomes of a fetched page: new content of the document that has its address, a new document, or nothing new.

Inside the transaction of the crawl's step. Tests: tests/integration/test_crawl.py.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from antiphon.access.identity import Identity
from antiphon.access.scope import Scope
from antiphon.core.errors import AntiphonError
from antiphon.core.ids import UserId
from antiphon.core.runtime import Runtime
from antiphon.library.arrivals import Added, Arrivals, Upload
from antiphon.library.removal import mark_removed
from antiphon.library.web.beginning import document_from
from antiphon.library.web.fetching import Validators
from antiphon.library.web.places import document_name, document_path
from antiphon.outgoing.url import WebUrl, parse_url
from antiphon.protocol.events import DocumentDeleted, DocumentFailed, DocumentProgress, Event
from antiphon.storage.jobs.contract import JobQueue
from antiphon.storage.records.contract import Transaction
from antiphon.storage.records.rows import DOCUMENTS, WEB_PAGES, CrawlPageRow, CrawlRow, DocumentRow, WebPageRow

Outcome = Literal["added", "replaced", "unchanged", "duplicate", "alternate", "failed", "skipped", "gone"]
"""`alternate`: leads to an address that the crawl has already; `skipped`: cancelled, or deleted, or outside, meanwhile; `gone`: its
document was deleted, because the site has it no more."""


@dataclass(frozen=True, kw_only=True, slots=True)
class PageContent:
    """`url`: the page's own address. The bytes are in the blob store."""

    url: WebUrl
    sha256: str
    size_bytes: int
    media_type: str
    disposition: str
    validators: Validators


@dataclass(frozen=True, kw_only=True, slots=True)
class Arrived:
    """`events` are published after the commit; `overtaken`: (document, version) whose older versions need no more work."""

    outcome: Outcome
    document_id: str | None = None
    events: tuple[Event, ...] = ()
    overtaken: tuple[str, int] | None = None


class PageArrivals:
    """Without state."""

    def __init__(self, scope: Scope, jobs: JobQueue, runtime: Runtime) -> None:
        self._scope = scope
        self._jobs = jobs
        self._runtime = runtime
        self._arrivals = Arrivals(jobs, runtime)

    def store(self, tx: Transaction, crawl: CrawlRow, page: CrawlPageRow, content: PageContent) -> Arrived:
        waiting = self._waiting(tx, page)
        if page.document_id is not None and waiting is None:
            return Arrived(outcome="skipped")
        known = document_from(tx, self._scope, crawl.workspace_id, str(content.url))
        target = known or waiting
        events: list[Event] = []
        if known is not None and waiting is not None and known.id != waiting.id and not waiting.sha256:
            events += self._twin(tx, waiting, known)
        upload = Upload(
            name=document_name(content.url, content.media_type, content.disposition), sha256=content.sha256,
            size_bytes=content.size_bytes, path=document_path(content.url),
        )  # fmt: skip
        added = self._added(tx, crawl, target, upload)
        if added.change == "duplicate" and target is not None:
            events += self._twin(tx, target, added.row)
        elif added.change != "duplicate":
            self._remember(tx, crawl, added.row, page, content)
        if added.row.state == "queued":
            events.append(DocumentProgress(document_id=added.row.id, stage="queued"))
        overtaken = (added.row.id, added.version) if added.change == "replaced" else None
        return Arrived(outcome=added.change, document_id=added.row.id, events=tuple(events), overtaken=overtaken)

    def unchanged(self, tx: Transaction, crawl: CrawlRow, page: CrawlPageRow, validators: Validators) -> Arrived:
        """The site says that what the document has is what there is."""
        row = self._waiting(tx, page) or document_from(tx, self._scope, crawl.workspace_id, page.url)
        if row is None:
            return Arrived(outcome="skipped")
        self._update(tx, crawl, row, validators)
        if row.state == "failed" and crawl.watch_id is None:
            row = self._arrivals.again(tx, _person(crawl), self._scope, row)
            return Arrived(
                outcome="unchanged", document_id=row.id, events=(DocumentProgress(document_id=row.id, stage="queued"),)
            )
        return Arrived(outcome="unchanged", document_id=row.id)

    def fail(
        self, tx: Transaction, crawl: CrawlRow, page: CrawlPageRow, error: AntiphonError, *, delete_missing: bool
    ) -> Arrived:
        """A document that has content keeps it and goes on serving; one that never had any says what is wrong."""
        row = self._waiting(tx, page) or (
            None if page.document_id is not None else document_from(tx, self._scope, crawl.workspace_id, page.url)
        )
        if row is None and page.document_id is not None:
            return Arrived(outcome="skipped")
        if row is None:
            row = self._failed_document(tx, crawl, page)
        if row.sha256:
            source = tx.get(WEB_PAGES, self._scope, row.id)
            ours = source is not None and crawl.watch_id is not None and source.watch_id == crawl.watch_id
            if delete_missing and ours and error.code == "url_not_found":
                mark_removed(tx, self._scope, self._jobs, self._runtime, row, by=crawl.added_by)
                return Arrived(outcome="gone", document_id=row.id, events=(DocumentDeleted(document_id=row.id),))
            return Arrived(outcome="failed", document_id=row.id)
        return Arrived(outcome="failed", document_id=row.id, events=self._told(tx, row, error_json(error)))

    # --- parts ----------------------------------------------------------------------------------------------------------

    def _waiting(self, tx: Transaction, page: CrawlPageRow) -> DocumentRow | None:
        """The document that waits for this page, unless it was deleted, or cancelled before it had any content."""
        if page.document_id is None:
            return None
        row = tx.get(DOCUMENTS, self._scope, page.document_id)
        if row is None or row.deleted_at is not None or (not row.sha256 and row.state != "queued"):
            return None
        return row

    def _added(self, tx: Transaction, crawl: CrawlRow, target: DocumentRow | None, upload: Upload) -> Added:
        person = _person(crawl)
        if target is None:
            return self._arrivals.add(tx, person, self._scope, crawl.workspace_id, upload, list(crawl.tags))
        if crawl.tags and crawl.tags != target.tags:
            tx.update(DOCUMENTS, self._scope, target.id, tags=list(crawl.tags), updated_at=self._runtime.clock.now())
        if not target.sha256:
            return self._arrivals.fill(tx, person, self._scope, target, upload)
        if target.state == "failed" and target.sha256 == upload.sha256 and crawl.watch_id is not None:
            return Added(row=target, change="unchanged", version=target.version)  # it would fail again, at every sync
        return self._arrivals.replace(tx, person, self._scope, target, upload)

    def _remember(
        self, tx: Transaction, crawl: CrawlRow, row: DocumentRow, page: CrawlPageRow, content: PageContent
    ) -> None:  # fmt: skip
        if tx.get(WEB_PAGES, self._scope, row.id) is None:
            source = WebPageRow(id=row.id, workspace_id=row.workspace_id, url=str(content.url), asked_url=page.url)
            tx.insert(WEB_PAGES, source)
        self._update(tx, crawl, row, content.validators, url=str(content.url))

    def _update(
        self, tx: Transaction, crawl: CrawlRow, row: DocumentRow, validators: Validators, *, url: str | None = None
    ) -> None:  # fmt: skip
        changes: dict[str, Any] = {
            "etag": validators.etag, "last_modified": validators.last_modified, "fetched_at": self._runtime.clock.now(),
        }  # fmt: skip
        if url is not None:
            changes["url"] = url
        if crawl.watch_id is not None:
            changes["watch_id"] = crawl.watch_id
        tx.update(WEB_PAGES, self._scope, row.id, **changes)

    def _twin(self, tx: Transaction, row: DocumentRow, other: DocumentRow) -> tuple[Event, ...]:
        """`row` waited for what `other` has."""
        told = {
            "code": "url_duplicate", "data": {"duplicate_of": other.id},
            "message": f"The document {other.name!r} has the same content; it is not indexed twice.",
        }  # fmt: skip
        return self._told(tx, row, told)

    def _told(self, tx: Transaction, row: DocumentRow, error: dict[str, Any]) -> tuple[Event, ...]:
        now = self._runtime.clock.now()
        tx.update(DOCUMENTS, self._scope, row.id, state="failed", error=error, progress=None, updated_at=now)
        return (DocumentFailed(document_id=row.id, name=row.name, error=error),)

    def _failed_document(self, tx: Transaction, crawl: CrawlRow, page: CrawlPageRow) -> DocumentRow:
        now, url = self._runtime.clock.now(), parse_url(page.url)
        row = DocumentRow(
            id=self._runtime.ids.new("doc"), workspace_id=crawl.workspace_id, name=document_name(url), path=document_path(url),
            tags=list(crawl.tags), added_by=crawl.added_by, created_at=now, updated_at=now,
        )  # fmt: skip
        tx.insert(DOCUMENTS, row)
        tx.insert(
            WEB_PAGES,
            WebPageRow(id=row.id, workspace_id=row.workspace_id, url=page.url, asked_url=page.url, watch_id=crawl.watch_id),
        )
        return row


def error_json(error: AntiphonError) -> dict[str, Any]:
    told: dict[str, Any] = {"code": error.code, "message": error.message}
    return {**told, "data": error.data} if error.data else told


def _person(crawl: CrawlRow) -> Identity:
    return Identity(user_id=UserId(crawl.added_by), name="", credential="crawl")
