"""Passwords: argon2id by pwdlib, off the loop, a few at a time. Called by library.accounts only.

An unknown account costs the same work as a wrong password (a fixed hash is verified instead), so that neither the answer
nor its time tells whether a name exists. Tests: tests/unit/access/test_passwords.py.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Final, Protocol, TypeVar

import anyio
import anyio.to_thread

from antiphon.core.errors import BadRequest
from antiphon.core.runtime import RandomSource

T = TypeVar("T")
MIN_PASSWORD_CHARACTERS: Final = 8
MAX_PASSWORD_CHARACTERS: Final = 256
"""Bounds the work of one attempt; a longer one is refused before it is hashed."""
PASSWORDS_AT_ONCE: Final = 2
"""argon2 takes 64 MiB a hash: a flood of log-ins waits in line instead of filling the memory."""


class PasswordHasher(Protocol):
    """What is used of pwdlib.PasswordHash."""

    def hash(self, password: str) -> str: ...

    def verify(self, password: str, hash: str) -> bool: ...  # noqa: A002


def recommended_hasher() -> PasswordHasher:
    from pwdlib import PasswordHash  # heavy (argon2's C library): only a process that checks passwords loads it

    return PasswordHash.recommended()


class Passwords:
    """`hasher` None: argon2id with pwdlib's recommended costs, made at the first use."""

    def __init__(self, random: RandomSource, *, hasher: PasswordHasher | None = None) -> None:
        self._random = random
        self._hasher = hasher
        self._decoy: str | None = None
        self._limiter: anyio.CapacityLimiter | None = None

    async def hash(self, password: str) -> str:
        """Raises BadRequest for a password that is too short, too long, or not text."""
        self._demand_acceptable(password)
        return await self._in_thread(partial(self._hash, password))

    async def verify(self, password: str, password_hash: str | None) -> bool:
        """False for a wrong password, and after the same work for None (no such account, or one without a password)."""
        if len(password) > MAX_PASSWORD_CHARACTERS or not _is_text(password):
            # Still one verification: the time must not depend on whether the account exists.
            password = ""
        return await self._in_thread(partial(self._verify, password, password_hash))

    def _demand_acceptable(self, password: str) -> None:
        if not MIN_PASSWORD_CHARACTERS <= len(password) <= MAX_PASSWORD_CHARACTERS:
            raise BadRequest(
                f"A password has {MIN_PASSWORD_CHARACTERS} to {MAX_PASSWORD_CHARACTERS} characters; choose another one."
            )
        if not _is_text(password):
            raise BadRequest("The password holds characters that can't be encoded; choose another one.")

    def _used_hasher(self) -> PasswordHasher:
        if self._hasher is None:
            self._hasher = recommended_hasher()
        return self._hasher

    def _hash(self, password: str) -> str:
        return self._used_hasher().hash(password)

    def _verify(self, password: str, password_hash: str | None) -> bool:
        hasher = self._used_hasher()
        if self._decoy is None:
            self._decoy = hasher.hash(self._random.token(16).hex())
        matches = hasher.verify(password, password_hash if password_hash is not None else self._decoy)
        return matches and password_hash is not None

    async def _in_thread(self, work: Callable[[], T]) -> T:
        if self._limiter is None:
            self._limiter = anyio.CapacityLimiter(PASSWORDS_AT_ONCE)
        return await anyio.to_thread.run_sync(work, limiter=self._limiter)


def _is_text(password: str) -> bool:
    return not any("\ud800" <= character <= "\udfff" for character in password)
