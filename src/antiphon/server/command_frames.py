"""`POST /commands`: a command frame of the realtime protocol in, its `ack` out (the upstream of SSE and long-poll).

Only verbs marked `socket` in the command table; those that need a connection (hello, subscribe, ...) are not in it. The status
is that of the error, if any; the body is the ack in either case. Tests: tests/integration/http/test_http_commands.py.
"""

from __future__ import annotations

from typing import Any

from starlette.responses import Response

from antiphon.core.errors import AntiphonError, BadRequest, Unauthorized, UnknownType
from antiphon.server.bodies import read_fields
from antiphon.server.errors import defect, error_headers, error_object, status_of
from antiphon.server.rest import Exchange, json_response

_LONGEST_ID = 128


async def answer_command(exchange: Exchange) -> Response:
    if exchange.caller.identity is None:
        raise Unauthorized("Sign in first, or send `Authorization: Bearer KEY`.")
    frame = await read_fields(exchange.request, exchange.house.settings.limits.frame_bytes)
    command_id = frame.get("id")
    reply_to = command_id if isinstance(command_id, str) and command_id else None
    try:
        result = await _execute(exchange, frame)
    except AntiphonError as error:
        return _refusal(exchange, reply_to, error)
    except Exception:  # the boundary of a command: it becomes an ack, and a line in the log
        exchange.house.log.exception("command_failed", request_id=exchange.request_id)
        return _refusal(exchange, reply_to, defect(exchange.request_id))
    duplicate = bool(result.get("duplicate", False))
    plain = {name: value for name, value in result.items() if name != "duplicate"}
    return json_response(_ack(reply_to, ok=True, result=plain, duplicate=duplicate))


async def _execute(exchange: Exchange, frame: dict[str, Any]) -> dict[str, Any]:
    fields = dict(frame)
    verb, command_id = fields.pop("type", None), fields.pop("id", None)
    if not isinstance(verb, str):
        raise BadRequest("A command frame has the field `type`.")
    if not isinstance(command_id, str) or not 0 < len(command_id) <= _LONGEST_ID:
        raise BadRequest(f"A command frame has the field `id`, 1 to {_LONGEST_ID} characters.")
    if not exchange.house.commands[verb].socket:
        raise UnknownType(f"{verb[:80]!r} is not a command frame; it has a REST route.")
    return await exchange.house.commands.execute(
        verb, fields, identity=exchange.caller.identity, request_id=exchange.request_id, command_id=command_id
    )


def _ack(reply_to: str | None, *, ok: bool, **more: Any) -> dict[str, Any]:
    return {"type": "ack", "reply_to": reply_to, "ok": ok, "result": None, "error": None, "duplicate": False, **more}


def _refusal(exchange: Exchange, reply_to: str | None, error: AntiphonError) -> Response:
    response = json_response(_ack(reply_to, ok=False, error=error_object(error, exchange.request_id)), status=status_of(error))
    response.headers.update(error_headers(error))
    return response
