"""Secrets people and programs carry: their form, their hash, their comparison. Called by access and library only.

A secret is a prefix that tells what it is (`ak_` key, `al_` cookie session, `at_` socket ticket, `as_` sign-in link,
`ac_` the running server's own command line) and 256 random bits in base 62. Only its sha256 is ever stored: with 256
random bits a slow hash brings nothing. Tests: tests/unit/access/test_secrets.py.
"""

from __future__ import annotations

import hmac
from hashlib import sha256
from typing import Final, Literal

from antiphon.core.ids import base62
from antiphon.core.runtime import RandomSource

SecretKind = Literal["ak", "al", "at", "as", "ac"]
SECRET_BYTES: Final = 32
MAX_SECRET_CHARACTERS: Final = 512
"""A longer credential is refused before it is hashed."""
_CHARACTERS = 43  # 62**43 > 2**256


def new_secret(kind: SecretKind, random: RandomSource) -> str:
    """`ak_` + 43 characters that carry 256 random bits."""
    return f"{kind}_{base62(int.from_bytes(random.token(SECRET_BYTES), 'big'), _CHARACTERS)}"


def hash_secret(secret: str) -> str:
    """sha256, hex. Lone surrogates (a header may hold them) are hashed, not refused."""
    return sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()


def same_secret(presented: str, expected: str) -> bool:
    """Equal? Takes the same time wherever the two differ, and whatever the length of `presented` up to the limit."""
    return hmac.compare_digest(hash_secret(presented[: MAX_SECRET_CHARACTERS + 1]), hash_secret(expected))


def is_plausible(secret: str) -> bool:
    """Whether `secret` is worth a look-up at all: not empty, not longer than any of ours."""
    return 0 < len(secret) <= MAX_SECRET_CHARACTERS
