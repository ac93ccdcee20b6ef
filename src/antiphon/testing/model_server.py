"""`ModelServer`: a scriptable OpenAI-compatible server on loopback, for tests of adapters and transports.

Each request to `/chat/completions` takes the next `Reply` of the script (the last one repeats). Everything received is recorded,
with the moment a client closed before its answer was whole. Users: tests/conformance, tests/integration, plug-in authors.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, Final, Literal

import msgspec

from antiphon.core.runtime import Runtime, system_runtime

STREAM_HEADERS: Final[Mapping[str, str]] = {"Content-Type": "text/event-stream"}
_REQUEST_LIMIT_BYTES: Final = 64 * 2**20


@dataclass(frozen=True, slots=True)
class Pause:
    seconds: float


@dataclass(frozen=True, slots=True)
class Break:
    """Cuts the connection here, without the end that the framing asks for. `reset`: by RST instead of FIN."""

    reset: bool = False


@dataclass(frozen=True, slots=True)
class Hang:
    """Says nothing more until the client goes."""


Piece = bytes | Pause | Break | Hang


@dataclass(frozen=True, kw_only=True, slots=True)
class Reply:
    """`framing`: `chunked`, `length` (pieces are joined first), or `close` (the body ends with the connection). `raw`: pieces are
    written as they are, head included."""

    pieces: Sequence[Piece] = ()
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=lambda: dict(STREAM_HEADERS))
    framing: Literal["chunked", "length", "close", "raw"] = "chunked"


@dataclass(kw_only=True, slots=True)
class ReceivedRequest:
    """`outcome`: None while it is being answered. `ended_s`: monotonic seconds. `connection` counts from 1."""

    method: str
    path: str
    headers: dict[str, str]
    body: Any
    connection: int
    outcome: Literal["complete", "client_closed", "cut"] | None = None
    ended_s: float | None = None


def event(value: Any) -> bytes:
    """One SSE event with `value` as JSON; bytes are taken as they are."""
    return b"data: " + (value if isinstance(value, bytes) else msgspec.json.encode(value)) + b"\n\n"


def delta_event(content: str | None = None, *, finish: str | None = None, **delta: Any) -> bytes:
    """One chunk of a stream, with `delta` fields besides the text."""
    given = {**({} if content is None else {"content": content}), **delta}
    return event({"object": "chat.completion.chunk", "choices": [{"index": 0, "delta": given, "finish_reason": finish}]})


def usage_event(prompt: int, completion: int, cached: int | None = None) -> bytes:
    details = None if cached is None else {"cached_tokens": cached}
    usage = {"prompt_tokens": prompt, "completion_tokens": completion, "prompt_tokens_details": details}
    return event({"object": "chat.completion.chunk", "choices": [], "usage": usage})


DONE: Final = event(b"[DONE]")


def text_reply(*pieces: str, pause_s: float | None = None) -> Reply:
    """A whole streamed answer: the pieces (each after a pause, when given), the finish reason, the usage and `[DONE]`."""
    script: list[Piece] = []
    for piece in pieces:
        script += [delta_event(piece)] if pause_s is None else [Pause(pause_s), delta_event(piece)]
    return Reply(pieces=[*script, delta_event(finish="stop"), usage_event(7, len(pieces), 3), DONE])


def json_reply(value: Any, *, status: int = 200, headers: Mapping[str, str] | None = None) -> Reply:
    return Reply(
        pieces=[msgspec.json.encode(value)],
        status=status,
        headers={"Content-Type": "application/json", **(headers or {})},
        framing="length",
    )


def error_reply(status: int, message: str, *, code: str | None = None, headers: Mapping[str, str] | None = None) -> Reply:
    return json_reply({"error": {"message": message, "code": code}}, status=status, headers=headers)


class ModelServer:
    """Use `async with serve_model(...)`. `script` may be replaced at any time; `requests` is the log."""

    def __init__(self, script: Sequence[Reply], runtime: Runtime, models: Sequence[str]) -> None:
        self.script = list(script)
        self.models = list(models)
        self.requests: list[ReceivedRequest] = []
        self.connections = 0
        self.port = 0
        self.scheme = "http"
        self._runtime = runtime
        self._taken = 0
        self._stopping = False
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def base_url(self) -> str:
        return f"{self.scheme}://127.0.0.1:{self.port}/v1"

    @property
    def chats(self) -> list[ReceivedRequest]:
        return [request for request in self.requests if request.path.startswith("/v1/chat/completions")]

    @property
    def messages(self) -> list[ReceivedRequest]:
        """Requests of Anthropic's API (anthropic_server.py)."""
        return [request for request in self.requests if request.path.startswith("/v1/messages")]

    @property
    def open_answers(self) -> int:
        return sum(request.outcome is None for request in self.requests)

    def play(self, *script: Reply) -> None:
        """Another script, from its beginning."""
        self.script, self._taken = list(script), 0

    async def settled(self, *, timeout_s: float = 1.0) -> None:
        """Waits until no answer is being written. Raises TimeoutError."""
        async with asyncio.timeout(timeout_s):
            while self.open_answers:
                await self._runtime.scheduler.sleep(0.001)

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self.connections += 1
        connection = self.connections
        try:
            while (received := await self._read(reader, connection)) is not None:
                if not await self._answer(received, reader, writer):
                    break
        except (ConnectionError, asyncio.IncompleteReadError):
            pass  # the client went away between two requests or within one
        except asyncio.CancelledError:
            if not self._stopping:
                raise  # else it was `stop`; asyncio (3.11) logs a connection task that ends as cancelled
        finally:
            self._tasks.discard(task)
            writer.close()
            with suppress(ConnectionError):
                await writer.wait_closed()

    async def stop(self) -> None:
        self._stopping = True
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _read(self, reader: asyncio.StreamReader, connection: int) -> ReceivedRequest | None:
        try:
            head = await reader.readuntil(b"\r\n\r\n")
        except asyncio.IncompleteReadError:
            return None
        first, *lines = head.decode("latin-1").rstrip("\r\n").split("\r\n")
        method, path, _ = first.split(" ", 2)
        headers = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        length = int(headers.get("content-length", "0"))
        text = await reader.readexactly(length)
        body = msgspec.json.decode(text) if text else None
        received = ReceivedRequest(method=method, path=path, headers=headers, body=body, connection=connection)
        self.requests.append(received)
        return received

    async def _answer(self, received: ReceivedRequest, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Whether the connection can go on."""
        reply = self._next_reply(received)
        writing = asyncio.ensure_future(_write(reply, writer, self._runtime))
        leaving = asyncio.ensure_future(reader.read(1))  # a client that waits for its answer sends nothing: bytes here mean EOF
        try:
            await asyncio.wait({writing, leaving}, return_when=asyncio.FIRST_COMPLETED)
            if writing.done() and writing.exception() is None:
                whole = writing.result()
                received.outcome = "complete" if whole else "cut"
                going_on = whole and reply.framing in {"chunked", "length"}
            else:
                received.outcome, going_on = "client_closed", False
        except asyncio.CancelledError:
            received.outcome = "cut"
            raise
        finally:
            received.ended_s = self._runtime.clock.monotonic()
            for task in (writing, leaving):
                task.cancel()
            await asyncio.gather(writing, leaving, return_exceptions=True)
        return going_on and not reader.at_eof()

    def _next_reply(self, received: ReceivedRequest) -> Reply:
        if received.path.partition("?")[0] == "/v1/models":
            return json_reply({"object": "list", "data": [{"id": name, "object": "model"} for name in self.models]})
        reply = self.script[min(self._taken, len(self.script) - 1)]
        self._taken += 1
        return reply


async def _write(reply: Reply, writer: asyncio.StreamWriter, runtime: Runtime) -> bool:
    """False: the script cut the connection."""
    if reply.framing != "raw":
        writer.write(_reply_head(reply))
    for piece in reply.pieces:
        match piece:
            case Pause(seconds=seconds):
                await runtime.scheduler.sleep(seconds)
            case Hang():
                await asyncio.get_running_loop().create_future()
            case Break(reset=reset):
                if reset:
                    writer.transport.abort()
                return False
            case bytes():
                writer.write(b"%x\r\n%b\r\n" % (len(piece), piece) if reply.framing == "chunked" else piece)
                await writer.drain()
    if reply.framing == "chunked":
        writer.write(b"0\r\n\r\n")
    await writer.drain()
    return True


def _reply_head(reply: Reply) -> bytes:
    headers = dict(reply.headers)
    if reply.framing == "chunked":
        headers["Transfer-Encoding"] = "chunked"
    elif reply.framing == "length":
        headers["Content-Length"] = str(sum(len(piece) for piece in reply.pieces if isinstance(piece, bytes)))
    else:
        headers["Connection"] = "close"
    lines = [f"HTTP/1.1 {reply.status} Scripted", *(f"{name}: {value}" for name, value in headers.items())]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


@asynccontextmanager
async def serve_model(
    *script: Reply,
    models: Sequence[str] = ("scripted-model",),
    runtime: Runtime | None = None,
    tls: ssl.SSLContext | None = None,
) -> AsyncGenerator[ModelServer]:
    """A server on a free port of 127.0.0.1 for as long as the block runs; over TLS when `tls` is given."""
    model_server = ModelServer(script or [text_reply("Hello", " there.")], runtime or system_runtime(), models)
    server = await asyncio.start_server(model_server.handle, "127.0.0.1", 0, limit=_REQUEST_LIMIT_BYTES, ssl=tls)
    model_server.port = server.sockets[0].getsockname()[1]
    model_server.scheme = "http" if tls is None else "https"
    try:
        yield model_server
    finally:
        server.close()
        await model_server.stop()
        await server.wait_closed()
