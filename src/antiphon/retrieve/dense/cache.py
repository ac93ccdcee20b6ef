"""`DenseCache`: the spaces in memory, each loaded from the store, kept level with it, and forgotten when nobody asks.

`search` runs inside a reading of the store, in its thread: it takes in what was added since (a few rows at once, more in the
background), applies the scope before scoring, and joins what it finds to the live chunks of that same reading, so that nothing
deleted or replaced is ever shown. Small spaces are loaded on the spot; large ones in the background, and until then there is no
search by meaning, which is said. Tests: tests/unit/retrieve/test_dense_cache.py, tests/integration/test_dense_ingestion.py.
"""

from __future__ import annotations

import asyncio
import ctypes
import os
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import TYPE_CHECKING, Final, TypeVar

import structlog
from msgspec import Struct

from antiphon.access.scope import Scope
from antiphon.core.errors import ShuttingDown
from antiphon.core.lazy_module import LazyModule
from antiphon.core.runtime import Runtime
from antiphon.models.embedding import Vectors
from antiphon.retrieve.dense.loaded_space import LoadedSpace, rows_of
from antiphon.retrieve.dense.matrix import Rows, has_faiss, kind_for, make_matrix, sample_rows
from antiphon.storage.lexical.contract import ScoredChunk, SearchFilter
from antiphon.storage.records.contract import Store, Transaction
from antiphon.storage.records.rows import SpaceRow
from antiphon.storage.vectors.contract import SpaceState, VectorStore

if TYPE_CHECKING:
    import numpy as np
else:
    np = LazyModule("numpy")

AT_ONCE: Final = 4_000
"""Rows that a question waits for (about 10 ms); more are taken in behind it."""
_BATCH: Final = 5_000
_SAMPLES: Final = 16
_WIDER: Final = 4
_ROUNDS: Final = 3
T = TypeVar("T")
_log = structlog.get_logger(__name__)


class DenseFound(Struct, frozen=True, kw_only=True):
    """`note`: why there is nothing, or less, as a sentence; "" otherwise."""

    ranking: list[ScoredChunk]
    note: str = ""


class DenseCache:
    """`idle_s`: a space that was not asked for so long leaves memory; 0: never. `faiss` None: when it is installed."""

    def __init__(
        self, store: Store, vectors: VectorStore, runtime: Runtime, *, idle_s: float = 1800.0, faiss: bool | None = None
    ) -> None:  # fmt: skip
        self._store = store
        self._vectors = vectors
        self._runtime = runtime
        self._idle_s = idle_s
        self._faiss = has_faiss() if faiss is None else faiss
        self._loaded: dict[str, LoadedSpace] = {}
        self._asked_s: dict[str, float] = {}
        self._guard = threading.Lock()
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._loop: asyncio.AbstractEventLoop | None = None
        self._closed = False
        self._builder = ThreadPoolExecutor(1, thread_name_prefix="antiphon-vectors", initializer=_be_nice)

    @property
    def kinds(self) -> dict[str, tuple[str, int]]:
        """(kind of matrix, rows) of each space in memory; for `doctor` and tests."""
        with self._guard:
            return {space_id: (loaded.kind, loaded.count) for space_id, loaded in self._loaded.items()}

    def start(self) -> None:
        """Names the loop whose tasks load; without it only small spaces are searched."""
        self._loop = asyncio.get_running_loop()

    async def load(self, space: SpaceRow) -> None:
        """Returns when the space is in memory and level with the store."""
        if self._loop is None:
            self.start()
        await self._refresh(space)

    def forget(self, space_id: str) -> None:
        with self._guard:
            self._loaded.pop(space_id, None)
            self._asked_s.pop(space_id, None)

    def evict_idle(self) -> int:
        """The number of spaces that left memory."""
        if not self._idle_s:
            return 0
        before_s = self._runtime.clock.monotonic() - self._idle_s
        with self._guard:
            idle = [space_id for space_id, asked_s in self._asked_s.items() if asked_s < before_s]
        for space_id in idle:
            self.forget(space_id)
        return len(idle)

    async def close(self) -> None:
        self._closed = True
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.to_thread(self._builder.shutdown)
        with self._guard:
            self._loaded.clear()

    # --- in a thread that reads -----------------------------------------------------------------------------------------

    def search(
        self, transaction: Transaction, scope: Scope, space: SpaceRow, query: Vectors, *, k: int, filter: SearchFilter | None = None,  # noqa: A002
    ) -> DenseFound:  # fmt: skip
        """The best `k` live chunks of the space's workspace, by cosine. Nothing for a workspace out of scope."""
        if not scope.sees(space.workspace_id) or k < 1:
            return DenseFound(ranking=[])
        loaded = self._level(transaction, space)
        if loaded is None:
            return DenseFound(ranking=[], note="The vectors of this workspace are being loaded; this search went by words only.")
        row: Rows = np.frombuffer(query.data, dtype="<f4")
        narrowed = filter is not None and (filter.document_ids, filter.tags, filter.paths) != (None, None, None)
        documents = self._vectors.documents(transaction, scope, space.workspace_id, filter) if narrowed else None
        wanted = k
        ranking: list[ScoredChunk] = []
        for _ in range(_ROUNDS):
            hits = loaded.search(row, wanted, documents)
            live = self._vectors.live(transaction, scope, space.workspace_id, [chunk_id for chunk_id, _ in hits])
            ranking = [ScoredChunk(chunk=live[chunk_id], score=score) for chunk_id, score in hits if chunk_id in live]
            if len(ranking) >= k or len(hits) < wanted:
                break
            # What was deleted or replaced just now crowds the best ones: leave its documents out, and look further.
            if documents is None:
                documents = self._vectors.documents(transaction, scope, space.workspace_id, None)
            wanted *= _WIDER
        return DenseFound(ranking=ranking[:k])

    def _level(self, transaction: Transaction, space: SpaceRow) -> LoadedSpace | None:
        """The space in memory, with all that this reading sees; None: it is too far behind."""
        state = self._vectors.state(transaction, space.id)
        with self._guard:
            loaded = self._loaded.get(space.id)
            self._asked_s[space.id] = self._runtime.clock.monotonic()
        if loaded is None or loaded.last_id < state.last_id:
            loaded = self._take_in(transaction, space, loaded)
        if loaded is None or loaded.outgrown or loaded.removals != state.removals:
            self._refresh_soon(space)
        return loaded

    def _take_in(self, transaction: Transaction, space: SpaceRow, loaded: LoadedSpace | None) -> LoadedSpace | None:
        after = 0 if loaded is None else loaded.last_id
        some = self._vectors.load(transaction, space.id, after=after, limit=AT_ONCE + 1)
        if len(some) > AT_ONCE:
            # A little behind is better than nothing: those rows are found by words meanwhile.
            self._refresh_soon(space)
            return loaded
        if loaded is None:
            loaded = self._empty(space, expected=len(some), sample=None)
            loaded.removals = self._vectors.state(transaction, space.id).removals
            with self._guard:
                loaded = self._loaded.setdefault(space.id, loaded)
        loaded.add(some)
        return loaded

    # --- in the background ----------------------------------------------------------------------------------------------

    def _refresh_soon(self, space: SpaceRow) -> None:
        """From any thread."""
        loop = self._loop
        if loop is None or self._closed:
            return

        def begin() -> None:
            if not self._closed and space.id not in self._tasks:
                task = self._runtime.scheduler.spawn(self._refresh_logged(space), name=f"vectors-{space.id}")
                self._tasks[space.id] = task
                task.add_done_callback(lambda _: self._tasks.pop(space.id, None))

        try:
            loop.call_soon_threadsafe(begin)
        except RuntimeError:  # the loop was closed: the server stops
            return

    async def _refresh_logged(self, space: SpaceRow) -> None:
        try:
            await self._refresh(space)
        except ShuttingDown:
            return
        except Exception:  # noqa: BLE001 - the task boundary: searches go on by words, and the next one asks again
            _log.exception("vectors_not_loaded", space=space.id)

    async def _refresh(self, space: SpaceRow) -> None:
        """Brings the space level with the store; builds it anew where that is needed."""
        with self._guard:
            loaded = self._loaded.get(space.id)
        state = await self._store.read(lambda tx: self._vectors.state(tx, space.id))
        if loaded is None or loaded.outgrown or state.last_id < loaded.last_id:
            loaded = await self._built(space)
        else:
            await self._fill(space, loaded)
        if loaded.removals != state.removals:
            await self._mark_removed(space, loaded)
        with self._guard:
            if not self._closed:
                self._loaded[space.id] = loaded
                self._asked_s.setdefault(space.id, self._runtime.clock.monotonic())

    async def _built(self, space: SpaceRow) -> LoadedSpace:
        began_s = self._runtime.clock.monotonic()
        state, (count, _) = await self._store.read(
            lambda tx: (self._vectors.state(tx, space.id), self._vectors.counts(tx, space.id, space.workspace_id))
        )
        sample = await self._sample(space, state, count)
        loaded = await self._build(lambda: self._empty(space, expected=count, sample=sample))
        loaded.removals = state.removals
        await self._fill(space, loaded)
        took_ms = round((self._runtime.clock.monotonic() - began_s) * 1000)
        _log.info("vectors_loaded", space=space.id, rows=loaded.count, kind=loaded.kind, took_ms=took_ms)
        return loaded

    async def _sample(self, space: SpaceRow, state: SpaceState, count: int) -> Rows | None:
        """Rows from all over the space, for training."""
        wanted = sample_rows(kind_for(count, faiss=self._faiss), count)
        if not wanted:
            return None
        each = min(wanted, count) // _SAMPLES + 1
        parts: list[Rows] = []
        for number in range(_SAMPLES):
            after = state.last_id * number // _SAMPLES
            some = await self._store.read(
                lambda tx, after=after: self._vectors.load(tx, space.id, after=after, limit=each)
            )  # fmt: skip
            if some:
                parts.append(await self._build(lambda some=some: rows_of(some, space.dimension)))
        return np.concatenate(parts) if parts else None

    async def _fill(self, space: SpaceRow, loaded: LoadedSpace) -> None:
        while True:
            after = loaded.last_id
            some = await self._store.read(lambda tx, after=after: self._vectors.load(tx, space.id, after=after, limit=_BATCH))
            await self._build(lambda some=some: loaded.add(some))
            if len(some) < _BATCH:
                await self._build(_give_back)
                return

    async def _mark_removed(self, space: SpaceRow, loaded: LoadedSpace) -> None:
        state, ids = await self._store.read(lambda tx: (self._vectors.state(tx, space.id), self._vectors.ids(tx, space.id)))
        await self._build(lambda: loaded.keep_only(ids, state.removals))

    async def _build(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._builder, work)

    def _empty(self, space: SpaceRow, *, expected: int, sample: Rows | None) -> LoadedSpace:
        kind = kind_for(expected if sample is not None else 0, faiss=self._faiss)
        rows: Rows = np.empty((0, space.dimension), np.float32) if sample is None else sample
        matrix = make_matrix(kind, space.dimension, rows, expected=expected)
        return LoadedSpace(space.dimension, matrix, expected=expected, faiss=self._faiss)


def _give_back() -> None:
    """What building took for a moment (the sample, the batches) goes back to the system; else it is kept for ever."""
    if sys.platform == "linux":
        with suppress(AttributeError, OSError):  # a C library without it
            ctypes.CDLL(None).malloc_trim(0)


def _be_nice() -> None:
    """For the one thread that builds: questions go first. Linux knows priorities of threads."""
    if sys.platform == "linux":
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), 10)
