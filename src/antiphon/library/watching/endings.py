"""How a sync ends: its result is written to the watch, the next one is set, and the workspace is told. For crawls and folders.

Inside the transaction of the sync's last step. Tests: tests/integration/test_watches.py.
"""

from __future__ import annotations

from typing import Any, Final

from antiphon.access.scope import system_scope
from antiphon.config.settings import Settings
from antiphon.core.runtime import Runtime, rfc3339
from antiphon.library.removal import mark_removed
from antiphon.library.watching.schedule import next_due
from antiphon.library.web.crawls import remove_crawls
from antiphon.protocol.events import DocumentDeleted, Event, WatchSynced
from antiphon.storage.jobs.contract import JobQueue
from antiphon.storage.records.contract import Transaction
from antiphon.storage.records.rows import (
    CRAWL_PAGES,
    CRAWLS,
    DOCUMENTS,
    WATCHES,
    WEB_PAGES,
    CrawlRow,
    WatchRow,
)

DELETED_AT_ONCE: Final = 200
"""Documents that the end of one crawl deletes at most, in its one transaction; the next sync goes on."""
_EVERYTHING: Final = system_scope("watches: jobs act for the server")


class SyncEndings:
    """Without state."""

    def __init__(self, jobs: JobQueue, runtime: Runtime, settings: Settings) -> None:
        self._jobs = jobs
        self._runtime = runtime
        self._most_s = settings.watch.most_interval_s

    def crawl_ended(self, tx: Transaction, crawl: CrawlRow) -> list[Event]:
        """Also deletes documents whose pages are gone, when the watch wants it and the crawl saw everything."""
        watch = None if crawl.watch_id is None else tx.get(WATCHES, _EVERYTHING, crawl.watch_id)
        if watch is None or watch.running != crawl.id:
            return []
        counts = dict(crawl.counts)
        events: list[Event] = []
        complete = crawl.state == "done" and crawl.error is None and not crawl.cut and not counts.get("failed")
        if watch.delete_missing and complete and (crawl.depth or crawl.sitemap):
            for document_id in self._unseen(tx, crawl, watch):
                row = tx.get(DOCUMENTS, _EVERYTHING, document_id)
                if row is not None and row.deleted_at is None:
                    mark_removed(tx, _EVERYTHING, self._jobs, self._runtime, row, by=watch.added_by)
                    events.append(DocumentDeleted(document_id=document_id))
        older = {"watch_id": watch.id, "id": ("!=", crawl.id), "state": ("!=", "running")}
        remove_crawls(tx, _EVERYTHING, tx.find(CRAWLS, _EVERYTHING, older))
        deleted = len(events) + counts.pop("gone", 0)
        if deleted:
            counts["deleted"] = deleted
        return [*events, self.record(tx, watch, counts, error=crawl.error)]

    def record(
        self,
        tx: Transaction,
        watch: WatchRow,
        counts: dict[str, int],
        *,
        error: dict[str, Any] | None,
        details: list[str] | None = None,
    ) -> WatchSynced:
        """`details`: names of what could not be had, a few."""
        failures = watch.failures + 1 if error is not None else 0
        state = "failed" if error is not None else "partial" if counts.get("failed") else "ok"
        due = next_due(self._runtime, watch.interval_s, failures, most_s=self._most_s)
        now = self._runtime.clock.now()
        last: dict[str, Any] = {"state": state, "at": rfc3339(now), "counts": counts}
        if error is not None:
            last["error"] = error
        if details:
            last["details"] = details
        tx.update(WATCHES, _EVERYTHING, watch.id, running=None, failures=failures, last=last, next_due=due, updated_at=now)
        return WatchSynced(watch_id=watch.id, state=state, counts=counts, next_due=rfc3339(due), error=error)

    def _unseen(self, tx: Transaction, crawl: CrawlRow, watch: WatchRow) -> list[str]:
        seen = {page.document_id for page in tx.find(CRAWL_PAGES, _EVERYTHING, {"crawl_id": crawl.id})}
        ours = tx.find(WEB_PAGES, _EVERYTHING, {"watch_id": watch.id})
        return [page.id for page in ours if page.id not in seen][:DELETED_AT_ONCE]
