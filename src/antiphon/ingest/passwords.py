"""`Passwords`: of encrypted documents, in this process's memory only, never written. One per process.

Kept as long as the process lives, so that rectangles and page images of an opened document work; after a restart they are
asked for again. Tests: tests/unit/ingest/test_passwords.py.
"""

from __future__ import annotations

from typing import Final

MOST_KEPT: Final = 10_000


class Passwords:
    """Loop-thread only."""

    def __init__(self) -> None:
        self._kept: dict[str, str] = {}

    def keep(self, document_id: str, password: str) -> None:
        """The oldest is forgotten beyond MOST_KEPT."""
        self._kept.pop(document_id, None)
        self._kept[document_id] = password
        if len(self._kept) > MOST_KEPT:
            del self._kept[next(iter(self._kept))]

    def of(self, document_id: str) -> str | None:
        return self._kept.get(document_id)

    def forget(self, document_id: str) -> None:
        self._kept.pop(document_id, None)
