"""`QuotedText`: text that stands in a document as it is. A `[3]` in it is the document's own, never a citation of ours.

Given by the extractive answerer as the text of a delta; `PushTextStream` passes such a piece on as it came, and
runs/live.py looks for no marks in it. A node that makes new text of it loses the difference, and only that. Tests:
tests/unit/models/test_extractive.py, tests/unit/runs/test_live.py.
"""

from __future__ import annotations


class QuotedText(str):
    """A string like any other, but for its type."""

    __slots__ = ()
