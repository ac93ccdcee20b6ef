"""Sends files, small ones many in a request, and watches them until they can be asked about. Used by `antiphon ingest`.

Tests: tests/unit/cli/test_ingest.py.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any, Final

from msgspec import Struct
from rich.progress import Progress, TaskID

from antiphon.cli.folder import Found
from antiphon.cli.terminal import plain
from antiphon.client import RestClient
from antiphon.core.errors import AntiphonError, NotFound
from antiphon.core.runtime import Scheduler

FIRST_LOOK_S = 0.1
LOOK_AT_MOST_EVERY_S: Final = 1.0
UPLOADS_AT_ONCE: Final = 2
MOST_IN_A_REQUEST: Final = 25
"""They become documents in one transaction, which should hold the writer 10 ms at most."""
SMALL_BYTES: Final = 256 * 1024
WATCHED_AT_ONCE: Final = 100
_ENDED: Final = {"ready", "failed"}


class Outcome(Struct, kw_only=True):
    """What became of one file. `state` is the document's, or `refused` when the server did not take it. `change`: added,
    replaced, duplicate, unchanged or moved."""

    path: str
    id: str | None = None
    state: str = "refused"
    change: str = "added"
    error: dict[str, Any] | None = None


class Sender:
    """For one run of the command."""

    def __init__(
        self, rest: RestClient, workspace_id: str, progress: Progress, scheduler: Scheduler, *, tags: Sequence[str] = ()
    ) -> None:  # fmt: skip
        self._rest = rest
        self._workspace_id = workspace_id
        self._progress = progress
        self._scheduler = scheduler
        self._tags = list(tags)
        self._places = asyncio.Semaphore(UPLOADS_AT_ONCE)
        self._pending: dict[str, Outcome] = {}
        self._sending = True

    async def send(self, files: Sequence[Found], *, wait: bool) -> list[Outcome]:
        """The outcomes in the order of `files`."""
        overall = self._progress.add_task(f"{len(files)} files", total=len(files))
        outcomes = {found.path: Outcome(path=str(found.path)) for found in files}
        watching = asyncio.create_task(self._watch(overall)) if wait else None
        try:
            await asyncio.gather(*(self._send_together(group, outcomes, overall, wait=wait) for group in in_requests(files)))
            self._sending = False
            if watching is not None:
                await watching
        finally:
            if watching is not None:
                watching.cancel()
        return list(outcomes.values())

    async def _send_together(self, group: Sequence[Found], outcomes: dict[Any, Outcome], overall: TaskID, *, wait: bool) -> None:
        name = group[0].path.name if len(group) == 1 else f"{group[0].path.name} and {len(group) - 1} more"
        try:
            async with self._places:
                task = self._progress.add_task(plain(name), total=None)
                try:
                    documents = await self._rest.upload_all(
                        self._workspace_id, [found.path for found in group],
                        paths=[found.known_as for found in group] if group[0].known_as else [], tags=self._tags,
                        progress=(lambda sent, total: self._progress.update(task, completed=sent, total=total))
                        if len(group) == 1 else None,
                    )  # fmt: skip
                finally:
                    self._progress.remove_task(task)
        except (AntiphonError, OSError) as error:
            if len(group) > 1:  # one of them is to blame; the others are sent on their own
                for found in group:
                    await self._send_together([found], outcomes, overall, wait=wait)
                return
            code = error.code if isinstance(error, AntiphonError) else "unreadable"
            outcomes[group[0].path].error = {"code": code, "message": str(error)}
            self._progress.advance(overall)
            return
        for found, document in zip(group, documents, strict=True):
            outcome = outcomes[found.path]
            outcome.id, outcome.state = document["id"], document["state"]
            outcome.change = document.get("change", "added")
            if wait and outcome.state not in _ENDED:
                self._pending[document["id"]] = outcome
            else:
                self._progress.advance(overall)

    async def _watch(self, overall: TaskID) -> None:
        """The oldest first, up to a hundred in one request."""
        pause_s = FIRST_LOOK_S
        while self._sending or self._pending:
            await self._scheduler.sleep(pause_s)
            ids = list(self._pending)[:WATCHED_AT_ONCE]
            try:
                ended = await self._look(ids) if ids else 0
            except NotFound as error:
                for document_id in ids:
                    self._pending.pop(document_id).error = {"code": error.code, "message": str(error)}
                ended = len(ids)
            self._progress.advance(overall, ended)
            pause_s = FIRST_LOOK_S if ended else min(pause_s * 1.5, LOOK_AT_MOST_EVERY_S)

    async def _look(self, ids: list[str]) -> int:
        """How many of them have ended."""
        found = {document["id"]: document for document in await self._rest.documents_among(self._workspace_id, ids)}
        ended = 0
        for document_id in ids:
            document, outcome = found.get(document_id), self._pending[document_id]
            if document is None:
                outcome.state, outcome.error = "failed", {"code": "not_found", "message": "It was deleted meanwhile."}
            else:
                outcome.state, outcome.error = document["state"], document.get("error")
            if outcome.state in _ENDED:
                del self._pending[document_id]
                ended += 1
        return ended


def in_requests(files: Sequence[Found]) -> list[list[Found]]:
    """Small files many together, larger ones each alone; known and unknown ones apart. The order stays within each kind."""
    alone: list[list[Found]] = []
    together: dict[bool, list[Found]] = {True: [], False: []}
    for found in files:
        try:
            small = found.path.stat().st_size <= SMALL_BYTES
        except OSError:
            small = False
        if small:
            together[bool(found.known_as)].append(found)
        else:
            alone.append([found])
    groups = [
        kind[start : start + MOST_IN_A_REQUEST] for kind in together.values() for start in range(0, len(kind), MOST_IN_A_REQUEST)
    ]
    return groups + alone
