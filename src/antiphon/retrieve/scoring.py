"""bm25 over the tokens of chunks that are at hand: for terms that were too common to search for, and for weighted questions.

A search costs by the postings it reads, so it asks for the rare terms only; what it found is ordered here by all of them.
The formula is that of the index (k1 1.2, b 0.75, headline 0.5), with the mean length of the given chunks. Pure. Tests:
tests/unit/retrieve/test_scoring.py.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Final

from msgspec import structs

from antiphon.storage.lexical.contract import ScoredChunk
from antiphon.storage.lexical.sqlite import HEADLINE_WEIGHT
from antiphon.storage.lexical.tokens import COLUMN_SEPARATOR

_K1: Final = 1.2
_B: Final = 0.75
_LEAST_SCORE: Final = 0.3


def term_scores(postings: Mapping[str, int], total: int) -> dict[str, float]:
    """The idf of the index; a term in about half of the chunks or more keeps a little (in a few chunks many a good word is)."""
    return {term: max(_LEAST_SCORE, math.log((total - count + 0.5) / (count + 0.5))) for term, count in postings.items()}


def rescored(candidates: Sequence[ScoredChunk], weights: Mapping[str, float]) -> list[ScoredChunk]:
    """The same chunks, once each, with the bm25 of all `weights`, best first (ties: as they came)."""
    chunks = {scored.chunk.chunk_id: scored for scored in candidates}
    counted = [(scored, *_counted(scored.chunk.tokens, weights)) for scored in chunks.values()]
    mean = sum(length for *_, length in counted) / max(1, len(counted)) or 1.0
    found: list[ScoredChunk] = []
    for scored, counts, length in counted:
        room = _K1 * (1 - _B + _B * length / mean)
        score = sum(weights[term] * count * (_K1 + 1) / (count + room) for term, count in counts.items())
        found.append(structs.replace(scored, score=score))
    return sorted(found, key=lambda scored: -scored.score)


def _counted(tokens: str, weights: Mapping[str, float]) -> tuple[dict[str, float], int]:
    """(how often each term is there, all tokens)."""
    body, _, headline = tokens.partition(COLUMN_SEPARATOR)
    inside, above = body.split(), headline.split()
    counts: dict[str, float] = dict(Counter([token for token in inside if token in weights]))
    for token in above:
        if token in weights:
            counts[token] = counts.get(token, 0.0) + HEADLINE_WEIGHT
    return counts, len(inside) + len(above)
