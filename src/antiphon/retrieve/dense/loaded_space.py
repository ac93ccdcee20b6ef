"""`LoadedSpace`: one space in memory: the matrix, and whose each row is. Derived from the store; used by cache.py from threads.

A row costs the matrix's bytes (384 for 384 dimensions from 10,000 rows on) and 21 more. Rows that were removed from the store stay
as marks that no search passes until a rebuild. Tests: tests/unit/retrieve/test_dense_cache.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

from antiphon.core.lazy_module import LazyModule
from antiphon.retrieve.dense.matrix import Mask, Rows, VectorMatrix, kind_for
from antiphon.retrieve.dense.shared_lock import SharedLock
from antiphon.storage.vectors.contract import StoredVector

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
else:
    np = LazyModule("numpy")

_DEAD_SHARE: Final = 0.2
_OUTGROWN: Final = 4.0
"""Quantisers are trained again when there are so many times more rows than at their training."""


class LoadedSpace:
    """`last_id`, `removals`: the state of the store that it knows."""

    def __init__(self, dimension: int, matrix: VectorMatrix, *, expected: int, faiss: bool) -> None:
        self.last_id = 0
        self.removals = -1
        self._dimension = dimension
        self._matrix = matrix
        self._faiss = faiss
        self._lock = SharedLock()
        self._count = self._dead_count = 0
        self._trained_at = max(expected, 1)
        self._vector_ids = np.empty(expected, np.int64)
        self._chunk_ids = np.empty(expected, np.int64)
        self._documents = np.empty(expected, np.int32)
        self._dead = np.zeros(expected, np.bool_)
        self._numbers: dict[str, int] = {}

    @property
    def kind(self) -> str:
        return self._matrix.kind

    @property
    def count(self) -> int:
        """Rows that a search may find."""
        return self._count - self._dead_count

    @property
    def outgrown(self) -> bool:
        """Whether it should be built again: another kind of matrix, many dead rows, or a training of long ago."""
        if self._dead_count > _DEAD_SHARE * max(self._count, 1000):
            return True
        if self._matrix.kind != kind_for(self.count, faiss=self._faiss) and self.count > self._trained_at:
            return True
        return self._matrix.kind in {"sq8", "ivf-sq8"} and self.count > _OUTGROWN * self._trained_at

    def add(self, vectors: Sequence[StoredVector]) -> None:
        """Rows behind `last_id`, by id."""
        if not vectors:
            return
        rows = rows_of(vectors, self._dimension)
        numbers = [self._numbers.setdefault(vector.document_id, len(self._numbers)) for vector in vectors]
        with self._lock.alone():
            fresh = [n for n, vector in enumerate(vectors) if vector.id > self.last_id]
            if not fresh:
                return  # another thread was quicker
            start = self._count
            end = start + len(fresh)
            self._grow(end)
            self._vector_ids[start:end] = [vectors[n].id for n in fresh]
            self._chunk_ids[start:end] = [vectors[n].chunk_id for n in fresh]
            self._documents[start:end] = [numbers[n] for n in fresh]
            self._dead[start:end] = False
            self._matrix.add(rows if len(fresh) == len(vectors) else rows[fresh])
            self._count = end
            self.last_id = vectors[-1].id

    def keep_only(self, ids: Sequence[int], removals: int) -> None:
        """`ids`: all that the store has now, rising. Rows of others are dead."""
        present = np.asarray(ids, dtype=np.int64)
        with self._lock.alone():
            mine = self._vector_ids[: self._count]
            place = np.searchsorted(present, mine)
            place[place == len(present)] = 0
            dead = np.ones(len(mine), np.bool_) if not len(present) else present[place] != mine
            self._dead[: self._count] = dead
            self._dead_count = int(np.count_nonzero(dead))
            self.removals = removals

    def search(self, query: Rows, k: int, documents: Sequence[str] | None) -> list[tuple[int, float]]:
        """(chunk id, cosine), best first. `documents`: only rows of these (None: of all)."""
        with self._lock.shared():
            allowed = self._allowed(documents)
            positions, scores = self._matrix.search(query, k, allowed)
            return list(zip(self._chunk_ids[positions].tolist(), scores.tolist(), strict=True))

    def _allowed(self, documents: Sequence[str] | None) -> Mask | None:
        dead = self._dead[: self._count] if self._dead_count else None
        if documents is None:
            return None if dead is None else ~dead
        wanted = np.zeros(len(self._numbers) + 1, np.bool_)
        for document_id in documents:
            number = self._numbers.get(document_id)
            if number is not None:
                wanted[number] = True
        allowed: Mask = wanted[self._documents[: self._count]]
        return allowed if dead is None else allowed & ~dead

    def _grow(self, needed: int) -> None:
        size = len(self._vector_ids)
        if needed <= size:
            return
        size = max(needed, size + size // 4 + 64)
        self._vector_ids = _grown(self._vector_ids, size)
        self._chunk_ids = _grown(self._chunk_ids, size)
        self._documents = _grown(self._documents, size)
        self._dead = _grown(self._dead, size)


def rows_of(vectors: Sequence[StoredVector], dimension: int) -> Rows:
    halves = np.frombuffer(b"".join(vector.half for vector in vectors), dtype="<f2")
    return halves.reshape(len(vectors), dimension).astype(np.float32)


def _grown(array: npt.NDArray[Any], size: int) -> npt.NDArray[Any]:
    grown = np.zeros(size, array.dtype)
    grown[: len(array)] = array
    return grown
