"""Slugs of workspaces: short ASCII names for addresses. Tests: tests/unit/library/test_slugs.py.

Every slug ends in random characters. A bare `handbook`, then `handbook-2`, would tell whoever tries names which workspaces
others have (promise P8); and a name without Latin letters still gets a slug.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Final

from antiphon.core.runtime import RandomSource

MAX_SLUG_CHARACTERS: Final = 40
_SUFFIX_CHARACTERS = 8  # of base 32: 40 random bits; a clash raises Conflict and is tried again
_BASE32 = "abcdefghijklmnopqrstuvwxyz234567"


def slug_of(name: str, random: RandomSource) -> str:
    """`Team Handbook` -> `team-handbook-k3x7q2ab`, `产品手册` -> `workspace-k3x7q2ab`."""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    stem = re.sub(r"[^a-z0-9]+", "-", plain)[:MAX_SLUG_CHARACTERS].strip("-") or "workspace"
    return f"{stem}-{''.join(_BASE32[byte % 32] for byte in random.token(_SUFFIX_CHARACTERS))}"
