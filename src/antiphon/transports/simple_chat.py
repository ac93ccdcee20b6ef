"""`/ws/chat` and its aliases: one session a socket, subscribed at once, for pages of ten lines and for wscat.

Text that is not JSON in -> bare answer text out; JSON in -> typed frames out (`format=auto`); `format=text|json` fixes it.
Query: workspace, session_id, model, history=0|N|all, since=SEQ&epoch=E, format. Normative: docs/protocol.md section 2.
Tests: tests/integration/test_socket_simple.py.
"""

from __future__ import annotations

from typing import Any

import msgspec
from starlette.websockets import WebSocket

from antiphon.access.identity import Identity
from antiphon.core.errors import AntiphonError, BadRequest
from antiphon.protocol.close_codes import CloseCode
from antiphon.protocol.codec import decode_frame, encode_json
from antiphon.protocol.commands import Since
from antiphon.protocol.events import Event, RunError
from antiphon.protocol.topics import session_topic
from antiphon.storage.event_log.contract import Entry, Position
from antiphon.transports.connection import Connection
from antiphon.transports.socket_session import Refused, SocketHouse, accept, execute, receive_text
from antiphon.transports.subscription import Subscription, SubscriptionState

SHOWN = frozenset({"status", "answer_chunk", "tool_call", "sources", "error", "complete"})
"""What the simple profile passes on; the rest of the protocol is for `/ws/v1`."""
FORMATS = ("auto", "text", "json")
TOLD_AS_TEXT = ("answer_chunk", "error")


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
        self._shown: _Shown | None = None

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
        self._shown = _Shown(self._connection, self._json, self._house.hub.log.epoch)
        subscription = Subscription(
            name, log=self._house.hub.log, outlet=self._shown, limits=self._house.replay,
            snapshot=lambda: self._house.topics.snapshot(topic, reach),
        )  # fmt: skip
        self._connection.subscriptions[name] = subscription
        since, head = self._since(), await self._house.hub.log.head(name)
        if since is not None and since.epoch == head.epoch and since.seq <= head.seq:
            self._house.count_resume(await subscription.start(since, announce=False))
        else:
            await self._history()
            await subscription.start_live(position=Position(head.epoch, head.seq))
        if subscription.state is SubscriptionState.BEHIND:
            await self._connection.catch_up()

    def _since(self) -> Since | None:
        query = self._websocket.query_params
        seq, epoch = query.get("since"), query.get("epoch")
        return Since(epoch, int(seq)) if seq and epoch and seq.isdigit() and len(seq) < 17 else None

    async def _history(self) -> None:
        """`history=0` none, `history=N` the last N messages, `history=all` the last 300; default none."""
        wanted = self._websocket.query_params.get("history", "0")
        limit = 300 if wanted == "all" else min(int(wanted), 300) if wanted.isdigit() and len(wanted) < 6 else 0
        if not limit or self._session is None:
            return
        fields = {"topic": session_topic(self._session), "limit": limit}
        outcome = await self._house.commands.execute(
            "history", fields, identity=self._identity, request_id=self._house.hub.runtime.ids.new("req")
        )
        for message in outcome["messages"]:
            if self._json:
                self._connection.push_frame(encode_json({"type": "message", "message": message}))
            else:
                self._connection.push_frame(message["content"].encode())

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


class _Shown:
    """The outlet of a simple socket: typed frames, or nothing but the answer's text.

    Frames that are passed over make the next one carry `prev_seq`; the first one carries the epoch, so that a page can
    come back with `since` and `epoch`."""

    def __init__(self, connection: Connection, json: bool, epoch: str) -> None:
        self._connection = connection
        self.json = json
        self._epoch: str | None = epoch
        self._last_seq: int | None = None

    @property
    def paused(self) -> bool:
        return self._connection.paused

    def push_entry(self, entry: Entry) -> None:
        if entry.kind not in SHOWN:
            return
        if self.json and self._epoch is None and self._last_seq == entry.seq - 1:
            self._last_seq = entry.seq
            self._connection.push_entry(entry)
        elif self.json or entry.kind in TOLD_AS_TEXT:
            self.push_frame(entry.frame)

    def push_frame(self, frame: bytes) -> None:
        """A replayed frame, one that does not follow the last, or a single one in text mode: then only its words go out."""
        told = msgspec.json.decode(frame, type=_Told)
        if told.type not in SHOWN:
            return
        if self.json:
            self._connection.push_frame(self._enveloped(frame, told))
        elif told.type == "answer_chunk":
            self._connection.push_frame(told.content.encode())
        elif told.type == "error":
            self._connection.push_frame(f"[{told.code}] {told.message}".encode())

    def push_event(self, event: Event) -> None:
        """A snapshot, for a reader that fell behind."""
        if self.json:
            self._connection.push_event(event)

    def _enveloped(self, frame: bytes, told: _Told) -> bytes:
        previous, self._last_seq = self._last_seq, told.seq
        if previous is not None and previous != told.seq - 1 and told.prev_seq is None:
            frame = b'%b,"prev_seq":%d}' % (frame[:-1], previous)
        if self._epoch is not None:
            frame = b'%b,"epoch":"%b"}' % (frame[:-1], self._epoch.encode())
            self._epoch = None
        return frame


class _Told(msgspec.Struct):
    type: str
    seq: int = 0
    prev_seq: int | None = None
    content: str = ""
    code: str = ""
    message: str = ""


def _text(value: object, name: str) -> str:
    if not isinstance(value, str) or not 0 < len(value) <= 200:
        raise BadRequest(f"`{name}` is a text of 1 to 200 characters.")
    return value
