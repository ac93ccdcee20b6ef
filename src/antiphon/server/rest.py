"""The one generic endpoint behind every REST route: credentials, origin, fields, the command table, the answer.

It knows no verb: server/bindings.py says which verb a route is, and the forms that are not plain JSON are in sign_in.py,
uploads.py, files.py and command_frames.py. Tests: tests/unit/server/test_rest.py, tests/integration/http/.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from antiphon.commands.table import Right
from antiphon.core.errors import BadRequest
from antiphon.protocol.codec import encode_json
from antiphon.server.bindings import API, Binding, Form
from antiphon.server.bodies import read_fields, text_fields
from antiphon.server.credentials import Caller, guard_origin, identify
from antiphon.server.origins import OriginPolicy
from antiphon.server.surface import Surface


@dataclass(frozen=True, kw_only=True, slots=True)
class Exchange:
    """One request on its way through a binding."""

    house: Surface
    binding: Binding
    request: Request
    caller: Caller

    @property
    def request_id(self) -> str:
        return self.request.state.request_id

    @property
    def verb(self) -> str:
        if self.binding.verb is None:
            raise AssertionError("A binding without a verb has a form of its own.")
        return self.binding.verb

    async def fields(self) -> dict[str, Any]:
        """The payload's fields out of path, query and body. Raises BadRequest when two of them name the same field."""
        payload = self.house.commands[self.verb].payload
        fields = text_fields([(name, str(value)) for name, value in self.request.path_params.items()], payload)
        if self.binding.has_body:
            if self.request.query_params:
                raise BadRequest("This takes its fields from the body, none from the query.")
            further = await read_fields(self.request, self.binding.body_bytes)
        else:
            further = text_fields(self.request.query_params.multi_items(), payload)
        for name in further:
            if name in fields:
                raise BadRequest(f"The field {name!r} is given by the path already.")
        return {**fields, **further}

    async def execute(self, fields: dict[str, Any] | None = None) -> dict[str, Any]:
        return await self.house.commands.execute(
            self.verb,
            await self.fields() if fields is None else fields,
            identity=self.caller.identity,
            request_id=self.request_id,
            command_id=self.request.headers.get("idempotency-key"),
        )

    def answer(self, result: Any) -> Response:
        """JSON, never kept by a cache."""
        return json_response(result, status=self.binding.status)


Answer = Callable[[Exchange], Awaitable[Response]]


def json_response(value: Any, *, status: int = 200) -> Response:
    return Response(encode_json(value), status_code=status, media_type="application/json", headers={"Cache-Control": "no-store"})


async def answer_json(exchange: Exchange) -> Response:
    return exchange.answer(await exchange.execute())


class PathEndpoint:
    """All bindings of one path."""

    def __init__(self, house: Surface, policy: OriginPolicy, bindings: Sequence[Binding], forms: dict[Form, Answer]) -> None:
        self._house = house
        self._policy = policy
        self._bindings = {binding.method: binding for binding in bindings}
        self._forms = forms

    async def answer(self, request: Request) -> Response:
        binding = self._bindings["GET" if request.method == "HEAD" else request.method]
        guard_origin(request, self._policy, changes_state=binding.changes_state)
        anonymous = binding.verb is not None and self._house.commands[binding.verb].right is Right.ANONYMOUS
        caller = await identify(request, self._house.accounts, optional=anonymous)
        if binding.verb is not None:
            self._house.commands.admit(binding.verb, caller.identity)  # refused before the body is read
        return await self._forms[binding.form](Exchange(house=self._house, binding=binding, request=request, caller=caller))


def rest_routes(house: Surface, policy: OriginPolicy, bindings: Sequence[Binding], forms: dict[Form, Answer]) -> list[Route]:
    """One Route a path, so that a wrong method is answered 405 with all that are right."""
    routes: list[Route] = []
    for path, group in groupby(sorted(bindings, key=lambda b: b.path), key=lambda b: b.path):
        same_path = list(group)
        endpoint = PathEndpoint(house, policy, same_path, forms)
        routes.append(Route(API + path, endpoint.answer, methods=[binding.method for binding in same_path]))
    return routes
