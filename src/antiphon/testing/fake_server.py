"""A small server of the realtime protocol for tests of clients: says what it is told to, and fails as it is told to.

`FakeServer(answers=...)` answers every question with the given pieces of text. `faults` has one `Fault` per connection, in
order; later connections work. `dial` is an in-memory socket for `AntiphonClient(dial=...)`; `serve` is a real one on
loopback. Plug-in and client authors may use it. Tests: tests/unit/client, tests/properties/test_client_cuts.py.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed

from antiphon.client.socket import SocketClosed
from antiphon.core.runtime import Runtime, system_runtime
from antiphon.protocol.codec import decode_frame, encode_json

Frame = dict[str, Any]


@dataclass(frozen=True, kw_only=True, slots=True)
class Fault:
    """What goes wrong on one connection.

    `frames`: cut after so many outgoing frames; `commands`: cut at the n-th command (1-based), done (`do_last`) or not.
    `code` None: lost without a close frame. `drop`, `duplicate`: indices of outgoing frames, `welcome` is 0. Only
    events with a seq are dropped: a connection that loses an ack is lost as a whole.
    `new_epoch`: after this connection the log has another epoch and nothing to replay.
    """

    frames: int | None = None
    commands: int | None = None
    do_last: bool = True
    code: int | None = None
    drop: frozenset[int] = frozenset()
    duplicate: frozenset[int] = frozenset()
    new_epoch: bool = False


@dataclass(slots=True)
class _Log:
    head: int = 0
    frames: list[Frame] = field(default_factory=list[Frame])
    messages: dict[str, Frame] = field(default_factory=dict[str, Frame])
    active: dict[str, Frame] = field(default_factory=dict[str, Frame])


class _Peer:
    """The server's end of one connection."""

    def __init__(self, server: FakeServer, fault: Fault) -> None:
        self._server = server
        self._fault = fault
        self._sent = 0
        self._taken = 0
        self.topics: set[str] = set()
        self.out: asyncio.Queue[str | SocketClosed] = asyncio.Queue()
        self.closed = False

    def send(self, frame: Frame) -> None:
        if self.closed:
            return
        index, self._sent = self._sent, self._sent + 1
        if self._fault.frames is not None and index >= self._fault.frames:
            self.close(self._fault.code)
            return
        copies = 0 if index in self._fault.drop and "seq" in frame else 2 if index in self._fault.duplicate else 1
        for _ in range(copies):
            self.out.put_nowait(encode_json(frame).decode())

    def receive(self, text: str) -> None:
        if self.closed:
            raise SocketClosed(None)
        self._taken += 1
        last = self._fault.commands is not None and self._taken >= self._fault.commands
        if last and not self._fault.do_last:
            self.close(self._fault.code)
            return
        self._server.handle(self, decode_frame(text))
        if last:
            self.close(self._fault.code)

    def close(self, code: int | None, reason: str = "") -> None:
        """A lost connection loses what was still under way, too."""
        if self.closed:
            return
        self.closed = True
        if code is None:
            while not self.out.empty():
                self.out.get_nowait()
        self.out.put_nowait(SocketClosed(code, reason))
        self._server.gone(self, self._fault)


class _MemorySocket:
    def __init__(self, peer: _Peer) -> None:
        self._peer = peer

    async def send(self, text: str) -> None:
        self._peer.receive(text)

    async def receive(self) -> str:
        item = await self._peer.out.get()
        if isinstance(item, SocketClosed):
            self._peer.out.put_nowait(item)
            raise item
        return item

    async def close(self) -> None:
        self._peer.close(1000)


class FakeServer:
    """`pause` runs between two pieces of an answer; `keep` is how many events of a topic can be replayed.

    `commands` holds every command as it came; `runs_started` counts the runs that were really begun.
    """

    def __init__(
        self,
        *,
        answers: Callable[[str], Sequence[str]] = lambda question: [f"You asked: {question}"],
        faults: Sequence[Fault] = (),
        runtime: Runtime | None = None,
        keep: int = 1000,
        heartbeat_ms: int = 25_000,
    ) -> None:
        self._answers = answers
        self._faults = list(faults)
        self._runtime = runtime or system_runtime()
        self._keep = keep
        self._heartbeat_ms = heartbeat_ms
        self._epoch = 1
        self._logs: dict[str, _Log] = {}
        self._results: dict[str, Frame] = {}
        self._stopped: set[str] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self.peers: list[_Peer] = []
        self.commands: list[Frame] = []
        self.runs_started = 0
        self.connections = 0
        self.refuse: BaseException | None = None
        """Raised by the next `dial`s while set."""

    # --- connections ------------------------------------------------------------------------------------------------------

    async def dial(self) -> _MemorySocket:
        if self.refuse is not None:
            raise self.refuse
        return _MemorySocket(self._accept())

    @asynccontextmanager
    async def serve(self) -> AsyncGenerator[str]:
        """The same on a real socket; gives the address for `AntiphonClient`."""
        async with serve(self._talk, "127.0.0.1", 0, subprotocols=None, compression=None) as server:
            host, port = server.sockets[0].getsockname()[:2]
            yield f"http://{host}:{port}"

    async def _talk(self, connection: ServerConnection) -> None:
        peer = self._accept()

        async def write() -> None:
            while True:
                item = await peer.out.get()
                if isinstance(item, SocketClosed):
                    if item.code is None:
                        connection.transport.abort()
                    else:
                        await connection.close(item.code, item.reason)
                    return
                await connection.send(item)

        writing = asyncio.create_task(write())
        try:
            async for message in connection:
                peer.receive(message if isinstance(message, str) else message.decode())
        except (ConnectionClosed, SocketClosed):
            pass
        finally:
            peer.close(1000)
            await writing

    def _accept(self) -> _Peer:
        fault = self._faults.pop(0) if self._faults else Fault()
        peer = _Peer(self, fault)
        self.peers.append(peer)
        self.connections += 1
        peer.send({
            "type": "welcome", "connection_id": f"con_{self.connections}", "user": {"id": "usr_1", "name": "Ada"}, "limits": {},
            "heartbeat_ms": self._heartbeat_ms, "features": [],
        })  # fmt: skip
        return peer

    def gone(self, peer: _Peer, fault: Fault) -> None:
        self.peers.remove(peer)
        if fault.new_epoch:
            self.renew_epoch()

    def renew_epoch(self) -> None:
        """As after an unclean stop: nothing can be replayed, everybody gets a snapshot."""
        self._epoch += 1
        for log in self._logs.values():
            log.head, log.frames = 0, []
        for peer in list(self.peers):
            peer.close(None)

    async def close(self) -> None:
        for peer in list(self.peers):
            peer.close(1001)
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    # --- the log ------------------------------------------------------------------------------------------------------------

    @property
    def epoch(self) -> str:
        return f"epoch{self._epoch}"

    def text(self, session_id: str, message_id: str) -> str:
        return str(self._logs[f"session:{session_id}"].messages[message_id]["content"])

    def head(self, topic: str) -> int:
        """The seq of the last event; 0 for none."""
        log = self._logs.get(topic)
        return log.head if log else 0

    def append(self, topic: str, frame: Frame) -> None:
        """Gives the event its seq and sends it to all who follow the topic."""
        log = self._logs.setdefault(topic, _Log())
        log.head += 1
        sent = {**frame, "seq": log.head, "topic": topic, "timestamp": "2026-11-20T10:00:00.000Z"}
        log.frames = [*log.frames, sent][-self._keep :]
        self._record(log, frame)
        for peer in list(self.peers):
            if topic in peer.topics:
                peer.send(sent)

    def _record(self, log: _Log, frame: Frame) -> None:
        message = log.messages.get(str(frame.get("message_id")))
        match frame["type"]:
            case "user_message":
                log.messages[frame["message_id"]] = _row(frame["message_id"], "user", frame["content"], "complete")
            case "run_started":
                log.messages[frame["message_id"]] = _row(frame["message_id"], "assistant", "", "streaming")
                log.active[frame["run_id"]] = {k: frame[k] for k in ("run_id", "message_id")} | {"state": "running"}
            case "answer_chunk" if message:
                message["content"] += frame["content"]
            case "sources" if message:
                message["sources"] = frame["sources"]
            case "complete" if message:
                message["state"] = "complete" if frame["status"] == "completed" else frame["status"]
                log.active.pop(frame["run_id"], None)
            case _:
                pass

    # --- commands -----------------------------------------------------------------------------------------------------------

    def handle(self, peer: _Peer, frame: Frame) -> None:
        self.commands.append(frame)
        match frame["type"]:
            case "chat_message":
                self._chat(peer, frame)
            case "subscribe":
                self._subscribe(peer, frame)
            case "unsubscribe":
                peer.topics.discard(frame["topic"])
                self._ack(peer, frame, {})
            case "stop":
                self._stopped.add(str(frame.get("run_id")))
                self._ack(peer, frame, {"state": "stopping"})
            case "history":
                rows = list(self._logs[frame["topic"]].messages.values())
                self._ack(peer, frame, {"messages": rows[-frame.get("limit", 50) :], "has_more": False})
            case "pong":
                self._ack(peer, frame, {})
            case unknown:
                self._refuse(peer, frame, "unknown_type", f"No command {unknown!r} here.")

    def _ack(self, peer: _Peer, frame: Frame, result: Frame, *, duplicate: bool = False) -> None:
        peer.send({"type": "ack", "reply_to": frame["id"], "ok": True, "result": result, "error": None, "duplicate": duplicate})

    def _refuse(self, peer: _Peer, frame: Frame, code: str, message: str) -> None:
        error = {"code": code, "message": message, "retryable": False, "request_id": "req_1"}
        peer.send({"type": "ack", "reply_to": frame["id"], "ok": False, "result": None, "error": error, "duplicate": False})

    def _subscribe(self, peer: _Peer, frame: Frame) -> None:
        topic, since = str(frame["topic"]), frame.get("since")
        if topic.endswith(":missing"):
            self._refuse(peer, frame, "not_found", f"No topic {topic!r}.")
            return
        log = self._logs.setdefault(topic, _Log())
        peer.topics.add(topic)
        self._ack(peer, frame, {})
        told: Frame = {"type": "subscribed", "topic": topic, "epoch": self.epoch, "seq": log.head}
        oldest = log.head - len(log.frames)
        if since and since["epoch"] == self.epoch and oldest <= since["seq"] <= log.head:
            peer.send({**told, "mode": "live" if since["seq"] == log.head else "replay"})
            for entry in log.frames[since["seq"] - oldest :]:
                peer.send(entry)
            return
        peer.send({**told, "mode": "snapshot"})
        messages = [dict(message) for message in log.messages.values()]
        active = [dict(run) for run in log.active.values()]
        peer.send({
            "type": "snapshot", "topic": topic, "epoch": self.epoch, "seq": log.head, "messages": messages,
            "active_runs": active, "pending_inputs": [], "has_more": False,
        })  # fmt: skip

    def _chat(self, peer: _Peer, frame: Frame) -> None:
        known = self._results.get(frame["id"])
        if known is not None:
            self._ack(peer, frame, known, duplicate=True)
            return
        self.runs_started += 1
        number = self.runs_started
        session_id = frame.get("session_id") or f"ses_{number}"
        result = {
            "session_id": session_id, "run_id": f"run_{number}", "user_message_id": f"msg_u{number}",
            "message_id": f"msg_a{number}",
        }  # fmt: skip
        self._results[frame["id"]] = result
        ids = {"session_id": session_id, "run_id": result["run_id"]}
        topic = f"session:{session_id}"
        user_message = {"type": "user_message", **ids, "message_id": result["user_message_id"], "content": frame["content"]}
        self._ack(peer, frame, result)
        self.append(topic, user_message)
        started = {
            "type": "run_started",
            **ids,
            "message_id": result["message_id"],
            "kind": "chat",
            "model": "fake",
            "attempt": 1,
        }
        self.append(topic, started)
        task = asyncio.get_running_loop().create_task(self._answer(topic, {**ids, "message_id": result["message_id"]}, frame))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _answer(self, topic: str, ids: Frame, frame: Frame) -> None:
        self.append(topic, {"type": "sources", **ids, "sources": []})
        text, status = "", "completed"
        for piece in self._answers(frame["content"]):
            await self._runtime.scheduler.sleep(0)
            if ids["run_id"] in self._stopped:
                status = "stopped"
                break
            self.append(topic, {"type": "answer_chunk", **ids, "content": piece, "offset": len(text)})
            text += piece
        digest = hashlib.sha256(text.encode()).hexdigest()
        self.append(topic, {"type": "complete", **ids, "status": status, "text_length": len(text), "text_sha256": digest})


def _row(message_id: str, role: str, content: str, state: str) -> Frame:
    return {"id": message_id, "role": role, "content": content, "state": state, "sources": [], "citations": []}
