"""`SliceSize`: how many rows one transaction takes so that ingestion holds the writer about 10 ms, never much over 20.

Tests: tests/unit/ingest/test_slices.py.
"""

from __future__ import annotations

from typing import Final

AIM_MS: Final = 8.0
MOST_MS: Final = 20.0
_LARGEST: Final = 512


class SliceSize:
    """Starts small, grows while slices are quick, shrinks at once when one was slow."""

    def __init__(self, first: int = 8) -> None:
        self.rows = first

    def measured(self, rows: int, took_ms: float) -> None:
        """Call with what a slice of `rows` took inside the transaction."""
        if not rows:
            return
        if took_ms > AIM_MS:
            self.rows = max(1, min(self.rows // 2, int(rows * AIM_MS / took_ms)))
        elif took_ms < AIM_MS / 2 and rows >= self.rows:
            self.rows = min(self.rows * 2, _LARGEST)
