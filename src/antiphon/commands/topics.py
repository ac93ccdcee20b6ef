"""The topic table: for each kind its right and its snapshot builder. The log itself knows only opaque names.

Used by transports for every subscribe, and again whenever rights changed. A topic out of reach is missing, like the
object behind it. Tests: tests/unit/commands/test_topics.py.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from antiphon.access.identity import Identity
from antiphon.access.scope import Action, Memberships, Scope, scope
from antiphon.commands.live_messages import LiveView, by_reference
from antiphon.commands.table import Credentials
from antiphon.conversations.messages import message_json
from antiphon.core.errors import NotFound
from antiphon.library.documents import document_json
from antiphon.protocol.events import Snapshot
from antiphon.protocol.topics import Topic, parse_topic
from antiphon.runs.branches import read_branch
from antiphon.runs.engine import RunEngine
from antiphon.runs.waiting import queue_json
from antiphon.storage.event_log.contract import Position
from antiphon.storage.records.contract import Store, Transaction
from antiphon.storage.records.rows import (
    DOCUMENTS,
    MESSAGES,
    QUEUE,
    RUNS,
    SESSIONS,
    WORKSPACES,
    MessageRow,
    MessageState,
    QueueRow,
    RunRow,
)

SNAPSHOT_MESSAGES = 50
SNAPSHOT_DOCUMENTS = 200
LONG_TEXT_CHARACTERS = 32_000
"""A finished message longer than this comes by reference in a snapshot."""
MAX_ATTEMPTS = 4

_MESSAGE_STATES: dict[str, MessageState] = {
    "completed": "complete", "stopped": "stopped", "failed": "failed", "interrupted": "interrupted",
}  # fmt: skip
HeadNow = Callable[[str], Position]


class Topics:
    """`head_now` gives a topic's position without waiting, so that it and the live texts are read at one moment."""

    def __init__(
        self, *, store: Store, runs: RunEngine, memberships: Memberships, head_now: HeadNow, max_bytes: int,
        credentials: Credentials | None = None,
    ) -> None:  # fmt: skip
        self._store = store
        self._runs = runs
        self._memberships = memberships
        self._head_now = head_now
        self._max_bytes = max_bytes
        self._credentials = credentials

    async def authorise(self, identity: Identity, text: str) -> tuple[Topic, Scope]:
        """Raises NotFound for a topic that is missing or out of reach, BadRequest for one that is none, Unauthorized and
        TokenExpired when what the caller came with is not good any more."""
        topic = parse_topic(text)
        if self._credentials is not None:
            await self._credentials.demand_valid(identity)
        reach = await scope(identity, Action.READ, self._memberships)
        if topic.kind == "user" and identity.key_workspace is not None:
            raise NotFound(f"There is no topic {text!r}.")  # it tells of all the user's workspaces, the key is for one
        if not await self._store.read(lambda tx: _exists(tx, reach, topic)):
            raise NotFound(f"There is no topic {text!r}.")
        return topic, reach

    async def may_subscribe(self, identity: Identity, text: str) -> bool:
        try:
            await self.authorise(identity, text)
        except NotFound:
            return False
        return True

    async def snapshot(self, topic: Topic, reach: Scope) -> Snapshot:
        """The state of the topic at one position (R3). Raises NotFound when it went away meanwhile."""
        if topic.kind == "session":
            return await self._session_snapshot(topic, reach)
        if topic.kind == "run":
            return await self._run_snapshot(topic, reach)
        position = self._head_now(str(topic))
        state: dict[str, Any] = {}
        if topic.kind == "workspace":
            documents = await self._store.read(
                lambda tx: tx.find(
                    DOCUMENTS,
                    reach,
                    {"workspace_id": topic.id, "deleted_at": None},
                    order="created_at",
                    descending=True,
                    limit=SNAPSHOT_DOCUMENTS,
                )
            )
            state = {"documents": [document_json(row) for row in documents]}
        return Snapshot(
            topic=str(topic), epoch=position.epoch, seq=position.seq, messages=[], active_runs=[], pending_inputs=[], has_more=False,
            state=state,
        )  # fmt: skip

    async def _session_snapshot(self, topic: Topic, reach: Scope) -> Snapshot:
        """Position and live texts are taken at one moment, the records after it: records are committed before their events
        are appended, so they are never older, and what is newer the following events say again. Only a run that began in
        between could make them disagree (its text in the record, its deltas after the position): then once more."""
        for attempt in range(MAX_ATTEMPTS):
            position = self._head_now(str(topic))
            live = {run.run_id: LiveView(run) for run in self._runs.live_in_session(topic.id)}
            rows, queue = await self._store.read(lambda tx: _visible_messages(tx, reach, topic.id))
            # A session has one run at a time: the newest row is of the last one, also when that is over again already.
            began = bool(rows) and rows[0].run_id not in live and self._head_now(str(topic)) != position
            if not began or attempt == MAX_ATTEMPTS - 1:
                return self._fit(topic, position, rows, live, queue)
        raise AssertionError("unreachable")

    def _fit(
        self, topic: Topic, position: Position, rows: list[MessageRow], live: dict[str, LiveView], queue: list[QueueRow]
    ) -> Snapshot:
        """Newest messages first until the frame is full; `has_more` says that `history` has older ones."""
        messages: list[dict[str, Any]] = []
        waiting = [queue_json(row) for row in queue]
        size = 512 + len(msgspec.json.encode(waiting))
        has_more = len(rows) > SNAPSHOT_MESSAGES
        for row in rows[:SNAPSHOT_MESSAGES]:
            view = live.get(row.run_id or "")
            message = message_json(row) if view is None else view.message(row)
            if message["state"] != "streaming" and len(row.content) > LONG_TEXT_CHARACTERS:
                by_reference(message)
            size += _shrunk_size(message, self._max_bytes - size)
            if size > self._max_bytes and messages:
                has_more = True
                break
            messages.append(message)
        return Snapshot(
            topic=str(topic), epoch=position.epoch, seq=position.seq, messages=messages[::-1],
            active_runs=[view.json() for view in live.values()], pending_inputs=[], has_more=has_more,
            queue=waiting,
        )  # fmt: skip

    async def _run_snapshot(self, topic: Topic, reach: Scope) -> Snapshot:
        for attempt in range(MAX_ATTEMPTS):
            run = self._runs.live(topic.id)
            if run is not None:
                run.tell_nodes()
            position = self._head_now(str(topic))
            view = None if run is None else LiveView(run)
            nodes = {} if run is None else run.nodes_snapshot()
            row, message = await self._store.read(lambda tx: _run_and_answer(tx, reach, topic.id))
            began = run is None and self._head_now(str(topic)) != position
            if (self._runs.live(topic.id) is run and not began) or attempt == MAX_ATTEMPTS - 1:
                return self._run_state(topic, position, message, view, nodes or _recorded_nodes(row.record if row else {}))
        raise AssertionError("unreachable")

    def _run_state(
        self, topic: Topic, position: Position, message: MessageRow | None, view: LiveView | None, nodes: dict[str, Any]
    ) -> Snapshot:
        messages = [message_json(message) if view is None else view.message(message)] if message is not None else []
        for shown in messages:  # what changes with the conversation is told on its topic
            shown.pop("siblings", None)
            shown.pop("feedback", None)
        size = 512
        if messages:
            size += _shrunk_size(messages[0], self._max_bytes - size)
        if size + len(msgspec.json.encode(nodes)) > self._max_bytes:
            nodes = {name: _without_text(node) for name, node in nodes.items()}
        return Snapshot(
            topic=str(topic), epoch=position.epoch, seq=position.seq, messages=messages,
            active_runs=[view.json()] if view is not None else [], pending_inputs=[], has_more=False, state={"nodes": nodes},
        )  # fmt: skip


def _shrunk_size(message: dict[str, Any], room_bytes: int) -> int:
    """The message's size in a frame; one that is being written goes by reference when there is no room for its text."""
    size = len(msgspec.json.encode(message))
    if size > room_bytes and message["state"] == "streaming":
        by_reference(message, keep_citations=False)
        size = len(msgspec.json.encode(message))
    return size


def _without_text(node: dict[str, Any]) -> dict[str, Any]:
    """What a node wrote is told by its length; the pieces that follow begin there."""
    return {**node, "text": {}, "text_length": {port: len(text) for port, text in node["text"].items()}}


def _exists(tx: Transaction, reach: Scope, topic: Topic) -> bool:
    if topic.kind == "session":
        return tx.get(SESSIONS, reach, topic.id) is not None
    if topic.kind == "run":
        return tx.get(RUNS, reach, topic.id) is not None
    if topic.kind == "workspace":
        row = tx.get(WORKSPACES, reach, topic.id)
        return row is not None and row.deleted_at is None
    return topic.id == reach.user_id


def _visible_messages(tx: Transaction, reach: Scope, session_id: str) -> tuple[list[MessageRow], list[QueueRow]]:
    """(the active branch, newest first, one more than a snapshot holds; what waits)."""
    session = tx.get(SESSIONS, reach, session_id)
    if session is None:
        raise NotFound("There is no such session.")
    queue = tx.find(QUEUE, reach, {"session_id": session_id}, order="position")
    return read_branch(tx, reach, session, limit=SNAPSHOT_MESSAGES + 1), queue


def _run_and_answer(tx: Transaction, reach: Scope, run_id: str) -> tuple[Any, MessageRow | None]:
    row = tx.get(RUNS, reach, run_id)
    if row is None:
        raise NotFound("There is no such run.")
    if row.session_id is None and row.message_id is not None:
        return row, _answer_without_session(row)
    return row, tx.get(MESSAGES, reach, row.message_id) if row.message_id else None


def _answer_without_session(row: RunRow) -> MessageRow:
    """A replay writes into no conversation; its text is in its record."""
    return MessageRow(
        id=row.message_id or "", session_id="", workspace_id=row.workspace_id, ordinal=1, role="assistant", run_id=row.id,
        content=row.record.get("text", ""), state=_MESSAGE_STATES.get(row.state, "streaming"), sources=row.record.get("sources", []),
        citations=row.record.get("citations", []), usage=row.record.get("usage"), error=row.error, created_at=row.created_at,
    )  # fmt: skip


def _recorded_nodes(record: dict[str, Any]) -> dict[str, Any]:
    return {
        node["id"]: {"state": node.get("state", "finished"), "label": node.get("label", ""), "text": {}}
        for node in record.get("nodes", [])
        if "state" in node
    }
