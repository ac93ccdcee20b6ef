"""`/ws/chat` and its aliases: one session a socket, subscribed at once, for pages of ten lines and for wscat.

Text that is not JSON in -> bare answer text out; JSON in -> typed frames out (`format=auto`); `format=text|json` fixes it.
Query: workspace, session_id, model, history=0|N|all, since=SEQ&epoch=E, format. Normative: docs/protocol.md section 2.
What is shown of the session's events: simple_frames.py. Tests: tests/integration/live/test_simple_chat.py.
"""

from __future__ import annotations

from typing import Any

from starlette.websockets import WebSocket

from antiphon.access.identity import Identity
from antiphon.access.scope import Scope
from antiphon.core.errors import AntiphonError, BadRequest
from antiphon.protocol.close_codes import CloseCode
from antiphon.protocol.codec import decode_frame, encode_json
from antiphon.protocol.commands import Since
from antiphon.protocol.events import RunError, Snapshot
from antiphon.protocol.topics import Topic, session_topic
from antiphon.storage.event_log.contract import Position
from antiphon.transports.connection import Connection
from antiphon.transports.simple_frames import ShownFrames
from antiphon.transports.socket_session import Refused, SocketHouse, accept, execute, receive_text
from antiphon.transports.subscription import Subscription, SubscriptionState

FORMATS = ("auto", "text", "json")


class SimpleChatEndpoint:
    """`WebSocketRoute("/ws/chat", SimpleChatEndpoint(house).serve)`."""

    def __init__(self, house: SocketHouse) -> None:
        self._house = house

    async def serve(self, websocket: WebSocket) -> None:
        accepted = await accept(self._house, websocket, kind="simple")
        if accepted is None:
            return
        connection, identity = accepted
        try:
            if identity is None:
                raise Refused(CloseCode.UNAUTHORIZED, "Sign in, or connect with a key or a ticket.")
            await _SimpleSession(self._house, websocket, connection, identity).run()
        except Refused as refused:
            await connection.close(refused.code, refused.sentence)
        finally:
            self._house.hub.forget(connection)


class _SimpleSession:
    def __init__(self, house: SocketHouse, websocket: WebSocket, connection: Connection, identity: Identity) -> None:
        query = websocket.query_params
        self._house = house
        self._websocket = websocket
        self._connection = connection
        self._identity = identity
        self._workspace = query.get("workspace") or None
        self._session = query.get("session_id") or query.get("sessionId") or None
        self._model = query.get("model") or None
        self._format = query.get("format", "auto")
        self._json = self._format == "json"
        self._shown: ShownFrames | None = None

    async def run(self) -> None:
        if self._format not in FORMATS:
            raise Refused(CloseCode.MALFORMED, f"`format` is one of {', '.join(FORMATS)}.")
        try:
            if self._session is not None:
                await self._enter(self._session)
        except AntiphonError as error:
            raise Refused(CloseCode.MALFORMED, error.message) from None
        while True:
            text = await receive_text(self._house, self._websocket, self._connection)
            if text is None:
                return
            self._connection.used_s = self._connection.active_s
            await self._receive(text)

    # --- client -> server -----------------------------------------------------------------------------------------------------

    async def _receive(self, text: str) -> None:
        try:
            frame = self._frame_of(text)
            kind = frame.get("type", "chat_message")
            if kind == "chat_message":
                await self._ask(frame)
            elif kind == "stop":
                await self._stop(frame)
            elif kind not in ("ping", "pong"):
                raise BadRequest(f"The simple profile knows `chat_message` and `stop`, not {str(kind)[:40]!r}.")
        except AntiphonError as error:
            self._tell(error)

    def _frame_of(self, text: str) -> dict[str, Any]:
        if self._format != "text" and text.lstrip()[:1] == "{":
            try:
                frame = decode_frame(text)
            except BadRequest:
                if self._format == "json":
                    raise
            else:
                self._json = True
                if self._shown is not None:
                    self._shown.json = True
                return frame
        elif self._format == "json":
            raise BadRequest("Send a JSON object: this socket was opened with `format=json`.")
        if self._format == "auto":
            self._json = False
            if self._shown is not None:
                self._shown.json = False
        return {"type": "chat_message", "content": text}

    async def _ask(self, frame: dict[str, Any]) -> None:
        content = frame.get("content", frame.get("query"))
        if not isinstance(content, str):
            raise BadRequest("A question needs `content` (or `query`): a text.")
        wanted = frame.get("session_id", frame.get("sessionId"))
        if wanted is not None and wanted != self._session:
            await self._enter(_text(wanted, "session_id"))
        fields: dict[str, Any] = {"content": content, "session_id": self._session, "workspace_id": await self._workspace_id()}
        model = frame.get("model", self._model)
        if model is not None:
            fields["model"] = _text(model, "model")
        if self._session is None:
            await self._enter(None)
            fields["session_id"] = self._session
        command_id = frame.get("id") or self._house.hub.runtime.ids.new("req")
        outcome = await execute(
            self._house, self._connection, "chat_message", fields, command_id=_text(command_id, "id"), ack=False
        )
        if isinstance(outcome, AntiphonError):
            raise outcome

    async def _stop(self, frame: dict[str, Any]) -> None:
        target = {"run_id": frame["run_id"]} if frame.get("run_id") else {"session_id": self._session}
        if target.get("session_id", "") is None:
            raise BadRequest("There is nothing to stop yet.")
        outcome = await execute(self._house, self._connection, "stop", target, command_id=None, ack=False)
        if isinstance(outcome, AntiphonError):
            raise outcome

    # --- the session ------------------------------------------------------------------------------------------------------------

    async def _workspace_id(self) -> str | None:
        """`workspace` is an id or a slug."""
        if self._workspace is None:
            return None
        return await self._call("workspace_find", {"reference": self._workspace})

    async def _enter(self, reference: str | None) -> None:
        """Finds or makes the session, and subscribes: with `since` and its epoch exactly from there on; else history."""
        fields: dict[str, Any] = {"workspace_id": await self._workspace_id(), "reference": reference}
        self._session = await self._call("session_open", fields)
        for topic in list(self._connection.subscriptions):
            self._connection.end_subscription(topic)
        name = session_topic(self._session)
        topic, reach = await self._house.topics.authorise(self._identity, name)
        since, head = self._since(reference), await self._house.hub.log.head(name)
        if since is not None and (since.epoch != head.epoch or since.seq > head.seq):
            since = None
        self._shown = ShownFrames(
            self._connection, self._house.hub.runtime, json=self._json, epoch=head.epoch, last_seq=since.seq if since else None
        )
        subscription = Subscription(
            name, log=self._house.hub.log, outlet=self._shown, limits=self._house.replay,
            snapshot=lambda: self._whole_snapshot(topic, reach),
        )  # fmt: skip
        self._connection.subscriptions[name] = subscription
        if since is not None:
            self._house.count_resume(await subscription.start(since, announce=False))
        else:
            await self._history()
            await subscription.start_live(position=Position(head.epoch, head.seq))
        if subscription.state is SubscriptionState.BEHIND:
            await self._connection.catch_up()

    async def _whole_snapshot(self, topic: Topic, reach: Scope) -> Snapshot:
        """With the texts that a snapshot gives by reference: who reads bare text can't follow one."""
        snapshot = await self._house.topics.snapshot(topic, reach)
        messages = snapshot.messages if isinstance(snapshot.messages, list) else []
        for place, message in enumerate(messages):
            if message.pop("content_ref", None) is not None:
                following = messages[place + 1]["id"] if place + 1 < len(messages) else None
                (whole,) = await self._messages(str(topic), 1, before=following)
                message["content"] = whole["content"][: message["text_length"]]  # it may have grown since: the rest follows
        return snapshot

    def _since(self, reference: str | None) -> Since | None:
        """A position belongs to the session of the address."""
        query = self._websocket.query_params
        if reference is None or reference not in (query.get("session_id"), query.get("sessionId")):
            return None
        seq, epoch = query.get("since"), query.get("epoch")
        return Since(epoch, int(seq)) if seq and epoch and seq.isdigit() and len(seq) < 17 else None

    async def _history(self) -> None:
        """`history=0` none, `history=N` the last N messages, `history=all` the last 300; default none."""
        wanted = self._websocket.query_params.get("history", "0")
        limit = 300 if wanted == "all" else min(int(wanted), 300) if wanted.isdigit() and len(wanted) < 6 else 0
        if not limit or self._session is None:
            return
        for message in await self._messages(session_topic(self._session), limit):
            if self._json:
                self._connection.push_frame(encode_json({"type": "message", "message": message}))
            else:
                self._connection.push_frame(message["content"].encode())

    async def _messages(self, topic: str, limit: int, *, before: str | None = None) -> list[dict[str, Any]]:
        """The last `limit` before the named one. A page of `history` may hold fewer than asked for."""
        found: list[dict[str, Any]] = []
        has_more = True
        while has_more and len(found) < limit:
            fields = {"topic": topic, "limit": limit - len(found), "before": found[0]["id"] if found else before}
            page = await self._house.commands.execute(
                "history", fields, identity=self._identity, request_id=self._house.hub.runtime.ids.new("req")
            )
            found, has_more = [*page["messages"], *found], page["has_more"] and bool(page["messages"])
        return found

    async def _call(self, verb: str, fields: dict[str, Any]) -> str:
        outcome = await self._house.commands.execute(
            verb, fields, identity=self._identity, request_id=self._house.hub.runtime.ids.new("req")
        )
        return str(outcome["id"])

    def _tell(self, error: AntiphonError) -> None:
        event = RunError(code=error.code, message=error.message, retryable=error.retryable, session_id=self._session)
        if self._json or self._format == "json":
            self._connection.push_event(event)
        else:
            self._connection.push_frame(f"[{error.code}] {error.message}".encode())


def _text(value: object, name: str) -> str:
    if not isinstance(value, str) or not 0 < len(value) <= 200:
        raise BadRequest(f"`{name}` is a text of 1 to 200 characters.")
    return value
