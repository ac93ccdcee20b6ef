"""The most central sentences of a section: nearest to what the section speaks of most, and the rest of the document less.

Every sentence is compared with the section's weighted words (tf-idf, the document's chunks being the collection). Pure. Tests:
tests/unit/retrieve/test_whole_document.py.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from typing import Final

from antiphon.storage.lexical.contract import Chunk
from antiphon.storage.lexical.sentences import sentences
from antiphon.storage.lexical.tokens import COLUMN_SEPARATOR, content_terms, query_terms

MOST_CHUNKS: Final = 60
"""Of a section, evenly spread: what is looked at of a very long one."""
_SHORTEST: Final = 8
_LONGEST: Final = 420
_FIRST: Final = 1.15
"""A section's first sentence often says what it is about."""
_LENGTH: Final = 6.0
_ENDS: Final = tuple(".!。！；;…")
_CLOSERS: Final = "\"'”’」』）)]"


def central_sentences(section: Sequence[Chunk], *, all_chunks: Sequence[Chunk], most: int) -> list[tuple[Chunk, int, int]]:
    """(chunk, start, end within its text), at most `most`, in reading order. Lines without an end and questions are taken only
    where there is nothing else."""
    looked_at = [section[number * len(section) // MOST_CHUNKS] for number in range(MOST_CHUNKS)]
    looked_at = list(section) if len(section) <= MOST_CHUNKS else looked_at
    weights = _weights(looked_at, all_chunks)
    found: list[tuple[bool, float, int, Chunk, int, int]] = []
    said: set[str] = set()
    for chunk in looked_at:
        for start, end in sentences(chunk.text):
            text = chunk.text[start:end]
            folded = "".join(text.split()).casefold()
            if not _SHORTEST <= len(text) <= _LONGEST or folded in said or text in chunk.heading_path:
                continue
            said.add(folded)
            terms = content_terms(query_terms(text))
            score = sum(weights.get(term, 0.0) for term in terms) / (len(terms) + _LENGTH)
            whole = text.rstrip(_CLOSERS).endswith(_ENDS) and not text.startswith("#")
            found.append((not whole, -score * (1.0 if found else _FIRST), len(found), chunk, start, end))
    best = sorted(sorted(found, key=lambda one: one[:3])[:most], key=lambda one: one[2])
    if any(not unfinished for unfinished, *_ in best):
        best = [one for one in best if not one[0]]
    return [(chunk, start, end) for _, _, _, chunk, start, end in best]


def _weights(section: Sequence[Chunk], all_chunks: Sequence[Chunk]) -> dict[str, float]:
    """Word -> how much the section speaks of it (log) times how rare it is in the document. Single characters don't count."""
    holders: Counter[str] = Counter()
    for chunk in all_chunks[:: max(1, len(all_chunks) // 2000)]:
        holders.update(set(_words(chunk)))
    spoken: Counter[str] = Counter()
    for chunk in section:
        spoken.update(_words(chunk))
    total = max(1, len(all_chunks))
    return {
        word: math.log(1 + count) * math.log(2 + total / (1 + holders[word])) for word, count in spoken.items() if count > 1
    } or dict.fromkeys(spoken, 1.0)


def _words(chunk: Chunk) -> list[str]:
    body = chunk.tokens.partition(COLUMN_SEPARATOR)[0].split()
    return [word for word in body if len(word) > 1]
