"""`Embedders`: the embedders and the reranker this server has, which one is the default, and why one is not there.

Made and started by the composition root; ingest and retrieve ask it. An embedder is opened in the background and tried again until
it answers: nothing waits for it, and nothing fails without it. Tests: tests/unit/models/test_embedders.py.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Final, Literal, NamedTuple

import structlog
from msgspec import Struct

from antiphon.core.errors import AntiphonError
from antiphon.core.runtime import Runtime
from antiphon.models.embedding import Embedder, EmbeddingSpace, Reranker

NO_EMBEDDER: Final = "none"
"""As the setting of a workspace: search by words only."""
FIRST_RETRY_S: Final = 2.0
LONGEST_RETRY_S: Final = 60.0
_log = structlog.get_logger(__name__)


class EmbedderStatus(Struct, frozen=True, kw_only=True):
    """`reason`: a sentence, why it is not ready; "" when it is."""

    id: str
    label: str
    state: Literal["ready", "opening", "unavailable"]
    reason: str = ""
    dimension: int | None = None
    languages: list[str] | None = None


class OpenEmbedder(NamedTuple):
    id: str
    embedder: Embedder
    space: EmbeddingSpace


class Embedders:
    """`given`: the configured ones by id, the default first. `absent`: why there is none, when there is none."""

    def __init__(
        self, given: Mapping[str, Embedder], runtime: Runtime, *, absent: str = "", reranker: Reranker | None = None,
        reranker_absent: str = "", on_open: Callable[[OpenEmbedder], None] | None = None,
    ) -> None:  # fmt: skip
        self._given = dict(given)
        self._runtime = runtime
        self._reasons: dict[str, str] = {}
        self._open: dict[str, EmbeddingSpace] = {}
        self._tasks: list[asyncio.Task[None]] = []
        self.absent = absent
        self.reranker = reranker
        self.reranker_absent = reranker_absent
        self.on_open = on_open

    @property
    def default_id(self) -> str | None:
        return next(iter(self._given), None)

    @property
    def ids(self) -> list[str]:
        return list(self._given)

    def start(self) -> None:
        """Opens all of them in the background."""
        for embedder_id in self._given:
            work = self._keep_opening(embedder_id)
            self._tasks.append(self._runtime.scheduler.spawn(work, name=f"embedder-{embedder_id}"))

    async def open_now(self) -> None:
        """Tries each once, for `doctor` and tests; what failed is in `statuses`."""
        for embedder_id in self._given:
            await self._try_open(embedder_id)

    def choose(self, setting: str | None) -> OpenEmbedder | None:
        """What a workspace with this setting uses (None: the default); None when it is off, unknown, or does not answer yet.
        From any thread."""
        embedder_id = setting or self.default_id
        space = self._open.get(embedder_id or "")
        return None if embedder_id is None or space is None else OpenEmbedder(embedder_id, self._given[embedder_id], space)

    def with_fingerprint(self, fingerprint: str) -> OpenEmbedder | None:
        """The open embedder whose vectors these are. From any thread."""
        for embedder_id, space in list(self._open.items()):
            if space.fingerprint == fingerprint:
                return OpenEmbedder(embedder_id, self._given[embedder_id], space)
        return None

    def expects(self, setting: str | None) -> bool:
        """Whether a workspace with this setting has an embedder, open or not."""
        return (setting or self.default_id) in self._given

    def statuses(self) -> list[EmbedderStatus]:
        return [self._status(embedder_id, embedder) for embedder_id, embedder in self._given.items()]

    def reasons(self) -> list[str]:
        """For /healthz: what is configured and does not work."""
        return [f"Search by meaning is off: {reason}" for reason in self._reasons.values()]

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for embedder in self._given.values():
            await embedder.close()
        if self.reranker is not None:
            await self.reranker.close()

    def _status(self, embedder_id: str, embedder: Embedder) -> EmbedderStatus:
        space, reason = self._open.get(embedder_id), self._reasons.get(embedder_id, "")
        if space is None:
            state: Literal["opening", "unavailable"] = "unavailable" if reason else "opening"
            return EmbedderStatus(id=embedder_id, label=embedder.name, state=state, reason=reason)
        return EmbedderStatus(
            id=embedder_id, label=embedder.name, state="ready", dimension=space.dimension, languages=space.languages
        )

    async def _keep_opening(self, embedder_id: str) -> None:
        wait_s = FIRST_RETRY_S
        while not await self._try_open(embedder_id):
            await self._runtime.scheduler.sleep(wait_s)
            wait_s = min(2 * wait_s, LONGEST_RETRY_S)

    async def _try_open(self, embedder_id: str) -> bool:
        try:
            space = await self._given[embedder_id].open()
        except AntiphonError as error:
            if self._reasons.get(embedder_id) != error.message:
                _log.warning("embedder_not_open", embedder=embedder_id, reason=error.message)
            self._reasons[embedder_id] = error.message
            return False
        except Exception as error:  # noqa: BLE001 - the task boundary: a defect of ours must not end the trying for good
            _log.exception("embedder_failed", embedder=embedder_id)
            self._reasons[embedder_id] = f"Opening it failed ({type(error).__name__}); the log has the details."
            return False
        self._reasons.pop(embedder_id, None)
        self._open[embedder_id] = space
        _log.info("embedder_open", embedder=embedder_id, model=space.model, dimension=space.dimension)
        if self.on_open is not None:
            self.on_open(OpenEmbedder(embedder_id, self._given[embedder_id], space))
        return True
