"""`Watches`: what a workspace keeps up: made, listed, changed, deleted, and synced, by hand or when it is due.

A watch has one sync at a time: `running` is set in the transaction that enqueues the sync's job, and cleared in the one that
ends it. Tests: tests/unit/library/test_watches.py, tests/integration/test_watches.py.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

from anyio import to_thread

from antiphon.access.identity import Identity
from antiphon.access.missing import missing
from antiphon.access.scope import Scope, system_scope
from antiphon.config.settings import Settings
from antiphon.core.errors import BadRequest, Conflict, QuotaExceeded
from antiphon.core.runtime import Runtime, rfc3339
from antiphon.library.arrivals import clean_tags
from antiphon.library.watching.folder_scan import roots_of, watched_folder
from antiphon.library.watching.folder_sync import FOLDER_JOB
from antiphon.library.watching.schedule import next_due
from antiphon.library.web.beginning import CrawlWish, begin_crawl
from antiphon.library.web.crawls import Crawls, checked_sitemap, checked_url, end_cancelled, sitemap_json
from antiphon.library.workspaces import live_workspace
from antiphon.outgoing.url import parse_url
from antiphon.protocol.events import DocumentProgress, Event
from antiphon.protocol.topics import workspace_topic
from antiphon.storage.jobs.contract import Job, JobQueue
from antiphon.storage.records.contract import Store, Transaction
from antiphon.storage.records.rows import CRAWLS, WATCH_FILES, WATCHES, WEB_PAGES, WORKSPACES, DocumentRow, WatchRow

DAY_S: Final = 86_400.0
DUE_AT_ONCE: Final = 20
_EVERYTHING: Final = system_scope("watches: those that are due, of all workspaces")


class Watches:
    def __init__(
        self, store: Store, jobs: JobQueue, runtime: Runtime, settings: Settings, crawls: Crawls,
        publish: Callable[[Sequence[str], Event], None],
    ) -> None:  # fmt: skip
        self._store = store
        self._jobs = jobs
        self._runtime = runtime
        self._settings = settings
        self._crawls = crawls
        self._publish = publish

    async def add(
        self,
        identity: Identity,
        scope: Scope,
        workspace_id: str,
        *,
        folder: str | None = None,
        url: str | None = None,
        depth: int = 0,
        sitemap: bool | str = False,
        tags: Sequence[str] = (),
        interval_s: float = DAY_S,
        delete_missing: bool = False,
    ) -> WatchRow:
        """One of `folder` (of the server, below a folder that an administrator named) and `url`; its first sync is due at once.
        Raises NotFound, Forbidden (also for the folder), BadRequest, Conflict (it is watched already), QuotaExceeded."""
        await self._store.read(lambda tx: self._demand(tx, scope, workspace_id))
        if (folder is None) == (url is None):
            raise BadRequest("A watch has either a folder of the server or a url.")
        if folder is not None and (depth or sitemap):
            raise BadRequest("Depth and sitemap are for a url.")
        now = self._runtime.clock.now()
        row = WatchRow(
            id=self._runtime.ids.new("wat"), workspace_id=workspace_id, kind="folder" if folder is not None else "url",
            address=await self._address(folder, url), depth=self._crawls.checked_depth(depth), sitemap=checked_sitemap(sitemap),
            tags=clean_tags(tags), delete_missing=delete_missing, interval_s=self._interval(interval_s), next_due=now,
            added_by=identity.user_id, created_at=now, updated_at=now,
        )  # fmt: skip

        def insert(tx: Transaction) -> tuple[WatchRow, DocumentRow | None]:
            self._demand(tx, scope, workspace_id)
            others = tx.find(WATCHES, scope, {"workspace_id": workspace_id})
            if len(others) >= self._settings.watch.per_workspace:
                raise QuotaExceeded(f"A workspace has {self._settings.watch.per_workspace} watches at most.")
            if any((other.kind, other.address) == (row.kind, row.address) for other in others):
                raise Conflict("This is watched already in this workspace: change that watch.")
            tx.insert(WATCHES, row)
            return self._begin(tx, scope, row, by=identity.user_id)

        return self._told(*await self._store.write(insert))

    async def list(self, scope: Scope, workspace_id: str, *, after: tuple[Any, str] | None, limit: int) -> list[WatchRow]:
        """Oldest first. Raises NotFound, Forbidden."""

        def read(tx: Transaction) -> list[WatchRow]:
            self._demand(tx, scope, workspace_id)
            return tx.find(WATCHES, scope, {"workspace_id": workspace_id}, order="created_at", after=after, limit=limit)

        return await self._store.read(read)

    async def get(self, scope: Scope, watch_id: str) -> WatchRow:
        """Raises NotFound, Forbidden."""
        return await self._store.read(lambda tx: self._changeable(tx, scope, watch_id))

    async def change(self, scope: Scope, watch_id: str, **changes: Any) -> WatchRow:
        """`interval_s`, `delete_missing`, `tags`, `paused`. Pausing ends no sync that is under way. Raises NotFound, Forbidden,
        BadRequest."""
        if "tags" in changes:
            changes["tags"] = clean_tags(changes["tags"])
        if "interval_s" in changes:
            changes["interval_s"] = self._interval(changes["interval_s"])

        def change(tx: Transaction) -> WatchRow:
            row = self._changeable(tx, scope, watch_id)
            if "interval_s" in changes or changes.get("paused") is False:
                interval_s = changes.get("interval_s", row.interval_s)
                changes["next_due"] = next_due(self._runtime, interval_s, 0, most_s=self._settings.watch.most_interval_s)
            tx.update(WATCHES, scope, row.id, updated_at=self._runtime.clock.now(), **changes)
            return self._changeable(tx, scope, watch_id)

        return await self._store.write(change)

    async def delete(self, scope: Scope, watch_id: str) -> None:
        """Ends its sync. Its documents stay, and are nobody's to keep up. Raises NotFound, Forbidden."""

        def delete(tx: Transaction) -> list[DocumentRow]:
            given_up: list[DocumentRow] = []
            row = self._changeable(tx, scope, watch_id)
            self._jobs.cancel_within(tx, row.id, kind=FOLDER_JOB)
            if row.kind == "url" and row.running is not None:
                crawl = tx.get(CRAWLS, scope, row.running)
                if crawl is not None and crawl.state == "running":
                    _, given_up = end_cancelled(tx, scope, self._jobs, self._runtime, crawl)
            for page in tx.find(WEB_PAGES, scope, {"watch_id": row.id}):
                tx.update(WEB_PAGES, scope, page.id, watch_id=None)
            tx.delete(WATCH_FILES, scope, {"watch_id": row.id})
            tx.delete(WATCHES, scope, {"id": row.id})
            return given_up

        self._crawls.tell_given_up(await self._store.write(delete))

    async def sync(self, identity: Identity, scope: Scope, watch_id: str) -> WatchRow:
        """Begins a sync now, also of a paused one. Raises NotFound, Forbidden, Conflict when one is under way."""

        def begin(tx: Transaction) -> tuple[WatchRow, DocumentRow | None]:
            row = self._changeable(tx, scope, watch_id)
            if row.running is not None:
                raise Conflict("A sync of this watch is under way.")
            return self._begin(tx, scope, row, by=identity.user_id)

        return self._told(*await self._store.write(begin))

    async def begin_due(self) -> int:
        """Begins the syncs of watches that are due, the longest due first; their number. For the clock (sync_workers.py)."""

        def due(tx: Transaction) -> list[WatchRow]:
            where = {"next_due": ("<=", self._runtime.clock.now()), "running": None, "paused": False}
            return tx.find(WATCHES, _EVERYTHING, where, order="next_due", limit=DUE_AT_ONCE)

        def begin(tx: Transaction) -> list[tuple[WatchRow, DocumentRow | None]]:
            begun: list[tuple[WatchRow, DocumentRow | None]] = []
            for row in due(tx):
                space = tx.get(WORKSPACES, _EVERYTHING, row.workspace_id)
                if space is None or space.deleted_at is not None:
                    tx.delete(WATCH_FILES, _EVERYTHING, {"watch_id": row.id})
                    tx.delete(WATCHES, _EVERYTHING, {"id": row.id})
                else:
                    begun.append(self._begin(tx, _EVERYTHING, row, by=row.added_by))
            return begun

        if not await self._store.read(due):
            return 0
        begun = await self._store.write(begin)
        for watch, document in begun:
            self._told(watch, document)
        return len(begun)

    # --- parts ----------------------------------------------------------------------------------------------------------

    def _begin(self, tx: Transaction, scope: Scope, row: WatchRow, *, by: str) -> tuple[WatchRow, DocumentRow | None]:
        now = self._runtime.clock.now()
        document: DocumentRow | None = None
        if row.kind == "url":
            wish = CrawlWish(
                workspace_id=row.workspace_id, url=parse_url(row.address), by=by, depth=row.depth, sitemap=row.sitemap,
                tags=row.tags, watch_id=row.id,
            )  # fmt: skip
            crawl, document = begin_crawl(tx, scope, self._jobs, self._runtime, wish)
            running = crawl.id
        else:
            running = self._runtime.ids.new("job")
            job = Job(
                id=running, kind=FOLDER_JOB, user_id=by, workspace_id=row.workspace_id, subject=row.id, created_at=now
            )  # fmt: skip
            self._jobs.enqueue(tx, job)
        tx.update(WATCHES, scope, row.id, running=running, updated_at=now)
        return tx.get(WATCHES, scope, row.id) or row, document

    def _told(self, watch: WatchRow, document: DocumentRow | None) -> WatchRow:
        if document is not None and document.state == "queued":
            event = DocumentProgress(document_id=document.id, stage="queued")
            self._publish([workspace_topic(watch.workspace_id)], event)
        return watch

    def _demand(self, tx: Transaction, scope: Scope, workspace_id: str) -> None:
        live_workspace(tx, scope, workspace_id)
        scope.demand(workspace_id)

    def _changeable(self, tx: Transaction, scope: Scope, watch_id: str) -> WatchRow:
        row = tx.get(WATCHES, scope, watch_id)
        if row is None:
            raise missing("watch", watch_id)
        scope.demand(row.workspace_id)
        return row

    async def _address(self, folder: str | None, url: str | None) -> str:
        if folder is None:
            return str(checked_url(url or ""))
        roots = roots_of(self._settings.watch.roots)
        return str(await to_thread.run_sync(watched_folder, folder, roots))

    def _interval(self, interval_s: float) -> float:
        least, most = self._settings.watch.least_interval_s, self._settings.watch.most_interval_s
        if not least <= interval_s <= most:
            raise BadRequest(f"The interval is {interval_s:g} s; {least:g} to {most:g} are allowed.")
        return float(interval_s)


def watch_json(row: WatchRow) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "id": row.id, "workspace_id": row.workspace_id, "kind": row.kind, row.kind: row.address, "tags": row.tags,
        "delete_missing": row.delete_missing, "interval_s": row.interval_s, "paused": row.paused,
        "running": row.running is not None, "failures": row.failures, "last": row.last,
        "next_due": None if row.paused else rfc3339(row.next_due), "created_at": rfc3339(row.created_at),
        "updated_at": rfc3339(row.updated_at),
    }  # fmt: skip
    if row.kind == "url":
        shown |= {"depth": row.depth, "sitemap": sitemap_json(row.sitemap)}
        if row.running is not None:
            shown["crawl_id"] = row.running
    return shown
