"""`StreamGate`: who may open an event stream or a long poll. Bearer key, session cookie of our own pages, or a one-time ticket.

The transports' `RequestGate`, made by composition.py. A browser's EventSource can set no header: it comes with the cookie, or
with a ticket from another origin that is allowed. Tests: tests/integration/live/test_event_stream.py (rows A2, A3 of security.md).
"""

from __future__ import annotations

from starlette.requests import Request

from antiphon.access.identity import Identity
from antiphon.access.tickets import Tickets
from antiphon.core.errors import TokenExpired, Unauthorized
from antiphon.server.credentials import guard_origin, identify
from antiphon.server.origins import OriginPolicy
from antiphon.server.socket_gate import QUERY_TOKENS, Accounts


class StreamGate:
    def __init__(self, *, accounts: Accounts, tickets: Tickets, policy: OriginPolicy, allow_query_token: bool) -> None:
        self._accounts = accounts
        self._tickets = tickets
        self._policy = policy
        self._allow_query_token = allow_query_token

    async def identify_request(self, request: Request) -> Identity:
        guard_origin(request, self._policy, changes_state=False)
        ticket = request.query_params.get("ticket")
        if ticket is not None:
            return await self._redeem(request, ticket)
        for name in QUERY_TOKENS:
            token = request.query_params.get(name)
            if token is not None:
                if not self._allow_query_token:
                    raise Unauthorized("A key in the address ends up in logs: send it as a header, or use a ticket.")
                return await self._accounts.authenticate_bearer(token)
        identity = (await identify(request, self._accounts)).identity
        if identity is None:
            raise Unauthorized("Sign in first, or send `Authorization: Bearer KEY`.")
        return identity

    async def _redeem(self, request: Request, ticket: str) -> Identity:
        try:
            presented = (await identify(request, self._accounts)).identity if _names_somebody(request) else None
        except (Unauthorized, TokenExpired):
            presented = None  # a stale cookie beside a good ticket is what a browser sends after a new sign-in
        identity = self._tickets.redeem(ticket, origin=_origin(request), presented=presented)
        await self._accounts.demand_valid(identity)
        return identity


def _names_somebody(request: Request) -> bool:
    return "authorization" in request.headers or bool(request.cookies)


def _origin(request: Request) -> str | None:
    """A browser leaves the Origin out of a page's own GET, but says that it is one."""
    origin = request.headers.get("origin")
    if origin is None and request.headers.get("sec-fetch-site") == "same-origin":
        return f"{request.url.scheme}://{request.headers.get('host', '')}"
    return origin
