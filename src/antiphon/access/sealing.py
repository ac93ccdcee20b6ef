"""`SecretBox`: seals secrets of others (keys of model servers) for the database, and opens them again. Called by library only.

AES-256-GCM under a key derived from the server's secret; each sealed text is bound to the row it stands in, so that one
cannot be put in the place of another. Tests: tests/unit/access/test_sealing.py.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable
from typing import Final

from antiphon.core.errors import Internal
from antiphon.core.runtime import RandomSource

_VERSION: Final = "v1"
_NONCE_BYTES: Final = 12
_PURPOSE: Final = b"antiphon: keys of model providers, v1"
HINT_CHARACTERS: Final = 4
_HINTED_FROM: Final = 12
"""A shorter secret has no hint: four characters would be too much of it."""


class CannotOpen(Internal):
    """Sealed with another secret, or damaged. Give the secret again."""


class SecretBox:
    """`secret`: asked for at first use only. The runtime's randomness makes the nonces."""

    def __init__(self, secret: Callable[[], bytes], random: RandomSource) -> None:
        self._secret = secret
        self._random = random
        self._key: bytes | None = None

    def seal(self, text: str, *, bound_to: str) -> str:
        # Lazy, as in `open`: most houses store no key, and the library takes its time and memory to load.
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        nonce = self._random.token(_NONCE_BYTES)
        sealed = AESGCM(self._derived()).encrypt(nonce, text.encode(), bound_to.encode())
        return f"{_VERSION}.{base64.urlsafe_b64encode(nonce + sealed).decode()}"

    def open(self, sealed: str, *, bound_to: str) -> str:
        """Raises CannotOpen."""
        from cryptography.exceptions import InvalidTag
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        version, _, encoded = sealed.partition(".")
        try:
            data = base64.urlsafe_b64decode(encoded.encode())
            if version != _VERSION or len(data) <= _NONCE_BYTES:
                raise InvalidTag
            return AESGCM(self._derived()).decrypt(data[:_NONCE_BYTES], data[_NONCE_BYTES:], bound_to.encode()).decode()
        except (InvalidTag, binascii.Error, ValueError):
            raise CannotOpen("A stored key was sealed with another secret, or is damaged. Give the key again.") from None

    def _derived(self) -> bytes:
        from cryptography.hazmat.primitives.hashes import SHA256
        from cryptography.hazmat.primitives.kdf.hkdf import HKDF

        if self._key is None:
            self._key = HKDF(algorithm=SHA256(), length=32, salt=None, info=_PURPOSE).derive(self._secret())
        return self._key


def hint_of(secret: str) -> str:
    """The last characters, for people to tell one key from another."""
    return f"…{secret[-HINT_CHARACTERS:]}" if len(secret) >= _HINTED_FROM else "…"
