"""`/ws/v1`: the whole protocol over one WebSocket. docs/protocol.md; subsystem: docs/subsystems/transports.md.

Connection-bound verbs (hello, auth_refresh, subscribe, unsubscribe, pong) are here; every other verb is the command table's.
Tests: tests/integration/live/test_socket_*.py, tests/properties/test_live_core.py.
"""

from __future__ import annotations

import asyncio
from typing import Any, TypeVar

import msgspec
from starlette.websockets import WebSocket

from antiphon.access.identity import Identity
from antiphon.core.errors import AntiphonError, BadRequest, Forbidden, QuotaExceeded, TokenExpired, Unauthorized, Unsupported
from antiphon.core.runtime import rfc3339
from antiphon.protocol.close_codes import CloseCode
from antiphon.protocol.codec import decode_frame
from antiphon.protocol.commands import AuthRefresh, Hello, Payload, Pong, Subscribe, Unsubscribe
from antiphon.protocol.events import Unsubscribed, Welcome
from antiphon.transports.connection import Connection
from antiphon.transports.filters import entry_filter
from antiphon.transports.socket_session import Refused, SocketHouse, accept, execute, push_ack, receive_text
from antiphon.transports.subscription import Subscription, SubscriptionState

P = TypeVar("P", bound=Payload)
FEATURES = ["replay", "snapshot", "history", "stop", "filter"]


class RealtimeEndpoint:
    """`WebSocketRoute("/ws/v1", RealtimeEndpoint(house).serve)`."""

    def __init__(self, house: SocketHouse) -> None:
        self._house = house

    async def serve(self, websocket: WebSocket) -> None:
        accepted = await accept(self._house, websocket, kind="realtime")
        if accepted is None:
            return
        connection, identity = accepted
        session = _RealtimeSession(self._house, websocket, connection)
        try:
            await session.run(identity)
        except Refused as refused:
            await connection.close(refused.code, refused.sentence)
        finally:
            self._house.hub.forget(connection)


class _RealtimeSession:
    def __init__(self, house: SocketHouse, websocket: WebSocket, connection: Connection) -> None:
        self._house = house
        self._websocket = websocket
        self._connection = connection

    async def run(self, identity: Identity | None) -> None:
        if identity is not None:
            self._welcome(identity)
        else:
            try:
                async with asyncio.timeout(self._house.hello_timeout_s):
                    if not await self._first_hello():
                        return
            except TimeoutError:
                raise Refused(CloseCode.HELLO_TIMEOUT, "No `hello` with a token came in time.") from None
        while True:
            text = await receive_text(self._house, self._websocket, self._connection)
            if text is None:
                return
            await self._frame(text)

    # --- hello --------------------------------------------------------------------------------------------------------------------

    async def _first_hello(self) -> bool:
        text = await receive_text(self._house, self._websocket, self._connection)
        if text is None:
            return False
        command_id, verb, fields = _split(text)
        if verb != "hello":
            raise Refused(CloseCode.UNAUTHORIZED, "The first frame must be `hello` with a token.")
        try:
            identity = await self._house.gate.identify_token(_convert(verb, fields, Hello).token or "")
        except BadRequest as error:
            raise Refused(CloseCode.MALFORMED, error.message) from None
        except (Unauthorized, TokenExpired) as error:
            raise Refused(CloseCode.UNAUTHORIZED, error.message) from None
        if not self._house.hub.admit(self._connection, identity):
            raise Refused(CloseCode.CONNECTION_LIMIT, "You have as many open connections as allowed.")
        self._welcome(identity)
        self._ack(command_id, {})
        return True

    def _welcome(self, identity: Identity) -> None:
        house = self._house
        self._connection.push_event(
            Welcome(
                connection_id=self._connection.id,
                user={"id": identity.user_id, "name": identity.name},
                limits={"frame_bytes": house.frame_bytes, "subscriptions": house.max_subscriptions, "history": 300},
                heartbeat_ms=house.heartbeat_ms,
                features=FEATURES,
            )
        )

    async def _refresh(self, command_id: str | None, payload: AuthRefresh) -> None:
        """The connection goes on under new credentials of the same user; its subscriptions are judged by them from now on."""
        gate, present = self._house.gate, self._connection.identity
        fresh = await (gate.identify_token(payload.token) if payload.token else gate.identify(self._websocket))
        if fresh is None or present is None or fresh.user_id != present.user_id:
            raise Forbidden("These credentials are somebody else's. Open a connection of its own for them.")
        self._connection.identity = fresh
        self._house.hub.rights_changed()
        expires_at = None if fresh.expires_at is None else rfc3339(fresh.expires_at)
        self._ack(command_id, {"expires_at": expires_at})

    # --- frames -------------------------------------------------------------------------------------------------------------------

    async def _frame(self, text: str) -> None:
        command_id, verb, fields = _split(text)
        if verb != "pong":
            self._connection.used_s = self._connection.active_s
        try:
            if verb == "pong":
                _convert(verb, fields, Pong)
                if command_id is not None:
                    self._ack(command_id, {})
            elif verb == "hello":
                _convert(verb, fields, Hello)
                self._ack(command_id, {})
            elif verb == "auth_refresh":
                await self._refresh(command_id, _convert(verb, fields, AuthRefresh))
            elif verb == "subscribe":
                await self._subscribe(command_id, _convert(verb, fields, Subscribe))
            elif verb == "unsubscribe":
                topic = _convert(verb, fields, Unsubscribe).topic
                self._ack(command_id, {"topic": topic, "was_subscribed": self._connection.end_subscription(topic)})
            else:
                await self._table_command(command_id, verb, fields)
        except AntiphonError as error:
            push_ack(self._connection, command_id, error, request_id=self._house.hub.runtime.ids.new("req"))

    async def _table_command(self, command_id: str | None, verb: str, fields: dict[str, Any]) -> None:
        if command_id is None:
            raise BadRequest("A command needs an `id`: a fresh UUID, which is also its idempotency key.")
        if not self._house.commands[verb].socket:
            raise Unsupported(f"{verb!r} is not a socket command; it is part of the REST API.")
        await execute(self._house, self._connection, verb, fields, command_id=command_id)

    async def _subscribe(self, command_id: str | None, payload: Subscribe) -> None:
        connection, house = self._connection, self._house
        wanted = entry_filter(payload.filter)
        identity = connection.identity
        if identity is None:
            raise Unauthorized("Send `hello` first.")
        topic, reach = await house.topics.authorise(identity, payload.topic)
        name = str(topic)
        connection.end_subscription(name)  # subscribing again replaces: what a client does after a gap
        if house.max_subscriptions and len(connection.subscriptions) >= house.max_subscriptions:
            raise QuotaExceeded(f"A connection may subscribe to {house.max_subscriptions} topics.")
        self._ack(command_id, {"topic": name})
        subscription = Subscription(
            name, log=house.hub.log, outlet=connection, limits=house.replay, filter=wanted,
            snapshot=lambda: house.topics.snapshot(topic, reach),
        )  # fmt: skip
        connection.subscriptions[name] = subscription
        try:
            mode = await subscription.start(payload.since)
        except AntiphonError as error:  # it went away meanwhile; the one ack is out already
            connection.end_subscription(name)
            connection.push_event(Unsubscribed(topic=name, code=error.code, reason=error.message))
            return
        if payload.since is not None:
            house.count_resume(mode)
        if subscription.state is SubscriptionState.BEHIND:
            await connection.catch_up()

    def _ack(self, command_id: str | None, result: dict[str, Any]) -> None:
        push_ack(self._connection, command_id, result, request_id="")


def _split(text: str) -> tuple[str | None, str, dict[str, Any]]:
    """(id, type, the other fields). Raises Refused: what is not a JSON object with a type is no frame of this protocol."""
    try:
        frame = decode_frame(text)
    except BadRequest as error:
        raise Refused(CloseCode.MALFORMED, error.message) from None
    verb, command_id = frame.pop("type", None), frame.pop("id", None)
    if not isinstance(verb, str):
        raise Refused(CloseCode.MALFORMED, "A frame needs a `type`.")
    if command_id is not None and (not isinstance(command_id, str) or not 1 <= len(command_id) <= 128):
        raise Refused(CloseCode.MALFORMED, "The `id` of a command is a string of 1 to 128 characters.")
    return command_id, verb, frame


def _convert(verb: str, fields: dict[str, Any], kind: type[P]) -> P:
    try:
        return msgspec.convert(fields, kind)
    except msgspec.ValidationError as error:
        raise BadRequest(f"{verb}: {error}.") from None
