"""Reciprocal rank fusion (Cormack, Clarke, Buettcher 2009): rankings whose scores can't be compared become one. Pure.

Tests: tests/unit/retrieve/test_fusion.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

RANK_CONSTANT: Final = 60


def fuse_rankings(rankings: Sequence[Sequence[int]], weights: Sequence[float] | None = None) -> list[tuple[int, float]]:
    """(id, score), best first; an id's score is the sum of weight / (60 + rank). Ties: the one met first stays first."""
    scores: dict[int, float] = {}
    for number, ranking in enumerate(rankings):
        weight = 1.0 if weights is None else weights[number]
        for rank, item in enumerate(ranking, start=1):
            scores[item] = scores.get(item, 0.0) + weight / (RANK_CONSTANT + rank)
    return sorted(scores.items(), key=lambda entry: -entry[1])
