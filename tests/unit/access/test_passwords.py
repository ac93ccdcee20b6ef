from __future__ import annotations

import threading

import anyio
import pytest
from pwdlib import PasswordHash
from pwdlib.hashers.argon2 import Argon2Hasher

from antiphon.access.passwords import MAX_PASSWORD_CHARACTERS, PASSWORDS_AT_ONCE, Passwords, recommended_hasher
from antiphon.core.errors import BadRequest
from antiphon.core.runtime import SystemRandom
from antiphon.testing.world import QuickHasher

CHEAP = PasswordHash((Argon2Hasher(time_cost=1, memory_cost=8, parallelism=1),))


async def test_right_and_wrong_with_real_argon2():
    passwords = Passwords(SystemRandom(), hasher=CHEAP)
    stored = await passwords.hash("correct horse")
    assert stored.startswith("$argon2id$")
    assert "correct" not in stored
    assert await passwords.verify("correct horse", stored)
    assert not await passwords.verify("Correct horse", stored)
    assert not await passwords.verify("correct horse", None)


def test_the_recommended_costs_are_not_weak():
    stored = recommended_hasher().hash("x" * 8)
    costs = dict(part.split("=") for part in stored.split("$")[3].split(","))
    assert stored.startswith("$argon2id$")
    assert int(costs["m"]) >= 19 * 1024  # KiB
    assert int(costs["t"]) >= 2


async def test_an_unknown_account_costs_the_same_work_as_a_wrong_password():
    hasher = QuickHasher()
    passwords = Passwords(SystemRandom(), hasher=hasher)
    work: list[int] = []
    for password, stored in (
        ("wrong", "quick:right"),
        ("wrong", None),
        ("x" * 10**6, None),
        ("x" * 10**6, "quick:right"),
        ("\ud800", None),
    ):
        before = hasher.verified
        assert not await passwords.verify(password, stored)
        work.append(hasher.verified - before)
    assert work == [1, 1, 1, 1, 1]


async def test_a_megabyte_is_never_hashed():
    class Watched(QuickHasher):
        longest = 0

        def verify(self, password: str, hash: str) -> bool:  # noqa: A002
            self.longest = max(self.longest, len(password))
            return super().verify(password, hash)

    hasher = Watched()
    await Passwords(SystemRandom(), hasher=hasher).verify("x" * 2**20, "quick:y")
    assert hasher.longest <= MAX_PASSWORD_CHARACTERS


@pytest.mark.parametrize("password", ["", "1234567", "x" * (MAX_PASSWORD_CHARACTERS + 1), "12345678\ud800"])
async def test_unacceptable_passwords_are_refused_with_a_sentence(password: str):
    with pytest.raises(BadRequest, match=r"password .*\.$"):
        await Passwords(SystemRandom(), hasher=CHEAP).hash(password)


async def test_few_are_hashed_at_once():
    class Counting(QuickHasher):
        now = 0
        most = 0

        def verify(self, password: str, hash: str) -> bool:  # noqa: A002
            with lock:
                self.now += 1
                self.most = max(self.most, self.now)
            started.wait(0.05)
            with lock:
                self.now -= 1
            return False

    lock, started, hasher = threading.Lock(), threading.Event(), Counting()
    passwords = Passwords(SystemRandom(), hasher=hasher)
    async with anyio.create_task_group() as group:
        for _ in range(8):
            group.start_soon(passwords.verify, "x", "quick:y")
    assert hasher.most == PASSWORDS_AT_ONCE
