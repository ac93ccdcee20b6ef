"""`create_app`: the ASGI application, out of the house and the socket routes. Called by server/composition.py only.

Starlette routes; no framework types the payloads, the command table does (docs/decisions/0003-starlette-and-one-table.md).
Tests: tests/integration/http/ run it under uvicorn.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute

from antiphon.access.origins import is_loopback
from antiphon.core.errors import AntiphonError, NotFound
from antiphon.server.asyncapi import realtime_description_routes
from antiphon.server.bindings import BINDINGS, Form
from antiphon.server.command_frames import answer_command
from antiphon.server.errors import MalformedRequest, WrongMethod, error_response
from antiphon.server.files import answer_export, answer_image, answer_original
from antiphon.server.front_door import FrontDoor
from antiphon.server.health import HealthRoutes
from antiphon.server.openapi import description_routes
from antiphon.server.origins import OriginPolicy
from antiphon.server.rest import Answer, answer_json, rest_routes
from antiphon.server.sign_in import answer_sign_in, answer_sign_out, answer_ticket
from antiphon.server.surface import Surface
from antiphon.server.uploads import UploadForm, Uploading, unguarded
from antiphon.server.web_app import web_routes

FORMS: Final[dict[Form, Answer]] = {
    "json": answer_json, "sign_in": answer_sign_in, "sign_out": answer_sign_out, "ticket": answer_ticket,
    "original": answer_original, "image": answer_image, "export": answer_export, "command": answer_command,
}  # fmt: skip


def create_app(house: Surface, *, socket_routes: Sequence[BaseRoute], uploading: Uploading = unguarded) -> Starlette:
    """`uploading`: `BlobGate.uploading` of a house whose workers remove blobs."""
    settings = house.settings
    policy = OriginPolicy(lambda: house.origins, local_only=settings.no_auth or is_loopback(settings.host))
    routes: list[BaseRoute] = [
        *socket_routes,
        *rest_routes(house, policy, BINDINGS, {**FORMS, "upload": UploadForm(uploading).answer}),
        *HealthRoutes(house).routes(),
        *description_routes(house.commands, BINDINGS),
        *realtime_description_routes(house.commands),
        *web_routes(),
    ]
    door = Middleware(FrontDoor, policy=policy, ids=house.runtime.ids, clock=house.runtime.clock, log=house.log)
    return Starlette(
        routes=routes, middleware=[door], exception_handlers={AntiphonError: _refuse, HTTPException: _refuse_routing}
    )


async def _refuse(request: Request, error: Exception) -> Response:
    assert isinstance(error, AntiphonError)
    return _unkept(error_response(error, request.state.request_id))


async def _refuse_routing(request: Request, error: Exception) -> Response:
    """What the router refuses by itself: an unknown address, a wrong method."""
    assert isinstance(error, HTTPException)
    if error.status_code == 405:
        known = WrongMethod(f"{request.method} is not a method of this address.")
        return _unkept(error_response(known, request.state.request_id, headers=dict(error.headers or {})))
    told = NotFound("There is nothing at this address.") if error.status_code == 404 else MalformedRequest(error.detail)
    return _unkept(error_response(told, request.state.request_id))


def _unkept(response: Response) -> Response:
    response.headers["Cache-Control"] = "no-store"
    return response
