"""Sets of names (elements, endings, headers) written as words with spaces between. Used at import by the modules of ingest.

Tests: those of the modules that use it.
"""

from __future__ import annotations


def words(*lines: str) -> frozenset[str]:
    return frozenset(word for line in lines for word in line.split())
