"""`/ws/runs/{run_id}/nodes/{node_id}` and its alias `/ws/stream/{node_id}?run_id=`: what one node of a flow says, as it says it.

The simple profile of a node: `format=json` (default) sends its events with envelope, `format=text` nothing but its words.
What was said before comes first, as one chunk a port. The socket is closed (1000) when the run is over; nothing is sent up.
Tests: tests/integration/live/test_node_stream.py.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec
from starlette.websockets import WebSocket

from antiphon.access.identity import Identity
from antiphon.core.errors import AntiphonError
from antiphon.protocol.close_codes import CloseCode
from antiphon.protocol.codec import encode_json
from antiphon.protocol.events import Event, Snapshot
from antiphon.protocol.topics import run_topic
from antiphon.storage.event_log.contract import Entry
from antiphon.transports.connection import Connection
from antiphon.transports.filters import EntryFilter
from antiphon.transports.socket_session import Refused, SocketHouse, accept, receive_text
from antiphon.transports.subscription import Subscription, SubscriptionState

SHOWN: Final = ("node_started", "node_chunk", "node_output", "node_finished", "node_failed", "error", "complete")
FORMATS: Final = ("json", "text")


class NodeStreamEndpoint:
    """`WebSocketRoute("/ws/runs/{run_id}/nodes/{node_id}", NodeStreamEndpoint(house).serve)`."""

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
            await self._follow(websocket, connection, identity)
            while await receive_text(self._house, websocket, connection) is not None:
                connection.used_s = connection.active_s  # what is sent up means nothing here
        except Refused as refused:
            await connection.close(refused.code, refused.sentence)
        finally:
            self._house.hub.forget(connection)

    async def _follow(self, websocket: WebSocket, connection: Connection, identity: Identity) -> None:
        run_id = websocket.path_params.get("run_id") or websocket.query_params.get("run_id") or ""
        node_id = str(websocket.path_params["node_id"])
        chosen = websocket.query_params.get("format", "json")
        if chosen not in FORMATS:
            raise Refused(CloseCode.MALFORMED, f"`format` is one of {', '.join(FORMATS)}.")
        house = self._house
        try:
            topic, reach = await house.topics.authorise(identity, run_topic(run_id))
        except AntiphonError as error:
            raise Refused(CloseCode.MALFORMED, error.message) from None
        frames = NodeFrames(connection, house, node_id=node_id, text=chosen == "text")
        subscription = Subscription(
            str(topic), log=house.hub.log, outlet=frames, limits=house.replay, filter=EntryFilter(types=SHOWN, nodes=[node_id]),
            snapshot=lambda: house.topics.snapshot(topic, reach),
        )  # fmt: skip
        connection.subscriptions[str(topic)] = subscription
        try:
            await subscription.start(None)
        except AntiphonError as error:
            raise Refused(CloseCode.MALFORMED, error.message) from None
        if subscription.state is SubscriptionState.BEHIND:
            await connection.catch_up()


class NodeFrames:
    """The outlet between the run's topic and the socket. Texts go out once: `_told` counts each port's characters."""

    def __init__(self, connection: Connection, house: SocketHouse, *, node_id: str, text: bool) -> None:
        self._connection = connection
        self._house = house
        self._node_id = node_id
        self._text = text
        self._told: dict[str, int] = {}

    @property
    def paused(self) -> bool:
        return self._connection.paused

    def push_entry(self, entry: Entry) -> None:
        self.push_frame(entry.frame)

    def push_frame(self, frame: bytes) -> None:
        told = msgspec.json.decode(frame, type=_Told)
        if told.type == "node_chunk":
            self._told[told.port] = told.offset + len(told.content)
        if not self._text:
            self._connection.push_frame(frame)
        elif told.type == "node_chunk":
            self._connection.push_frame(told.content.encode())
        elif told.type in {"node_failed", "error"}:
            self._connection.push_frame(f"[{told.code}] {told.message}".encode())
        if told.type == "complete":
            self._end()

    def push_event(self, event: Event) -> None:
        """A snapshot: what is missing of the node's words, and how it stands."""
        if not isinstance(event, Snapshot):
            return
        nodes: dict[str, Any] = event.state.get("nodes", {}) if isinstance(event.state, dict) else {}
        node = nodes.get(self._node_id)
        over = not event.active_runs
        if node is None:
            if over:
                self._end(CloseCode.MALFORMED, f"The run has no node {self._node_id[:80]!r}.")
            return
        texts: dict[str, str] = node.get("text", {})
        for port, whole in texts.items():
            offset = self._told.get(port, 0)
            if len(whole) > offset:
                self._push("node_chunk", event, port=port, content=whole[offset:], offset=offset)
        if node["state"] in {"finished", "failed"}:
            self._push(f"node_{node['state']}", event)
        if over:
            self._end()

    def _push(self, kind: str, snapshot: Snapshot, **fields: Any) -> None:
        run_id = snapshot.topic.partition(":")[2]
        self.push_frame(
            encode_json({"type": kind, "node_id": self._node_id, "run_id": run_id, "topic": snapshot.topic, **fields})
        )

    def _end(self, code: CloseCode = CloseCode.NORMAL, reason: str = "The run is over.") -> None:
        connection = self._connection
        self._house.hub.runtime.scheduler.spawn(connection.close(code, reason), name=f"end {connection.id}")


class _Told(msgspec.Struct):
    type: str
    port: str = ""
    content: str = ""
    offset: int = 0
    code: str = ""
    message: str = ""
