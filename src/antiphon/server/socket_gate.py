"""`SocketGate`: who opens a socket. Cookie with an exact Origin, one-time ticket, bearer header, or `hello` afterwards.

The transports' `Gate`, made by composition.py. Tests: tests/integration/test_socket_auth.py (rows A1, A3 of security.md).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from starlette.websockets import WebSocket

from antiphon.access.identity import Identity
from antiphon.access.origins import Origins
from antiphon.access.tickets import Tickets
from antiphon.core.errors import Forbidden, Unauthorized
from antiphon.server.credentials import COOKIE, Authenticator

QUERY_TOKENS: Final = ("token", "key", "api_key", "access_token")


class SocketGate:
    def __init__(
        self, *, accounts: Authenticator, tickets: Tickets, origins: Callable[[], Origins], allow_query_token: bool
    ) -> None:
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
            return self._tickets.redeem(ticket, origin=websocket.headers.get("origin"))
        header = websocket.headers.get("authorization")
        if header is not None:
            scheme, _, token = header.partition(" ")
            if scheme.lower() != "bearer" or not token.strip():
                raise Unauthorized("The header `Authorization` must be `Bearer KEY`.")
            return await self._accounts.authenticate_bearer(token.strip())
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

    async def identify_token(self, token: str) -> Identity:
        return await self._accounts.authenticate_bearer(token)
