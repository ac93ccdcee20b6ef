"""What an administrator allows beyond public addresses: a purpose, a host and a port each (D6). `Allowance.parse` reads the setting.

`url:intranet.example:8080` lets documents be fetched from that host and port, and nothing else. Used by guard.py; made by the
composition root from `ANTIPHON_OUTGOING_ALLOW`. Tests: tests/unit/outgoing/test_allowance.py.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal, get_args

import msgspec

from antiphon.core.errors import BadRequest
from antiphon.outgoing.url import WebUrl, parse_url

Purpose = Literal["url", "model", "webhook", "mcp", "oidc"]
"""What a request is for; what is allowed for one is not for another."""
PURPOSES: Final[tuple[Purpose, ...]] = get_args(Purpose)
_BY_NAME: Final[dict[str, Purpose]] = {purpose: purpose for purpose in PURPOSES}
_SETTING: Final = "ANTIPHON_OUTGOING_ALLOW"


@dataclass(frozen=True, slots=True)
class Allowance:
    """`entries`: (purpose, host, port)."""

    entries: frozenset[tuple[Purpose, str, int]] = frozenset()

    @classmethod
    def parse(cls, text: str) -> Allowance:
        """Entries separated by commas, or as a JSON list. Raises BadRequest that names the entry."""
        return cls(frozenset(_entry(entry) for entry in _entries(text)))

    def permits(self, purpose: Purpose, url: WebUrl) -> bool:
        return (purpose, url.host, url.port) in self.entries


def _entries(text: str) -> list[str]:
    if not text.strip().startswith("["):
        return [entry.strip() for entry in text.split(",") if entry.strip()]
    try:
        return msgspec.json.decode(text, type=list[str])
    except msgspec.DecodeError:
        raise BadRequest(f"{_SETTING} begins like a JSON list of texts and is none.") from None


def _entry(entry: str) -> tuple[Purpose, str, int]:
    name, _, place = entry.partition(":")
    purpose = _BY_NAME.get(name.strip())
    host, colon, port = place.strip().rpartition(":")
    if purpose is None or not host or not colon or not port.isdecimal():
        raise BadRequest(f"{_SETTING} holds {entry[:80]!r}, which is no `purpose:host:port`; purposes are {', '.join(PURPOSES)}.")
    try:
        url = parse_url(f"http://{host}:{port}/")
    except BadRequest as error:
        raise BadRequest(f"{_SETTING} holds {entry[:80]!r}: {error.message}") from None
    return purpose, url.host, url.port
