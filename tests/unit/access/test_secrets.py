from antiphon.access.secrets import MAX_SECRET_CHARACTERS, hash_secret, is_plausible, new_secret, same_secret
from antiphon.core.runtime import SystemRandom


class CountedRandom(SystemRandom):
    asked = 0

    def token(self, size_bytes: int, /) -> bytes:
        self.asked = size_bytes
        return super().token(size_bytes)


def test_a_key_tells_its_kind_and_carries_256_random_bits():
    random = CountedRandom()
    secrets = {new_secret("ak", random) for _ in range(200)}
    assert random.asked * 8 == 256
    assert len(secrets) == 200
    assert {(secret[:3], len(secret)) for secret in secrets} == {("ak_", 46)}
    assert all(secret[3:].isalnum() and secret.isascii() for secret in secrets)


def test_the_hash_is_sha256_and_says_nothing_about_the_secret():
    assert hash_secret("abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert len(hash_secret("\ud800 lone surrogates come in headers")) == 64


def test_same_secret():
    assert same_secret("a" * 46, "a" * 46)
    assert not same_secret("a" * 45, "a" * 46)
    assert not same_secret("", "a")
    assert not same_secret("a" * MAX_SECRET_CHARACTERS + "b", "a" * MAX_SECRET_CHARACTERS)


def test_what_is_worth_a_look_up():
    assert is_plausible("a")
    assert is_plausible("a" * MAX_SECRET_CHARACTERS)
    assert not is_plausible("")
    assert not is_plausible("a" * (MAX_SECRET_CHARACTERS + 1))
