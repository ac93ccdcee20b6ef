"""Settings that together would open the server to strangers: it refuses to start with them, in a whole sentence.

Plain values come in (access knows no settings tree). Called by the composition root before anything is opened.
Tests: tests/unit/access/test_safety.py.
"""

from __future__ import annotations

from typing import Final

from antiphon.access.origins import is_loopback, parse_origin, split_origins
from antiphon.access.secrets import MAX_SECRET_CHARACTERS
from antiphon.core.errors import UnsafeSettings

MIN_OWNER_KEY_CHARACTERS: Final = 32


def check_settings(*, host: str, no_auth: bool, owner_key: str | None, origins: str = "") -> None:
    """Raises UnsafeSettings; the sentence names a safe combination and never holds the key."""
    if no_auth and not is_loopback(host):
        raise UnsafeSettings(
            f"Without accounts (`--no-auth`) the server listens on this machine only, but the host is {host!r}: everybody who "
            "reaches it would be the owner. Leave `--no-auth` out, or use `--host 127.0.0.1`."
        )
    if owner_key is not None:
        _check_owner_key(owner_key)
    for origin in split_origins(origins):
        parse_origin(origin)


def _check_owner_key(key: str) -> None:
    if not MIN_OWNER_KEY_CHARACTERS <= len(key) <= MAX_SECRET_CHARACTERS:
        raise UnsafeSettings(
            f"ANTIPHON_OWNER_KEY has {len(key)} characters: give it {MIN_OWNER_KEY_CHARACTERS} to {MAX_SECRET_CHARACTERS}, for "
            "example the output of `openssl rand -hex 32`."
        )
    if not key.isascii() or not key.isprintable() or key != key.strip():
        raise UnsafeSettings(
            "ANTIPHON_OWNER_KEY holds characters that can't be sent in a header: use printable ASCII without blanks at its ends."
        )
