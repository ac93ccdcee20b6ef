"""Sign-in, sign-out and socket tickets: the forms that set or clear the session cookie, or look at where a page is from.

The verbs `login` and `sign_in` give the secret of the new cookie session in their result; it leaves the server in the cookie
only, never in the body. Tests: tests/integration/http/test_http_sign_in.py.
"""

from __future__ import annotations

from typing import Final

from starlette.responses import Response

from antiphon.core.errors import BadRequest
from antiphon.server.credentials import clear_session_cookie, set_session_cookie
from antiphon.server.rest import Exchange

SECRET_FIELD: Final = "cookie"  # noqa: S105 - the name of a field
"""The field of the result that holds the secret."""


async def answer_sign_in(exchange: Exchange) -> Response:
    result = dict(await exchange.execute())
    secret = str(result.pop(SECRET_FIELD))
    response = exchange.answer(result)
    set_session_cookie(response, exchange.request, secret, lifetime_s=exchange.house.settings.auth.login_s)
    return response


async def answer_ticket(exchange: Exchange) -> Response:
    """The ticket is bound to the Origin that asked for it, which the browser says, not the body."""
    fields = await exchange.fields()
    if "origin" in fields:
        raise BadRequest("The field 'origin' is taken from the request's own header.")
    return exchange.answer(await exchange.execute({**fields, "origin": exchange.request.headers.get("origin")}))


async def answer_sign_out(exchange: Exchange) -> Response:
    response = exchange.answer(await exchange.execute())
    clear_session_cookie(response, exchange.request)
    return response
