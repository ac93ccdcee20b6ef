"""What both socket endpoints share: admission, the receive loop, and a command's way from frame to ack.

Used by realtime.py (`/ws/v1`) and simple_chat.py (`/ws/chat`). Tests: tests/integration/live/test_socket_*.py.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import structlog
from starlette.websockets import WebSocket, WebSocketDisconnect

from antiphon.access.identity import Identity
from antiphon.commands.rate_limits import TokenBuckets
from antiphon.commands.table import CommandTable
from antiphon.commands.topics import Topics
from antiphon.core.errors import AntiphonError, Forbidden, Internal, RateLimited, TokenExpired, Unauthorized
from antiphon.protocol.close_codes import CloseCode
from antiphon.protocol.events import Ack
from antiphon.transports.connection import Connection
from antiphon.transports.handshake import Gate
from antiphon.transports.hub import Hub
from antiphon.transports.sinks import sink_for
from antiphon.transports.subscription import ReplayLimits

_log = structlog.get_logger(__name__)


class SocketHouse:
    """Everything a socket endpoint needs, put together once by the composition root."""

    def __init__(
        self, *, hub: Hub, commands: CommandTable[Any], topics: Topics, gate: Gate, replay: ReplayLimits, pending_bytes: int,
        frame_bytes: int, max_subscriptions: int, hello_timeout_s: float, heartbeat_ms: int, frames: TokenBuckets,
        count_resume: Callable[[str], None],
    ) -> None:  # fmt: skip
        self.hub = hub
        self.commands = commands
        self.topics = topics
        self.gate = gate
        self.replay = replay
        self.pending_bytes = pending_bytes
        self.frame_bytes = frame_bytes
        self.max_subscriptions = max_subscriptions
        self.hello_timeout_s = hello_timeout_s
        self.heartbeat_ms = heartbeat_ms
        self.frames = frames
        self.count_resume = count_resume


class Refused(Exception):
    """The connection is to be closed with this code and sentence."""

    def __init__(self, code: CloseCode, sentence: str) -> None:
        super().__init__(sentence)
        self.code = code
        self.sentence = sentence


async def accept(house: SocketHouse, websocket: WebSocket, *, kind: str) -> tuple[Connection, Identity | None] | None:
    """Checks the Origin (403 before the accept), accepts, identifies. None: refused, and already closed.

    Bad credentials are accepted first and closed with 4001, so that a browser can read the code."""
    try:
        house.gate.check_origin(websocket)
    except Forbidden:
        await websocket.close(1008)  # before the accept: the handshake is answered with 403
        return None
    protocols = websocket.scope.get("subprotocols", [])
    await websocket.accept(subprotocol="antiphon.v1" if "antiphon.v1" in protocols else None)
    connection = house.hub.open(sink_for(websocket, house.hub.runtime, pending_bytes=house.pending_bytes), kind=kind)
    refusal = house.hub.refusal()
    if refusal is not None:
        return await _refuse(house, connection, *refusal)
    try:
        identity = await house.gate.identify(websocket)
    except (Unauthorized, TokenExpired) as error:
        return await _refuse(house, connection, CloseCode.UNAUTHORIZED, error.message)
    except Forbidden as error:
        return await _refuse(house, connection, CloseCode.FORBIDDEN, error.message)
    if identity is not None and not house.hub.admit(connection, identity):
        return await _refuse(house, connection, CloseCode.CONNECTION_LIMIT, "You have as many open connections as allowed.")
    return connection, identity


async def _refuse(house: SocketHouse, connection: Connection, code: CloseCode, sentence: str) -> None:
    await connection.close(code, sentence)
    house.hub.forget(connection)


async def receive_text(house: SocketHouse, websocket: WebSocket, connection: Connection) -> str | None:
    """The next text of the client; None when it left. Raises Refused for binary frames and floods."""
    await connection.room(house.pending_bytes)
    try:
        message = await websocket.receive()
    except (WebSocketDisconnect, RuntimeError):
        return None
    if message["type"] != "websocket.receive":
        return None
    connection.active_s = house.hub.runtime.clock.monotonic()
    text = message.get("text")
    if text is None:
        raise Refused(CloseCode.MALFORMED, "Frames are text, not binary.")
    if len(text) > house.frame_bytes:
        raise Refused(CloseCode.FRAME_TOO_BIG, f"A frame may have {house.frame_bytes} bytes.")
    wait_s = house.frames.retry_after_s(connection.id)
    if wait_s > 0:
        raise Refused(CloseCode.RATE_LIMITED, f"Too many frames. Connect again in {wait_s:.0f} s.")
    return text


async def execute(
    house: SocketHouse, connection: Connection, verb: str, fields: dict[str, Any], *, command_id: str | None, ack: bool = True
) -> dict[str, Any] | AntiphonError:
    """Runs a command of the table and pushes its one ack before anything the command causes."""
    request_id = house.hub.runtime.ids.new("req")
    after: list[Callable[[], None]] = []
    outcome: dict[str, Any] | AntiphonError
    try:
        outcome = await house.commands.execute(
            verb, fields, identity=connection.identity, request_id=request_id, command_id=command_id, after=after
        )
    except AntiphonError as error:
        outcome = error
    except Exception as error:  # noqa: BLE001 - the task boundary of one command: it becomes an ack
        _log.error("command_failed", verb=verb, request_id=request_id, exc_info=error)
        outcome = Internal("The command failed because of a defect in the server.", data={"request_id": request_id})
    if ack:
        push_ack(connection, command_id, outcome, request_id=request_id)
    for callback in after:
        callback()
    return outcome


def push_ack(connection: Connection, reply_to: str | None, outcome: dict[str, Any] | AntiphonError, *, request_id: str) -> None:
    if isinstance(outcome, AntiphonError):
        connection.push_event(
            Ack(reply_to=reply_to, ok=False, result=None, error=error_json(outcome, request_id), duplicate=False)
        )
        return
    duplicate = bool(outcome.get("duplicate", False))
    result = {key: value for key, value in outcome.items() if key != "duplicate"}
    connection.push_event(Ack(reply_to=reply_to, ok=True, result=result, error=None, duplicate=duplicate))


def error_json(error: AntiphonError, request_id: str) -> dict[str, Any]:
    """The error shape of names.md, as in HTTP."""
    body: dict[str, Any] = {"code": error.code, "message": error.message, "retryable": error.retryable, "request_id": request_id}
    if isinstance(error, RateLimited) and "retry_after_ms" in error.data:
        body["retry_after_ms"] = error.data["retry_after_ms"]
    if error.data:
        body["data"] = error.data
    return body
