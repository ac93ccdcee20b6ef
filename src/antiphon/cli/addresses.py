"""Has the server fetch addresses, and watches them until what came of them can be asked about. Used by `antiphon ingest`.

Tests: tests/unit/cli/test_addresses.py, tests/integration/test_cli_web.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from msgspec import Struct
from rich.progress import Progress

from antiphon.cli.sending import FIRST_LOOK_S, LOOK_AT_MOST_EVERY_S, WATCHED_AT_ONCE, Outcome
from antiphon.cli.terminal import plain
from antiphon.client import RestClient
from antiphon.core.errors import AntiphonError
from antiphon.core.runtime import Scheduler

_SCHEMES: Final = ("http://", "https://")
_CHANGES: Final = {"failed": "added", "alternate": "duplicate"}
_ENDED: Final = {"ready", "failed"}


class Address(Struct, frozen=True, kw_only=True):
    url: str
    depth: int = 0
    sitemap: bool = False


def is_address(text: str) -> bool:
    return text.lower().startswith(_SCHEMES)


class Fetching:
    """For one run of the command."""

    def __init__(
        self, rest: RestClient, workspace_id: str, progress: Progress, scheduler: Scheduler, *, tags: Sequence[str] = ()
    ) -> None:  # fmt: skip
        self._rest = rest
        self._workspace_id = workspace_id
        self._progress = progress
        self._scheduler = scheduler
        self._tags = list(tags)

    async def fetch(self, addresses: Sequence[Address], *, wait: bool) -> list[Outcome]:
        """An outcome for each page, those of the first address first."""
        outcomes: list[Outcome] = []
        for address in addresses:
            outcomes += await self._fetch(address, wait=wait)
        return outcomes

    async def _fetch(self, address: Address, *, wait: bool) -> list[Outcome]:
        try:
            answer = await self._rest.add_url(
                self._workspace_id, address.url, depth=address.depth, sitemap=address.sitemap, tags=self._tags
            )
        except AntiphonError as error:
            return [Outcome(path=address.url, error={"code": error.code, "message": error.message})]
        if not wait:
            return [Outcome(path=str(d["url"]), id=d["id"], state=d["state"]) for d in answer["documents"]]
        crawl = await self._ended(answer["crawl"], address.url)
        outcomes = await self._settled([page for page in crawl["pages"] if page["document_id"] and page["outcome"] != "gone"])
        if crawl["state"] != "done" or not outcomes:
            told = crawl.get("error") or {"code": crawl["state"], "message": f"The fetching ended {crawl['state']}."}
            outcomes.append(Outcome(path=address.url, error=told))
        elif crawl.get("error") is not None and outcomes[0].error is None:
            outcomes[0].error = crawl["error"]  # it has the content of an earlier time
        return outcomes

    async def _ended(self, crawl: dict[str, Any], name: str) -> dict[str, Any]:
        task = self._progress.add_task(plain(name), total=None)
        pause_s = FIRST_LOOK_S
        try:
            while True:
                crawl = await self._rest.crawl(crawl["id"])
                self._progress.update(task, completed=crawl["done"], total=crawl["found"] or None)
                if crawl["state"] != "running":
                    return crawl
                await self._scheduler.sleep(pause_s)
                pause_s = min(pause_s * 1.5, LOOK_AT_MOST_EVERY_S)
        finally:
            self._progress.remove_task(task)

    async def _settled(self, pages: Sequence[dict[str, Any]]) -> list[Outcome]:
        """What became of the documents, once each is ready or failed."""
        outcomes = {
            str(page["document_id"]): Outcome(
                path=page["url"],
                id=page["document_id"],
                state="queued",
                change=_CHANGES.get(page["outcome"], page["outcome"] or "added"),
            )
            for page in pages
        }
        pending = list(outcomes)
        task = self._progress.add_task("documents", total=len(pending))
        pause_s = FIRST_LOOK_S
        while pending:
            left: list[str] = []
            for start in range(0, len(pending), WATCHED_AT_ONCE):
                left += await self._look(outcomes, pending[start : start + WATCHED_AT_ONCE])
            self._progress.advance(task, len(pending) - len(left))
            pending = left
            if pending:
                await self._scheduler.sleep(pause_s)
                pause_s = min(pause_s * 1.5, LOOK_AT_MOST_EVERY_S)
        self._progress.remove_task(task)
        return list(outcomes.values())

    async def _look(self, outcomes: dict[str, Outcome], ids: list[str]) -> list[str]:
        """Those that have not ended."""
        found = {document["id"]: document for document in await self._rest.documents_among(self._workspace_id, ids)}
        for document_id in ids:
            document, outcome = found.get(document_id), outcomes[document_id]
            if document is None:
                outcome.state, outcome.error = "failed", {"code": "not_found", "message": "It was deleted meanwhile."}
            else:
                outcome.state, outcome.error = document["state"], document.get("error")
        return [document_id for document_id in ids if outcomes[document_id].state not in _ENDED]
