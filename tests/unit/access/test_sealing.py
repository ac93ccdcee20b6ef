from __future__ import annotations

import pytest

from antiphon.access.sealing import CannotOpen, SecretBox, hint_of
from antiphon.testing.simulated import simulated_runtime

KEY = "sk-very-secret-0123456789"


def box(secret: bytes = b"a" * 32) -> SecretBox:
    return SecretBox(lambda: secret, simulated_runtime().random)


def test_what_was_sealed_opens_again_and_shows_nothing() -> None:
    one = box()
    sealed = one.seal(KEY, bound_to="prov_1")
    assert KEY not in sealed
    assert sealed.startswith("v1.")
    assert one.open(sealed, bound_to="prov_1") == KEY
    assert box().open(sealed, bound_to="prov_1") == KEY
    assert one.seal(KEY, bound_to="prov_1") != sealed


@pytest.mark.parametrize("case", ["other row", "other secret", "changed", "cut", "other version", "nonsense", "empty"])
def test_what_does_not_fit_is_refused(case: str) -> None:
    sealed = box().seal(KEY, bound_to="prov_1")
    changed = {
        "changed": sealed[:-3] + ("AA=" if not sealed.endswith("AA=") else "BB="),
        "cut": sealed[:20],
        "other version": "v0" + sealed[2:],
        "nonsense": "v1.@@@",
        "empty": "",
    }.get(case, sealed)
    with pytest.raises(CannotOpen) as caught:
        box(b"b" * 32 if case == "other secret" else b"a" * 32).open(
            changed, bound_to="prov_2" if case == "other row" else "prov_1"
        )
    assert KEY not in repr(caught.value)


def test_the_secret_is_asked_for_at_first_use_only() -> None:
    asked: list[int] = []

    def secret() -> bytes:
        asked.append(1)
        return b"a" * 32

    one = SecretBox(secret, simulated_runtime().random)
    assert not asked
    one.open(one.seal("x", bound_to=""), bound_to="")
    assert len(asked) == 1


def test_hints() -> None:
    assert hint_of(KEY) == "…6789"
    assert hint_of("short") == "…"
