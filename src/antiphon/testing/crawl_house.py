"""`CrawlHouse`: a whole house in this process, its crawls and watches at work, for tests with real sites on loopback ports.

Commands go through the table as the owner; `events` is what the workspace was told. Tests: tests/integration/test_crawl.py,
test_watches.py.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from antiphon.access.identity import Identity
from antiphon.config.settings import Crawl, Outgoing, Settings, Watch
from antiphon.core.runtime import Runtime
from antiphon.protocol.events import Event
from antiphon.server.composition import House

WAIT_S = 25.0
QUICK = Crawl(delay_s=0.0, retries=0)


class CrawlHouse:
    def __init__(self, house: House, owner: Identity, workspace_id: str) -> None:
        self.house = house
        self.owner = owner
        self.workspace_id = workspace_id
        self.events: list[Event] = []

    @classmethod
    @asynccontextmanager
    async def open(
        cls, folder: Path, *, allow: str = "", crawl: Crawl | None = None, watch: Watch | None = None, runtime: Runtime | None = None,
        **settings: Any,
    ) -> AsyncGenerator[CrawlHouse]:  # fmt: skip
        given = Settings(
            data_dir=folder, sample=False, outgoing=settings.pop("outgoing", None) or Outgoing(allow=allow, idle_s=3, timeout_s=10),
            crawl=crawl or QUICK, watch=watch or Watch(), **settings,
        )  # fmt: skip
        house = await House.open(given, runtime)
        try:
            owner = await house.accounts.owner_identity()
            made = await house.commands.execute("workspace_create", {"name": "W"}, identity=owner, request_id="req_test")
            opened = cls(house, owner, str(made["id"]))
            append = house.stores.log.append

            def recorded(topics: Sequence[str], event: Event, *, event_id: str | None = None) -> None:
                opened.events.append(event)
                append(topics, event, event_id=event_id)

            house.stores.log.append = recorded
            house.crawls._publish = recorded  # noqa: SLF001 # pyright: ignore[reportPrivateUsage]
            yield opened
        finally:
            await house.close()

    async def do(self, verb: str, **fields: Any) -> dict[str, Any]:
        return await self.house.commands.execute(verb, fields, identity=self.owner, request_id="req_test")

    async def add(self, url: str, **fields: Any) -> dict[str, Any]:
        return await self.do("url_add", workspace_id=self.workspace_id, url=url, **fields)

    async def crawled(self, url: str, **fields: Any) -> dict[str, Any]:
        """Adds the address, and waits until the crawl has ended and every document has."""
        return await self.ended((await self.add(url, **fields))["crawl"]["id"])

    async def ended(self, crawl_id: str) -> dict[str, Any]:
        async with asyncio.timeout(WAIT_S):
            while (crawl := await self.do("crawl_get", crawl_id=crawl_id))["state"] == "running":
                await self.house.runtime.scheduler.sleep(0.01)
            await self.settled()
        return crawl

    async def settled(self) -> None:
        """Every document is ready or failed."""
        async with asyncio.timeout(WAIT_S):
            while any(row["state"] not in {"ready", "failed"} for row in await self.documents()):
                await self.house.runtime.scheduler.sleep(0.01)

    async def documents(self) -> list[dict[str, Any]]:
        """By path."""
        found = await self.do("document_list", workspace_id=self.workspace_id, limit=200)
        return sorted(found["documents"], key=lambda row: (row["path"], row["name"]))

    async def by_path(self) -> dict[str, dict[str, Any]]:
        return {row["path"]: row for row in await self.documents()}

    async def search(self, query: str) -> list[str]:
        """The paths of what is found."""
        paths = {row["id"]: row["path"] for row in await self.documents()}
        found = await self.do("search", workspace_id=self.workspace_id, query=query, k=20)
        return list(dict.fromkeys(paths[passage["document_id"]] for passage in found["passages"]))

    async def synced(self, watch_id: str) -> dict[str, Any]:
        """Waits for the end of the sync that is under way; the watch."""
        async with asyncio.timeout(WAIT_S):
            while (watch := await self.do("watch_get", watch_id=watch_id))["running"]:
                await self.house.runtime.scheduler.sleep(0.01)
            await self.settled()
        return watch
