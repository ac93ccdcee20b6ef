"""Containers that are told rather than opened: archives.

Tests: tests/unit/ingest/office/test_package.py.
"""

from __future__ import annotations

from pathlib import Path
from typing import NoReturn

from antiphon.core.errors import Unsupported
from antiphon.ingest.media_names import ZIP, advice_for
from antiphon.ingest.office.zip_guard import inspect


def refuse_archive(path: Path, _password: str | None) -> NoReturn:
    """A zip that is no document. Raises what zip_guard.inspect raises for a cut-off or dangerous one: that is the better reason."""
    inspect(path)
    raise Unsupported(advice_for(ZIP), data={"reason": "unsupported_type", "media_type": ZIP})
