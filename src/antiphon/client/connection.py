"""One connection that outlives its sockets: connects, resumes, sends again what was not acknowledged.

States: CONNECTING -> CONNECTED -> (socket lost) -> CONNECTING ... -> CLOSED. CLOSED is final: by `close`, by a close code
that is terminal, or by a refused handshake. Only one task reads; commands are sent by their callers.
Used by `client.py` and `answer.py`. Tests: tests/unit/client/test_connection.py, tests/properties/test_client_cuts.py.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from enum import Enum
from typing import Any, Final

from antiphon.client.backoff import Backoff
from antiphon.client.command_id import new_command_id
from antiphon.client.events import error_from_wire
from antiphon.client.socket import Dialer, Socket, SocketClosed
from antiphon.client.subscription import Step, Subscription, Topic
from antiphon.core.errors import (
    AntiphonError,
    BadRequest,
    Forbidden,
    Internal,
    QuotaExceeded,
    RateLimited,
    ShuttingDown,
    Timeout,
    TooLarge,
    Unauthorized,
)
from antiphon.core.runtime import Cancellable, Runtime
from antiphon.protocol.close_codes import CloseCode, may_reconnect
from antiphon.protocol.codec import decode_frame, encode_json
from antiphon.protocol.reducer import Frame

WELCOME_TIMEOUT_S: Final = 5.0
SILENCE_GRACE_S: Final = 15.0
"""Added to two heartbeats: after that long without any frame the socket is taken for dead."""
HEAD_CHECK_S: Final = 2.0
PENDING_COMMANDS: Final = 1000


class ConnectionState(Enum):
    CONNECTING = "connecting"
    CONNECTED = "connected"
    CLOSED = "closed"


StateCallback = Callable[[ConnectionState, AntiphonError | None], None]
"""Called in the loop on each change; the error says why it was CLOSED, or why the last try failed."""

_CLOSE_ERRORS: dict[int, tuple[type[AntiphonError], str]] = {
    CloseCode.NORMAL: (ShuttingDown, "The server closed the connection."),
    CloseCode.FRAME_TOO_BIG: (TooLarge, "The server takes no frame as large as the one just sent. Send less."),
    CloseCode.MALFORMED: (BadRequest, "The server could not read what this client sent. Update the older of the two."),
    CloseCode.UNAUTHORIZED: (Unauthorized, "The server refused the credentials. Pass a key made by `antiphon keys create`."),
    CloseCode.FORBIDDEN: (Forbidden, "The server took the right to connect away. Ask its owner."),
    CloseCode.HELLO_TIMEOUT: (Unauthorized, "No credentials reached the server in time. Pass a key."),
    CloseCode.CONNECTION_LIMIT: (QuotaExceeded, "You have as many connections open as this server allows. Close one."),
    CloseCode.RATE_LIMITED: (RateLimited, "The server cut the connection for sending too much. Wait a minute."),
}


def close_error(code: int | None, reason: str) -> AntiphonError:
    kind, sentence = _CLOSE_ERRORS.get(code or 0, (ShuttingDown, f"The server closed the connection with code {code}."))
    return kind(f"{sentence} It said: {reason!r}." if reason else sentence, data={"close_code": code})


class _Pending:
    __slots__ = ("future", "text")

    def __init__(self, text: str, future: asyncio.Future[dict[str, Any]]) -> None:
        self.text = text
        self.future = future


class Connection:
    def __init__(self, dial: Dialer, runtime: Runtime, *, on_state: StateCallback | None = None) -> None:
        self._dial = dial
        self._runtime = runtime
        self._on_state = on_state
        self._backoff = Backoff(runtime.random)
        self._socket: Socket | None = None
        self._task: asyncio.Task[None] | None = None
        self._pending: dict[str, _Pending] = {}
        self._topics: dict[str, Topic] = {}
        self._subscribes: dict[str, Topic] = {}
        self._checks: dict[str, Cancellable] = {}
        self._settled = asyncio.Event()
        self._asked_ms: int | None = None
        self.state = ConnectionState.CONNECTING
        self.error: AntiphonError | None = None
        self.welcome: Frame | None = None
        self.connects = 0
        """Number of sockets that got as far as `welcome`."""

    # --- life -----------------------------------------------------------------------------------------------------------

    def start(self) -> None:
        self._task = self._runtime.scheduler.spawn(self._run(), name="antiphon-client-connection")

    async def wait_connected(self, timeout_s: float) -> None:
        """Returns with the first `welcome`. Raises what made the connection impossible, or Timeout."""
        try:
            async with asyncio.timeout(timeout_s):
                await self._settled.wait()
        except TimeoutError:
            cause = f" The last try: {self.error.message}" if self.error else ""
            raise Timeout(f"No Antiphon server answered within {timeout_s:g} s.{cause} Is it running?") from None
        if self.state is ConnectionState.CLOSED:
            raise self._ending()

    async def close(self) -> None:
        """Idempotent; nothing of the connection is left running when it returns."""
        task, self._task = self._task, None
        if task is not None and not task.done():
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
        for topic in list(self._topics.values()):
            for reader in list(topic.readers):
                reader.close()
        self._end(None)

    def _ending(self) -> AntiphonError:
        return self.error or ShuttingDown("This client was closed.")

    def _end(self, error: AntiphonError | None) -> None:
        if self.state is ConnectionState.CLOSED:
            return
        self.error = error
        self._enter(ConnectionState.CLOSED, error)
        for pending in self._pending.values():
            if not pending.future.done():
                pending.future.set_exception(self._ending())
        self._pending.clear()
        for topic in self._topics.values():
            topic.fail(self._ending())
        self._settled.set()

    def _enter(self, state: ConnectionState, error: AntiphonError | None = None) -> None:
        if state is not self.state or error is not None:
            self.state = state
            if self._on_state is not None:
                self._on_state(state, error)

    # --- the one task ---------------------------------------------------------------------------------------------------

    async def _run(self) -> None:
        try:
            while True:
                self._asked_ms = None
                code = await self._one_socket()
                delay_s = self._backoff.next_delay_s(code, asked_ms=self._asked_ms)
                await self._runtime.scheduler.sleep(delay_s)
        except AntiphonError as error:
            self._end(error)
        except Exception as error:  # noqa: BLE001 - the task's boundary: whoever waits on this connection is told
            self._end(Internal(f"The client's connection failed: {error!r}. Please report this."))

    async def _one_socket(self) -> int | None:
        """Lives through one socket; returns its close code (None: lost, or never opened). Raises what is terminal."""
        try:
            socket = await self._dial()
        except OSError as error:
            self.error = ShuttingDown(f"The server cannot be reached: {error}.")
            self._enter(ConnectionState.CONNECTING, self.error)
            return None
        try:
            await self._read(socket)
        except SocketClosed as closed:
            if not may_reconnect(closed.code) and not (closed.code == CloseCode.RATE_LIMITED and self._asked_ms):
                raise close_error(closed.code, closed.reason) from None
            return closed.code
        except TimeoutError:
            return None
        finally:
            self._socket = None
            self._cancel_checks()
            await socket.close()
            if self._task is not None:
                self._enter(ConnectionState.CONNECTING)
        return None

    async def _read(self, socket: Socket) -> None:
        async with asyncio.timeout(WELCOME_TIMEOUT_S):
            while True:
                frame = decode_frame(await socket.receive())
                if frame.get("type") == "welcome":
                    break
                await self._take(socket, frame)
        await self._resume(socket, frame)
        silence_s = int(frame.get("heartbeat_ms", 25_000)) / 500 + SILENCE_GRACE_S
        while True:
            async with asyncio.timeout(silence_s):
                data = await socket.receive()
            await self._take(socket, decode_frame(data))

    async def _resume(self, socket: Socket, welcome: Frame) -> None:
        """Subscribes again where each topic stopped, then sends again, in order, what has no ack."""
        self.welcome, self.error = welcome, None
        self.connects += 1
        self._backoff.succeeded()
        self._socket = socket
        self._subscribes.clear()
        topics, unacknowledged = list(self._topics.values()), [pending.text for pending in self._pending.values()]
        self._enter(ConnectionState.CONNECTED)
        self._settled.set()
        for topic in topics:
            if topic.error is None:
                await self._subscribe(socket, topic)
        for text in unacknowledged:
            await socket.send(text)

    async def _take(self, socket: Socket, frame: Frame) -> None:
        match frame.get("type"):
            case "ack":
                self._acknowledged(frame)
            case "ping":
                await socket.send(self._encode("pong", new_command_id(self._runtime.random), {}))
                self._compare_heads(frame.get("heads") or {})
            case "draining":
                self._asked_ms = int(frame.get("reconnect_in_ms", 0))
            case "unsubscribed":
                self._unsubscribed(frame)
            case "error" if "seq" not in frame and "topic" not in frame:
                self._asked_ms = frame.get("retry_after_ms")
            case _:
                topic = self._topics.get(str(frame.get("topic")))
                if topic is not None and topic.take(frame) is Step.RESUBSCRIBE:
                    await self._subscribe(socket, topic)

    # --- commands ---------------------------------------------------------------------------------------------------------

    def _encode(self, kind: str, command_id: str, fields: dict[str, Any]) -> str:
        given = {name: value for name, value in fields.items() if value is not None}
        return encode_json({"type": kind, "id": command_id, **given}).decode()

    async def command(self, kind: str, fields: dict[str, Any], *, timeout_s: float = 60.0) -> dict[str, Any]:
        """Sends a command until it is acknowledged, always under one id, across reconnects. Returns the ack's `result`,
        with `duplicate` when it was one. Raises the ack's error, what ended the connection, or Timeout."""
        if self.state is ConnectionState.CLOSED:
            raise self._ending()
        if len(self._pending) >= PENDING_COMMANDS:
            raise QuotaExceeded(f"{PENDING_COMMANDS} commands wait for the server already. Wait for some of them.")
        command_id = new_command_id(self._runtime.random)
        text = self._encode(kind, command_id, fields)
        future: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        self._pending[command_id] = _Pending(text, future)
        try:
            async with asyncio.timeout(timeout_s):
                if self._socket is not None:
                    with contextlib.suppress(SocketClosed):  # the reading task notices too, and sends it again
                        await self._socket.send(text)
                return await future
        except TimeoutError:
            raise Timeout(f"The server did not acknowledge {kind!r} within {timeout_s:g} s; it may or may not be done.") from None
        finally:
            self._pending.pop(command_id, None)

    def _acknowledged(self, frame: Frame) -> None:
        reply_to = str(frame.get("reply_to"))
        error = None if frame.get("ok") else error_from_wire(frame.get("error"))
        topic = self._subscribes.pop(reply_to, None)
        if topic is not None and error is not None and not isinstance(error, ShuttingDown):
            topic.fail(error)
        pending = self._pending.get(reply_to)
        if pending is None or pending.future.done() or isinstance(error, ShuttingDown):
            return  # a stopping server did not do it: the next one will be asked again
        if error is not None:
            pending.future.set_exception(error)
        else:
            result: dict[str, Any] = dict(frame.get("result") or {})
            pending.future.set_result({**result, "duplicate": bool(frame.get("duplicate"))})

    # --- topics -----------------------------------------------------------------------------------------------------------

    async def follow(self, name: str, *, timeout_s: float = 60.0) -> Subscription:
        """A new reader of the topic. Returns when the state is complete; its first frame is a snapshot of it.
        Raises the server's refusal (NotFound, Forbidden), what ended the connection, or Timeout."""
        if self.state is ConnectionState.CLOSED:
            raise self._ending()
        topic = self._topics.get(name)
        fresh = topic is None or topic.error is not None
        if topic is None or topic.error is not None:
            topic = self._topics[name] = Topic(name)
        reader = Subscription(name, self._release)
        topic.add(reader)
        try:
            async with asyncio.timeout(timeout_s):
                if fresh and self._socket is not None:
                    with contextlib.suppress(SocketClosed):
                        await self._subscribe(self._socket, topic)
                await topic.ready.wait()
            if topic.error is not None:
                raise topic.error
        except TimeoutError:
            reader.close()
            raise Timeout(f"The server did not answer the subscription to {name!r} within {timeout_s:g} s.") from None
        except BaseException:
            reader.close()
            raise
        return reader

    async def _subscribe(self, socket: Socket, topic: Topic) -> None:
        command_id = new_command_id(self._runtime.random)
        topic.command_id = command_id
        self._subscribes[command_id] = topic
        since = topic.state.position
        await socket.send(self._encode("subscribe", command_id, {"topic": topic.state.topic, "since": since}))

    def _release(self, reader: Subscription) -> None:
        topic = self._topics.get(reader.topic)
        if topic is None or reader not in topic.readers:
            return
        topic.readers.remove(reader)
        if topic.readers:
            return
        del self._topics[reader.topic]
        if self._socket is not None and self.state is ConnectionState.CONNECTED and self._task is not None:
            self._runtime.scheduler.spawn(self._unsubscribe(self._socket, reader.topic), name="antiphon-client-unsubscribe")

    async def _unsubscribe(self, socket: Socket, name: str) -> None:
        if name not in self._topics:  # somebody may have subscribed again meanwhile
            with contextlib.suppress(SocketClosed):
                await socket.send(self._encode("unsubscribe", new_command_id(self._runtime.random), {"topic": name}))

    def _unsubscribed(self, frame: Frame) -> None:
        topic = self._topics.get(str(frame.get("topic")))
        if topic is not None and frame.get("code"):
            sentence = frame.get("reason") or f"The server ended the subscription to {topic.state.topic!r}."
            topic.fail(error_from_wire({"code": frame["code"], "message": sentence}))

    # --- heads ------------------------------------------------------------------------------------------------------------

    def _compare_heads(self, heads: dict[str, int]) -> None:
        """A head above our position may be under way; after 2 s without it we ask (section 4, `ping`)."""
        for name, head in heads.items():
            topic = self._topics.get(name)
            if topic is not None and topic.state.last_seq < head and name not in self._checks:
                self._checks[name] = self._runtime.scheduler.call_later(HEAD_CHECK_S, self._check(name, head))

    def _check(self, name: str, head: int) -> Callable[[], None]:
        def check() -> None:
            self._checks.pop(name, None)
            topic, socket = self._topics.get(name), self._socket
            if topic is not None and socket is not None and topic.state.last_seq < head:
                self._runtime.scheduler.spawn(self._resubscribe(socket, topic), name="antiphon-client-resubscribe")

        return check

    async def _resubscribe(self, socket: Socket, topic: Topic) -> None:
        with contextlib.suppress(SocketClosed):
            await self._subscribe(socket, topic)

    def _cancel_checks(self) -> None:
        for check in self._checks.values():
            check.cancel()
        self._checks.clear()
