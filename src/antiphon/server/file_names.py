"""Names of files as people give them: made safe to keep, and written into a header. Tests: tests/unit/server/test_file_names.py."""

from __future__ import annotations

import unicodedata
from typing import Final
from urllib.parse import quote

LONGEST_NAME: Final = 200
"""In characters. Longer names keep their beginning and their extension."""
_LONGEST_EXTENSION: Final = 12
_NAMELESS: Final = "document"


def clean_name(name: str) -> str:
    """A name for people: the last step of a path, NFC, without control and direction characters, never empty.

    Files are stored under our own ids; this only keeps a name from lying to whoever reads it (security.md C1)."""
    last = name.replace("\\", "/").rstrip("/").rsplit("/", 1)[-1]
    kept = "".join(" " if c.isspace() else c for c in unicodedata.normalize("NFC", last) if c.isspace() or _is_visible(c))
    kept = " ".join(kept.split())
    if not kept.strip(". "):
        return _NAMELESS
    if len(kept) > LONGEST_NAME:
        stem, dot, extension = kept.rpartition(".")
        tail = dot + extension if stem and len(extension) <= _LONGEST_EXTENSION else ""
        kept = kept[: LONGEST_NAME - len(tail)] + tail
    return kept


def _is_visible(character: str) -> bool:
    # Cc control, Cf format (RTL override, zero-width, BOM), Cs surrogate, Co private, Cn unassigned, Zl/Zp line ends.
    return unicodedata.category(character) not in {"Cc", "Cf", "Cs", "Cn", "Co", "Zl", "Zp"}


def attachment(name: str) -> str:
    """`Content-Disposition` that makes a browser save the file under `name` (RFC 6266, RFC 8187)."""
    safe = clean_name(name)
    plain = "".join(c if c.isascii() and (c.isalnum() or c in " ._-()") else "_" for c in safe)
    return f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(safe, safe='')}"
