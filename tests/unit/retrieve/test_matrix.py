"""Matrices of every kind find the same neighbours, keep to what is allowed, and the lock lets nobody in beside a change."""

from __future__ import annotations

import threading

import numpy as np
import pytest

from antiphon.retrieve.dense.matrix import FaissMatrix, NumpyMatrix, VectorMatrix, kind_for, make_matrix
from antiphon.retrieve.dense.shared_lock import SharedLock

DIMENSION = 32


def rows(count: int, seed: int = 1) -> np.ndarray:
    made = np.random.default_rng(seed).standard_normal((count, DIMENSION)).astype(np.float32)
    return made / np.linalg.norm(made, axis=1, keepdims=True)


@pytest.fixture(params=["numpy", "fp16", "sq8", "ivf-sq8"])
def matrix(request: pytest.FixtureRequest) -> VectorMatrix:
    made = make_matrix(request.param, DIMENSION, rows(2000))
    for start in range(0, 2000, 300):
        made.add(rows(2000)[start : start + 300])
    return made


def test_the_kind_grows_with_the_rows() -> None:
    kinds = [kind_for(count, faiss=True) for count in (0, 9_999, 10_000, 29_999, 30_000)]
    assert kinds == ["fp16", "fp16", "sq8", "sq8", "ivf-sq8"]
    assert kind_for(10**6, faiss=False) == "numpy"


def test_a_row_finds_itself(matrix: VectorMatrix) -> None:
    assert matrix.count == 2000
    given = rows(2000)
    for number in range(0, 2000, 137):
        positions, scores = matrix.search(given[number], 5, None)
        assert positions[0] == number
        assert scores[0] == pytest.approx(1.0, abs=0.02)
        assert list(scores) == sorted(scores, reverse=True)


def test_only_allowed_rows_are_found_however_few(matrix: VectorMatrix) -> None:
    given = rows(2000)
    for few in ([7], [7, 1999], list(range(0, 2000, 2))):
        allowed = np.zeros(2000, np.bool_)
        allowed[few] = True
        positions, _ = matrix.search(given[8], 10, allowed)
        assert set(positions.tolist()) <= set(few)
        assert len(positions) == min(10, len(few))
    positions, _ = matrix.search(given[8], 10, np.zeros(2000, np.bool_))
    assert len(positions) == 0


def test_it_agrees_with_the_exact_one(matrix: VectorMatrix) -> None:
    exact = NumpyMatrix(DIMENSION)
    exact.add(rows(2000))
    shared = 0
    for query in rows(40, seed=9):
        shared += len(set(exact.search(query, 10, None)[0].tolist()) & set(matrix.search(query, 10, None)[0].tolist()))
    assert shared / 400 > (0.6 if matrix.kind == "ivf-sq8" else 0.95)  # lists of noise have no neighbours in them


def test_an_empty_matrix_finds_nothing() -> None:
    for made in (NumpyMatrix(DIMENSION), FaissMatrix("fp16", DIMENSION, rows(0))):
        assert len(made.search(rows(1), 5, None)[0]) == 0


def test_a_change_is_alone_and_is_not_kept_out() -> None:
    lock, seen, wrong = SharedLock(), [0], []

    def search() -> None:
        for _ in range(300):
            with lock.shared():
                before = seen[0]
                if before % 2 or seen[0] != before:
                    wrong.append(before)

    def change() -> None:
        for _ in range(100):
            with lock.alone():
                seen[0] += 1
                seen[0] += 1

    threads = [threading.Thread(target=search) for _ in range(3)] + [threading.Thread(target=change) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert (wrong, seen[0]) == ([], 400)
