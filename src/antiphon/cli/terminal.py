"""What goes to the terminal and how: results on stdout, everything else on stderr, no colour and no bars without a tty.

Texts from documents, models and servers pass `plain`, so that none of them can send control sequences to the terminal.
Used by every command. Tests: tests/unit/cli/test_terminal.py.
"""

from __future__ import annotations

import sys
import unicodedata
from typing import Any

import msgspec
from rich.console import Console
from rich.table import Table
from rich.text import Text

_KEPT = {"\n", "\t"}


def plain(text: str) -> str:
    """Without control characters (but line breaks and tabs), and without those that turn the direction of writing."""
    return "".join(c for c in text if c in _KEPT or unicodedata.category(c) not in {"Cc", "Cf", "Cs"} or c == "\u200d")


def notes() -> Console:
    """stderr: progress, status, hints."""
    return Console(stderr=True, highlight=False, soft_wrap=True)


def results() -> Console:
    """stdout, for tables."""
    return Console(highlight=False, soft_wrap=not sys.stdout.isatty())


def write(text: str) -> None:
    """Text of the result, as it is, at once."""
    sys.stdout.write(text)
    sys.stdout.flush()


def write_json(value: Any) -> None:
    """One line."""
    write(msgspec.json.encode(value).decode() + "\n")


def write_table(columns: list[str], rows: list[list[str]], *, empty: str) -> None:
    """A table on a tty, tab-separated lines elsewhere (so that other programs can read them)."""
    if not rows:
        notes().print(empty)
        return
    if not sys.stdout.isatty():
        for row in rows:
            write("\t".join(plain(cell).replace("\n", " ").replace("\t", " ") for cell in row) + "\n")
        return
    table = Table(*columns, box=None, header_style="bold", pad_edge=False)
    for row in rows:
        table.add_row(*(Text(plain(cell)) for cell in row))
    results().print(table)
