"""What a socket's handshake, or a request for a stream, says about its caller. The composition root gives the gates.

Order of preference (docs/protocol.md section 7): cookie + exact Origin, one-time ticket, bearer header, `hello`.
"""

from __future__ import annotations

from typing import Protocol

from starlette.requests import Request
from starlette.websockets import WebSocket

from antiphon.access.identity import Identity


class Gate(Protocol):
    def check_origin(self, websocket: WebSocket) -> None:
        """Raises Forbidden for a foreign Origin, `null` included: answered with 403 before the accept."""
        ...

    async def identify(self, websocket: WebSocket) -> Identity | None:
        """The caller named by the handshake; None when it named nobody. Raises Unauthorized, TokenExpired, Forbidden."""
        ...

    async def identify_token(self, token: str) -> Identity:
        """The caller of a `hello`. Raises Unauthorized, TokenExpired."""
        ...


class RequestGate(Protocol):
    """The same for SSE and long-poll."""

    async def identify_request(self, request: Request) -> Identity:
        """Raises Forbidden for another site's request, Unauthorized and TokenExpired for missing or bad credentials."""
        ...
