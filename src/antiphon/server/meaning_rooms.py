"""`MeaningRooms`: everything of the search by meaning, built and started together. Used by composition.py and IngestHouse.

Order at the start: embedders open in the background; jobs of dead owners are freed by IngestWorkers before the embedding workers
begin; spaces are loaded into memory one after the other. Tests: tests/integration/test_dense_ingestion.py, test_reindexing.py.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Final

import structlog
from msgspec import to_builtins

from antiphon.access.scope import system_scope
from antiphon.config.settings import Settings
from antiphon.core.errors import AntiphonError
from antiphon.core.runtime import Runtime
from antiphon.ingest.embedding import EmbeddingRun, EmbeddingStage
from antiphon.ingest.embedding_workers import EmbeddingWorkers
from antiphon.ingest.reindexing import Reindexing
from antiphon.library.indexing import Indexing
from antiphon.models.embedders import Embedders, OpenEmbedder
from antiphon.protocol.events import Event
from antiphon.retrieve.dense.cache import DenseCache
from antiphon.retrieve.hybrid import HybridRetriever
from antiphon.retrieve.lexical import LexicalRetriever
from antiphon.retrieve.meaning import Meaning
from antiphon.storage.jobs.contract import JobQueue
from antiphon.storage.lexical.contract import LexicalIndex
from antiphon.storage.records.contract import Store
from antiphon.storage.records.rows import SPACES, SpaceRow
from antiphon.storage.vectors.contract import VectorStore

_EVERYTHING: Final = system_scope("loading vectors into memory at start, before anybody asks")
_log = structlog.get_logger(__name__)


class MeaningRooms:
    def __init__(
        self, *, settings: Settings, runtime: Runtime, store: Store, jobs: JobQueue, index: LexicalIndex, vectors: VectorStore,
        embedders: Embedders, on_event: Callable[[str, Event], None],
    ) -> None:  # fmt: skip
        self._store = store
        self._runtime = runtime
        self.embedders = embedders
        self.stage = EmbeddingStage(jobs, embedders, runtime)
        self.cache = DenseCache(store, vectors, runtime, idle_s=settings.embed.idle_s)
        self.reindexing = Reindexing(
            store=store, jobs=jobs, index=index, vectors=vectors, stage=self.stage, shipped=settings.ingest, runtime=runtime,
            on_event=on_event, on_space=self._space_changed,
        )  # fmt: skip
        run = EmbeddingRun(store=store, jobs=jobs, vectors=vectors, stage=self.stage, runtime=runtime, on_event=on_event)
        self.workers = EmbeddingWorkers(jobs=jobs, run=run, reindexing=self.reindexing, runtime=runtime)
        self.indexing = Indexing(
            store=store, jobs=jobs, vectors=vectors, embedders=embedders, reindexing=self.reindexing, shipped=settings.ingest,
            runtime=runtime, on_event=on_event, stop=self.workers.stop,
        )  # fmt: skip
        self.retriever = HybridRetriever(
            LexicalRetriever(store, index, runtime), Meaning(store, embedders, query_timeout_s=settings.embed.query_timeout_s),
            self.cache, runtime, reranker=embedders.reranker, rerank_timeout_s=settings.rerank.timeout_s,
            rerank_candidates=settings.rerank.candidates,
        )  # fmt: skip
        self._tasks: set[asyncio.Task[None]] = set()

    def start(self) -> None:
        """After IngestWorkers."""
        self.cache.start()
        self.workers.start()
        self.embedders.on_open = self._embedder_opened
        self.embedders.start()
        self._spawn(self._look_after(), "index-care")
        self._spawn(self._load_spaces(), "vectors-at-start")

    async def close(self) -> None:
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.workers.close()
        await self.embedders.close()
        await self.cache.close()

    def statuses(self) -> dict[str, Any]:
        """What GET /models says of it."""
        embedders = self.embedders
        return {
            "embedders": [to_builtins(status) for status in embedders.statuses()], "default": embedders.default_id,
            "absent": embedders.absent, "reranker": None if embedders.reranker is None else embedders.reranker.name,
            "reranker_absent": embedders.reranker_absent,
        }  # fmt: skip

    def _embedder_opened(self, opened: OpenEmbedder) -> None:
        self._spawn(self._look_after(), f"index-care-{opened.id}")

    def _spawn(self, work: Any, name: str) -> None:
        task = self._runtime.scheduler.spawn(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _look_after(self) -> None:
        try:
            await self.indexing.look_after()
        except AntiphonError as error:
            _log.warning("index_not_looked_after", error=error.message)

    async def _load_spaces(self) -> None:
        try:
            spaces = await self._store.read(lambda tx: tx.find(SPACES, _EVERYTHING, {"state": "serving"}, order="created_at"))
            for space in spaces:
                await self.cache.load(space)
        except AntiphonError as error:
            _log.warning("vectors_not_loaded", error=error.message)

    def _space_changed(self, space: SpaceRow, serves: bool) -> None:
        if serves:
            self._spawn(self._load(space), f"vectors-{space.id}")
        else:
            self.cache.forget(space.id)

    async def _load(self, space: SpaceRow) -> None:
        try:
            await self.cache.load(space)
        except AntiphonError as error:
            _log.warning("vectors_not_loaded", space=space.id, error=error.message)
