"""Who sends an HTTP request: bearer key, session cookie, or nobody. Decides nothing about rights.

A key is taken from the `Authorization` header only, never from the address (security.md A3). A request that names a bearer key
is judged by that key alone, and needs no Origin; everything a browser attaches by itself does (origins.py).
Tests: tests/unit/server/test_credentials.py, tests/integration/http/test_http_security.py.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal, Protocol

from starlette.requests import Request
from starlette.responses import Response

from antiphon.access.identity import Identity
from antiphon.core.errors import TokenExpired, Unauthorized
from antiphon.server.origins import OriginPolicy

COOKIE: Final = "antiphon_session"
_SCHEME: Final = "bearer"


class Authenticator(Protocol):
    """`library.accounts.Accounts` as HTTP sees it. Both raise Unauthorized (or TokenExpired) for what is not valid."""

    async def authenticate_bearer(self, token: str, /) -> Identity: ...

    async def authenticate_cookie(self, value: str, /) -> Identity: ...

    async def ambient_identity(self) -> Identity | None:
        """Under `--no-auth`: the owner, for callers that name no credentials. None otherwise."""
        ...


@dataclass(frozen=True, kw_only=True, slots=True)
class Caller:
    """`by` says what the request was known by; `none` for a caller without (valid) credentials."""

    identity: Identity | None
    by: Literal["bearer", "cookie", "ambient", "none"]


async def identify(request: Request, accounts: Authenticator, *, optional: bool = False) -> Caller:
    """Reads the credentials of the request. With `optional`, wrong or expired ones count as none (sign-in, sign-out)."""
    header = request.headers.get("authorization")
    cookie = request.cookies.get(COOKIE)
    try:
        if header is not None:
            scheme, _, token = header.partition(" ")
            if scheme.lower() != _SCHEME or not token.strip():
                raise Unauthorized("The header `Authorization` must be `Bearer KEY`.")
            return Caller(identity=await accounts.authenticate_bearer(token.strip()), by="bearer")
        if cookie:
            return Caller(identity=await accounts.authenticate_cookie(cookie), by="cookie")
    except (Unauthorized, TokenExpired):
        if not optional:
            raise
    ambient = await accounts.ambient_identity()
    return Caller(identity=ambient, by="ambient" if ambient is not None else "none")


def guard_origin(request: Request, policy: OriginPolicy, *, changes_state: bool) -> None:
    """The checks of origins.py for everything that did not name a bearer key. Raises Forbidden. Runs before authentication,
    so that a foreign page learns nothing from it."""
    if "authorization" in request.headers:
        return
    if changes_state:
        policy.check_change(request.headers, cookie=COOKIE in request.cookies)
    else:
        policy.check_read(request.headers)


def set_session_cookie(response: Response, request: Request, value: str, *, lifetime_s: float) -> None:
    response.set_cookie(
        COOKIE, value, max_age=int(lifetime_s), path="/", httponly=True, samesite="lax", secure=request.url.scheme == "https"
    )


def clear_session_cookie(response: Response, request: Request) -> None:
    response.delete_cookie(COOKIE, path="/", httponly=True, samesite="lax", secure=request.url.scheme == "https")
