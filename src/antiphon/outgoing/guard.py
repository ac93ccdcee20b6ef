"""`Guard`: decides whether a request for a purpose may go to a URL, and to which addresses it is pinned. Sends nothing itself.

The name is resolved once; every address of the answer must be allowed; what connects afterwards uses these addresses and never
asks again (security.md D1, D2, D6). For client.py, and for rooms with a transport of their own (a model server's base URL):
`admit`, then connect to `Admitted.addresses` only. Tests: tests/unit/outgoing/test_guard.py, tests/integration/test_outgoing_attacks.py.
"""

from __future__ import annotations

from dataclasses import dataclass

import structlog

from antiphon.core.errors import UrlRefused
from antiphon.outgoing.addresses import Address, kind_of
from antiphon.outgoing.allowance import Allowance, Purpose
from antiphon.outgoing.resolver import Resolver, SystemResolver
from antiphon.outgoing.url import BLOCKED_PORTS, WebUrl, parse_url

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, kw_only=True, slots=True)
class Admitted:
    """`addresses`: what was checked, never empty; a connection goes to one of them, and to nothing else."""

    url: WebUrl
    purpose: Purpose
    addresses: tuple[Address, ...]


class Guard:
    """Without state of its own; one per process."""

    def __init__(self, allowance: Allowance | None = None, resolver: Resolver | None = None) -> None:
        self._allowance = allowance or Allowance()
        self._resolver = resolver or SystemResolver()

    async def admit(self, url: WebUrl | str, purpose: Purpose) -> Admitted:
        """Raises BadRequest (no address of the web), UrlRefused, UrlUnreachable (the name is not known)."""
        target = parse_url(url) if isinstance(url, str) else url
        allowed = self._allowance.permits(purpose, target)
        if target.port in BLOCKED_PORTS and not allowed:
            raise UrlRefused(
                f"Port {target.port} belongs to another protocol and is not asked.", data={"reason": "port", "url": str(target)}
            )
        literal = target.address
        addresses = [literal] if literal is not None else await self._resolver.resolve(target.host, target.port)
        for address in addresses:
            kind, name = kind_of(address)
            if kind == "public" or (allowed and (kind == "local" or literal is not None)):
                continue
            _log.warning("outgoing_refused", purpose=purpose, host=target.host, port=target.port, kind=name)
            raise refused(target, purpose)
        return Admitted(url=target, purpose=purpose, addresses=tuple(addresses))


def refused(url: WebUrl, purpose: Purpose) -> UrlRefused:
    """The sentence does not say which address a name has: that would map the network for whoever asks."""
    return UrlRefused(
        f"{url.origin} leads to this machine or into a network that is not public, so it is not asked. An administrator may allow "
        f"it: ANTIPHON_OUTGOING_ALLOW={purpose}:{url.host}:{url.port}.",
        data={"reason": "address", "url": str(url)},
    )  # fmt: skip
