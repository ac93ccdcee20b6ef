"""One-time socket tickets: browsers can't set headers on a WebSocket, and a long-lived token must not stand in a URL.

In memory, 30 s, bound to the identity that asked and to its Origin, exactly one success. The ticket carries the identity
as it was (its credential too): revoking the cookie or key it came from closes the socket. Called by the handler of
`ws_ticket` and by the transports' handshake. Tests: tests/unit/access/test_tickets.py.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import Final

from antiphon.access.identity import Identity
from antiphon.access.secrets import hash_secret, is_plausible, new_secret
from antiphon.core.errors import RateLimited, Unauthorized
from antiphon.core.runtime import Runtime

TICKETS_PER_USER: Final = 100
"""Open tickets of one user; a tab needs one, for some milliseconds."""
_REFUSED = "The ticket is used up, older than its time, or was made for somebody else. Ask for a new one."


@dataclass(frozen=True, slots=True)
class _Ticket:
    identity: Identity
    origin: str | None
    good_until: float


class Tickets:
    def __init__(self, runtime: Runtime, *, lifetime_s: float) -> None:
        self.lifetime_s = lifetime_s
        self._runtime = runtime
        # By hash of the secret: a memory dump or a timing of the look-up gives no ticket. Ordered by age.
        self._open: OrderedDict[str, _Ticket] = OrderedDict()

    def issue(self, identity: Identity, *, origin: str | None) -> str:
        """A new ticket; `origin` None: the caller is no browser. Raises RateLimited above TICKETS_PER_USER open ones."""
        self._forget_expired()
        if sum(ticket.identity.user_id == identity.user_id for ticket in self._open.values()) >= TICKETS_PER_USER:
            raise RateLimited(
                "Too many socket tickets are open. Use them, or wait until they expire.",
                data={"retry_after_ms": int(self.lifetime_s * 1000)},
            )
        secret = new_secret("at", self._runtime.random)
        good_until = self._runtime.clock.monotonic() + self.lifetime_s
        self._open[hash_secret(secret)] = _Ticket(identity, origin, good_until)
        return secret

    def redeem(self, secret: str, *, origin: str | None, presented: Identity | None = None) -> Identity:
        """The identity the ticket was made for. Burns the ticket whatever the outcome. `presented`: who the handshake's
        other credentials name, if any. Raises Unauthorized, always with the same words."""
        ticket = self._open.pop(hash_secret(secret), None) if is_plausible(secret) else None
        if (
            ticket is None
            or self._runtime.clock.monotonic() >= ticket.good_until
            or ticket.origin != origin
            or (presented is not None and presented.user_id != ticket.identity.user_id)
        ):
            raise Unauthorized(_REFUSED)
        return ticket.identity

    def _forget_expired(self) -> None:
        now = self._runtime.clock.monotonic()
        while self._open:
            oldest = next(iter(self._open))
            if self._open[oldest].good_until > now:
                break
            del self._open[oldest]
