"""`SocketGate`: who opens a socket. Cookie with an exact Origin, one-time ticket, bearer header, or `hello` afterwards.

The transports' `Gate`, made by composition.py. Tests: tests/integration/live/test_socket_handshake.py (rows A1, A3 of security.md).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Protocol

from starlette.websockets import WebSocket

from antiphon.access.identity import Identity
from antiphon.access.origins import Origins
from antiphon.access.tickets import Tickets
from antiphon.core.errors import Forbidden, TokenExpired, Unauthorized
from antiphon.server.credentials import COOKIE, Authenticator

QUERY_TOKENS: Final = ("token", "key", "api_key", "access_token")


class Accounts(Authenticator, Protocol):
    async def demand_valid(self, identity: Identity, /) -> None:
        """Raises Unauthorized or TokenExpired when what the identity came with is not good any more."""
        ...


class SocketGate:
    def __init__(self, *, accounts: Accounts, tickets: Tickets, origins: Callable[[], Origins], allow_query_token: bool) -> None:
        self._accounts = accounts
        self._tickets = tickets
        self._origins = origins
        self._allow_query_token = allow_query_token

    def check_origin(self, websocket: WebSocket) -> None:
        """A browser always sends an Origin with a socket. One that is not ours is refused whatever else it brings; none at
        all is a program, which must not live on a cookie."""
        origin = websocket.headers.get("origin")
        if origin is not None:
            if not self._origins().allows(origin):
                raise Forbidden("The socket was opened from a foreign origin.")
        elif COOKIE in websocket.cookies and "authorization" not in websocket.headers:
            raise Forbidden("A socket that comes with a cookie must name its Origin.")

    async def identify(self, websocket: WebSocket) -> Identity | None:
        ticket = websocket.query_params.get("ticket")
        if ticket is not None:
            return await self._redeem(websocket, ticket)
        header = websocket.headers.get("authorization")
        if header is not None:
            return await self._bearer(header)
        for name in QUERY_TOKENS:
            token = websocket.query_params.get(name)
            if token is not None:
                if not self._allow_query_token:
                    raise Unauthorized("A key in the address ends up in logs: send it as a header, in `hello`, or use a ticket.")
                return await self._accounts.authenticate_bearer(token)
        cookie = websocket.cookies.get(COOKIE)
        if cookie:
            return await self._accounts.authenticate_cookie(cookie)
        return await self._accounts.ambient_identity()

    async def _redeem(self, websocket: WebSocket, ticket: str) -> Identity:
        """The ticket's identity, whose credential must still be good; another user's credential beside it burns it."""
        presented: Identity | None = None
        header, cookie = websocket.headers.get("authorization"), websocket.cookies.get(COOKIE)
        try:
            if header is not None:
                presented = await self._bearer(header)
            elif cookie:
                presented = await self._accounts.authenticate_cookie(cookie)
        except (Unauthorized, TokenExpired):
            presented = None  # a stale cookie beside a good ticket is what a browser sends after a new sign-in
        identity = self._tickets.redeem(ticket, origin=websocket.headers.get("origin"), presented=presented)
        await self._accounts.demand_valid(identity)
        return identity

    async def _bearer(self, header: str) -> Identity:
        scheme, _, token = header.partition(" ")
        if scheme.lower() != "bearer" or not token.strip():
            raise Unauthorized("The header `Authorization` must be `Bearer KEY`.")
        return await self._accounts.authenticate_bearer(token.strip())

    async def identify_token(self, token: str) -> Identity:
        return await self._accounts.authenticate_bearer(token)
