"""`SliceTime`, `SliceSize`: how long and how many rows one transaction takes, so that ingestion holds the writer less than 20 ms.

Tests: tests/unit/ingest/test_slices.py.
"""

from __future__ import annotations

from typing import Final

AIM_MS: Final = 8.0
MOST_MS: Final = 20.0
_LARGEST: Final = 512
_LEAST_MS: Final = 1.5


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


class SliceTime:
    """How long chunks may be added in one slice; what is added is then written out, which takes its time as well. A slice is
    ended by the clock, and the next one is shorter when the whole took too long."""

    def __init__(self) -> None:
        self.adding_ms = AIM_MS / 4

    def measured(self, whole_ms: float) -> None:
        """Call with what the slice took inside the transaction."""
        if whole_ms > AIM_MS:
            self.adding_ms = max(_LEAST_MS, self.adding_ms * AIM_MS / whole_ms)
        elif whole_ms < AIM_MS / 2:
            self.adding_ms = min(AIM_MS / 2, self.adding_ms * 1.5)
