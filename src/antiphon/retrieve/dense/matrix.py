"""`VectorMatrix`: rows of unit vectors that are searched by inner product; faiss where it is installed, else numpy.

Chosen by size (`make_matrix`): float16 rows below SQ8_FROM, one byte a number above, inverted lists above IVF_FROM. Rows are only
added; a position never changes. One matrix is used by one thread at a time or by searches only (cache.py sees to it).
Tests: tests/unit/retrieve/test_matrix.py; measured: docs/decisions/0010-vectors-in-memory.md.
"""

from __future__ import annotations

import importlib
import importlib.util
import math
import os
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeAlias

from antiphon.core.lazy_module import LazyModule

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
else:
    np = LazyModule("numpy")  # a server without an embedder never needs it

Rows: TypeAlias = "npt.NDArray[np.float32]"
Mask: TypeAlias = "npt.NDArray[np.bool_]"
Positions: TypeAlias = "npt.NDArray[np.int64]"
Scores: TypeAlias = "npt.NDArray[np.float32]"

SQ8_FROM: Final = 10_000
IVF_FROM: Final = 30_000
"""A flat search reads every row: 8 ms of CPU at 100,000 rows of 384 numbers, against 0.4 ms through lists (decision 0010)."""
IVF_PROBES: Final = 32
_MOST_LISTS: Final = 1024
_FEWEST_LISTS: Final = 64
_ROWS_A_LIST: Final = 200
_IVF_ROUNDS: Final = 8
_SQ8_SAMPLE: Final = 8_000
_ROWS_TO_TRAIN_A_LIST: Final = 40
_NUMPY_SLICE: Final = 20_000


class VectorMatrix(Protocol):
    @property
    def kind(self) -> str:
        """`fp16`, `sq8`, `ivf-sq8` or `numpy`."""
        ...

    @property
    def count(self) -> int: ...

    def add(self, rows: Rows) -> None:
        """Appends; the first one has the position `count` had."""
        ...

    def search(self, query: Rows, k: int, allowed: Mask | None) -> tuple[Positions, Scores]:
        """The best `k` positions among the allowed ones (None: all), best first; fewer when there are fewer."""
        ...


def has_faiss() -> bool:
    return importlib.util.find_spec("faiss") is not None


def kind_for(count: int, *, faiss: bool) -> str:
    """What a matrix of so many rows should be."""
    if not faiss:
        return "numpy"
    return "fp16" if count < SQ8_FROM else "sq8" if count < IVF_FROM else "ivf-sq8"


def sample_rows(kind: str, count: int) -> int:
    """What a kind is trained with: ranges of numbers are known from few rows, lists need some each."""
    if kind == "ivf-sq8":
        return _ROWS_TO_TRAIN_A_LIST * lists_for(count)
    return _SQ8_SAMPLE if kind == "sq8" else 0


def lists_for(count: int) -> int:
    return min(_MOST_LISTS, max(_FEWEST_LISTS, count // _ROWS_A_LIST))


def make_matrix(kind: str, dimension: int, sample: Rows, *, expected: int = 0) -> VectorMatrix:
    """`expected`: rows it will have. Blocks (training takes seconds for inverted lists). `sample`: `sample_rows` of the rows to come, from all over."""
    if kind == "numpy":
        return NumpyMatrix(dimension)
    return FaissMatrix(kind, dimension, sample, expected=expected)


class FaissMatrix:
    """See VectorMatrix."""

    def __init__(self, kind: str, dimension: int, sample: Rows, *, expected: int = 0) -> None:
        self._faiss: Any = importlib.import_module("faiss")  # it has no types
        self._kind = kind
        self._index = self._made(dimension, sample, expected)

    @property
    def kind(self) -> str:
        return self._kind

    @property
    def count(self) -> int:
        return int(self._index.ntotal)

    def add(self, rows: Rows) -> None:
        if len(rows):
            self._index.add(np.ascontiguousarray(rows, dtype=np.float32))

    def search(self, query: Rows, k: int, allowed: Mask | None) -> tuple[Positions, Scores]:
        faiss = self._faiss
        faiss.omp_set_num_threads(1)  # of this thread: one question must not take all cores
        k = min(k, self.count if allowed is None else int(np.count_nonzero(allowed)))
        if k < 1:
            return np.empty(0, np.int64), np.empty(0, np.float32)
        selector = bits = None
        if allowed is not None:
            bits = np.packbits(allowed, bitorder="little")
            selector = faiss.IDSelectorBitmap(len(allowed), faiss.swig_ptr(bits))
        parameters = self._parameters(selector, 1.0 if allowed is None else float(np.mean(allowed)))
        scores, positions = self._index.search(query.reshape(1, -1), k, params=parameters)
        found = positions[0] >= 0
        return positions[0][found], scores[0][found]

    def _parameters(self, selector: Any, share: float) -> Any:
        faiss = self._faiss
        if self._kind == "ivf-sq8":
            # The fewer rows are allowed, the more lists must be looked into to find k of them.
            probes = min(self._index.nlist, math.ceil(IVF_PROBES / max(share, 1e-6)))
            return faiss.SearchParametersIVF(sel=selector, nprobe=probes)
        return None if selector is None else faiss.SearchParameters(sel=selector)

    def _made(self, dimension: int, sample: Rows, expected: int) -> Any:
        faiss = self._faiss
        inner = faiss.METRIC_INNER_PRODUCT
        if self._kind == "fp16":
            return faiss.IndexScalarQuantizer(dimension, faiss.ScalarQuantizer.QT_fp16, inner)
        sample = np.ascontiguousarray(sample, dtype=np.float32)
        faiss.omp_set_num_threads(os.cpu_count() or 1)
        if self._kind == "sq8":
            index = faiss.IndexScalarQuantizer(dimension, faiss.ScalarQuantizer.QT_8bit, inner)
        else:
            lists = min(lists_for(expected), max(1, len(sample) // 39))
            quantizer = faiss.IndexFlatIP(dimension)
            index = faiss.IndexIVFScalarQuantizer(quantizer, dimension, lists, faiss.ScalarQuantizer.QT_8bit, inner)
            index.cp.niter = _IVF_ROUNDS
            index.cp.max_points_per_centroid = math.ceil(len(sample) / lists)
        # Wider than the sample by a tenth: rows to come may lie outside.
        sq = index.sq
        sq.rangestat, sq.rangestat_arg = faiss.ScalarQuantizer.RS_minmax, 0.1
        index.train(sample)
        return index


class NumpyMatrix:
    """See VectorMatrix: for a machine without faiss; 30 times slower than SQ8, exact."""

    def __init__(self, dimension: int) -> None:
        self._rows = np.empty((0, dimension), np.float16)
        self._count = 0

    @property
    def kind(self) -> str:
        return "numpy"

    @property
    def count(self) -> int:
        return self._count

    def add(self, rows: Rows) -> None:
        needed = self._count + len(rows)
        if needed > len(self._rows):
            grown = np.empty((max(needed, int(1.25 * len(self._rows)) + 256), self._rows.shape[1]), np.float16)
            grown[: self._count] = self._rows[: self._count]
            self._rows = grown
        self._rows[self._count : needed] = rows
        self._count = needed

    def search(self, query: Rows, k: int, allowed: Mask | None) -> tuple[Positions, Scores]:
        scores = np.empty(self._count, np.float32)
        for start in range(0, self._count, _NUMPY_SLICE):
            end = min(start + _NUMPY_SLICE, self._count)
            scores[start:end] = self._rows[start:end].astype(np.float32) @ query.reshape(-1)
        positions = np.arange(self._count) if allowed is None else np.flatnonzero(allowed[: self._count])
        chosen = scores[positions]
        k = min(k, len(positions))
        if k < 1:
            return np.empty(0, np.int64), np.empty(0, np.float32)
        best = np.argpartition(-chosen, k - 1)[:k]
        best = best[np.argsort(-chosen[best], kind="stable")]
        return positions[best].astype(np.int64), chosen[best]
