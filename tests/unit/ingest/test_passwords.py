from __future__ import annotations

from antiphon.ingest import passwords
from antiphon.ingest.passwords import Passwords


def test_a_password_is_kept_until_it_is_forgotten() -> None:
    kept = Passwords()
    kept.keep("doc_1", "sesame")
    assert (kept.of("doc_1"), kept.of("doc_2")) == ("sesame", None)
    kept.forget("doc_1")
    kept.forget("doc_1")
    assert kept.of("doc_1") is None


def test_the_oldest_is_forgotten_first(monkeypatch) -> None:
    monkeypatch.setattr(passwords, "MOST_KEPT", 2)
    kept = Passwords()
    for name in ("a", "b", "a", "c"):
        kept.keep(name, name)
    assert [kept.of(name) for name in "abc"] == ["a", None, "c"]
