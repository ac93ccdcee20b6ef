"""`quoted`: text of documents as a prompt shows it. Used by the nodes and by session titles.

Tests: tests/unit/runs/test_nodes_fit.py.
"""

from __future__ import annotations


def quoted(text: str) -> str:
    """Every line, however it ends, with `> ` before it: nothing in a document can look like words that stand outside of it."""
    return "\n".join(f"> {line}" for line in text.splitlines() or [""])
