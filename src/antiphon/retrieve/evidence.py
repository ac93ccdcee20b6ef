"""Does what was found speak of what was asked? `evidence_of` gives a number, `LEAST_EVIDENCE` the line. Pure.

Three things are looked at, in the best passages one by one (that several passages together hold the words says little):
how much of the question one passage holds, how much of it stands close together, and how far the best one stands out from
those behind it. Words weigh by rarity; a Chinese pair whose characters stand apart counts half, a Latin word with the same
beginning a little less than the word. How the figures were found: docs/decisions/0011-answers.md; bench/retrieval.py
--refusal measures them. Tests: tests/unit/retrieve/test_evidence.py.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Final

from antiphon.storage.lexical.contract import Chunk, ScoredChunk
from antiphon.storage.lexical.tokens import COLUMN_SEPARATOR

LEAST_EVIDENCE: Final = 0.55
"""Below it a question is refused. Between the two kinds of error: about 5 % of the answerable questions lie below."""

MOST_CANDIDATES: Final = 6
CANDIDATES_WANTED: Final = 12
"""How far down the ranking is looked at for what stands out."""
_APART: Final = 0.25  # of a pair's weight for each of its characters that is there, when the pair is not
_SAME_BEGINNING: Final = 0.7
_BEGINNING_CHARACTERS: Final = 5
_WINDOW_WORDS: Final = 50.0
_CHARACTER_WORDS: Final = 0.4  # of a Latin word, what a CJK token takes of the window (a character gives two tokens)
_STANDS_OUT: Final = 0.12
_MOST_LIFT: Final = 1.5
_UNKNOWN_LIFT: Final = 1.0  # where too little was found to tell
_LEAST_RANKS: Final = 6
_BEHIND: Final = 3
# As if the collection were larger: in a handful of chunks a word that is not there must not outweigh all that are.
_MORE_CHUNKS: Final = 200
_MORE_HOLDERS: Final = 2


def rarity(postings: Mapping[str, int], total: int) -> dict[str, float]:
    """What each term weighs as evidence."""
    return {
        term: math.log(1 + (total + _MORE_CHUNKS - count - _MORE_HOLDERS + 0.5) / (count + _MORE_HOLDERS + 0.5))
        for term, count in postings.items()
    }


def evidence_of(weights: Mapping[str, float], rankings: Sequence[Sequence[ScoredChunk]]) -> float:
    """`weights`: the question's terms. `rankings`: what was found, best first, one for each index that was asked. At least 0;
    about 1 for a passage that says all that was asked."""
    whole = sum(weights.values())
    if not whole:
        return 0.0
    held = close = lift = 0.0
    for ranking in rankings:
        for scored in ranking[:MOST_CANDIDATES]:
            one, near = _of_chunk(weights, scored.chunk, at_least=close)
            held, close = max(held, one), max(close, near)
        if ranking:
            lift = max(lift, _lift(ranking))
    return round((held + close) / (2 * whole) + _STANDS_OUT * lift, 4) if held else 0.0


def _lift(ranking: Sequence[ScoredChunk]) -> float:
    scores = [scored.score for scored in ranking[:CANDIDATES_WANTED]]
    behind = scores[_BEHIND:]
    if len(scores) < _LEAST_RANKS or min(scores) <= 0:
        return _UNKNOWN_LIFT
    return min(max(math.log(scores[0] * len(behind) / sum(behind)), 0.0), _MOST_LIFT)


def _of_chunk(weights: Mapping[str, float], chunk: Chunk, *, at_least: float) -> tuple[float, float]:
    """(weight that the chunk holds, the greatest weight that stands close together in it, if it passes `at_least`)."""
    body, _, headline = chunk.tokens.partition(COLUMN_SEPARATOR)
    keys = _keys(weights)
    above = {key for _, key in _hits(headline, keys)}
    hits = _hits(body, keys)
    whole = _weight(weights, above.union(key for _, key in hits))
    best = 0.0
    end = 0
    for begin, (place, _) in enumerate(hits):
        if whole <= at_least:
            break
        first = end
        while end < len(hits) and hits[end][0] - place <= _WINDOW_WORDS:
            end += 1
        if end > first:  # a window that only lost its beginning can't be better
            best = max(best, _weight(weights, above.union(key for _, key in hits[begin:end])))
    return whole, best


def _keys(weights: Mapping[str, float]) -> dict[str, str]:
    """Token, or beginning of a token (with a `*`), or character -> what is noted when it is met."""
    keys: dict[str, str] = {}
    for term in weights:
        keys[term] = term
        if term.isascii():
            if len(term) >= _BEGINNING_CHARACTERS:
                beginning = term[:_BEGINNING_CHARACTERS] + "*"
                keys[beginning] = beginning
        elif len(term) == 2:
            keys.update(zip(term, term, strict=True))
    return keys


def _hits(text: str, keys: Mapping[str, str]) -> list[tuple[float, str]]:
    """(place in words, key) of the tokens that are asked for. In a text with any CJK every token takes as much as one of it."""
    words = 1.0 if text.isascii() else _CHARACTER_WORDS
    tokens = text.split()
    hits = [(place * words, token) for place, token in enumerate(tokens) if token in keys]
    beginnings = {key for key in keys if key.endswith("*")}
    if beginnings:
        hits += [
            (place * words, token[:_BEGINNING_CHARACTERS] + "*")
            for place, token in enumerate(tokens)
            if token[:_BEGINNING_CHARACTERS] + "*" in beginnings and token not in keys
        ]
        hits.sort()
    return hits


def _weight(weights: Mapping[str, float], held: set[str]) -> float:
    total = 0.0
    for term, weight in weights.items():
        if term in held:
            total += weight
        elif not term.isascii() and len(term) == 2:
            total += weight * _APART * ((term[0] in held) + (term[1] in held))
        elif term[:_BEGINNING_CHARACTERS] + "*" in held:
            total += weight * _SAME_BEGINNING
    return total
