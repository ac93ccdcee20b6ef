"""`FrontDoor`: the outermost layer of every request: its id, the Host check, security headers, pace, the last catch, one log line.

Pure ASGI (a streamed answer passes without being buffered). Lines in the log hold method, path and outcome; never the query
string, a header or a body. Tests: tests/integration/http/test_http_front_door.py.
"""

from __future__ import annotations

import asyncio
from typing import Any, Final

from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from antiphon.core.errors import Forbidden
from antiphon.core.ids import IdFactory
from antiphon.core.runtime import Clock
from antiphon.server.errors import SlowRequest, defect, error_response
from antiphon.server.origins import OriginPolicy
from antiphon.server.surface import Log

BODY_SILENCE_S: Final = 10.0
"""Longest wait for the next piece of a body (security.md H1)."""
BODY_GRACE_S: Final = 20.0
"""After this a body must have come at `BODY_PACE_BYTES` a second on average."""
BODY_PACE_BYTES: Final = 1024
SEND_PATIENCE_S: Final = 60.0
"""Longest wait for a client to take a piece of an answer."""
_LINGER_S: Final = 2.0
"""A refused body is read on for this long, so that the client reads the refusal and no reset."""
_LONGEST_PATH: Final = 200

SECURITY_HEADERS: Final[tuple[tuple[bytes, bytes], ...]] = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"x-frame-options", b"DENY"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"permissions-policy", b"camera=(), microphone=(), geolocation=()"),
    (
        b"content-security-policy",
        b"default-src 'self'; object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
    ),
)


class FrontDoor:
    def __init__(self, app: ASGIApp, *, policy: OriginPolicy, ids: IdFactory, clock: Clock, log: Log) -> None:
        self._app = app
        self._policy = policy
        self._ids = ids
        self._clock = clock
        self._log = log

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in {"http", "websocket"}:
            await self._app(scope, receive, send)
            return
        request_id = self._ids.new("req")
        scope.setdefault("state", {})["request_id"] = request_id
        welcome = self._policy.host_allowed(_header(scope, b"host"))
        if scope["type"] == "websocket":
            await (self._app if welcome else _refuse_socket)(scope, receive, send)
            return
        passage = _Passage(receive, send, self._clock, request_id)
        began = self._clock.monotonic()
        try:
            if welcome:
                await self._app(scope, passage.receive, passage.send)
            else:
                refusal = Forbidden("This server does not answer under that Host name.")
                await error_response(refusal, request_id)(scope, passage.receive, passage.send)
        except ClientDisconnect:
            passage.left = True
        except Exception:  # the boundary of a request: it becomes a generic answer and a line in the log
            self._log.exception("request_failed", request_id=request_id, method=scope["method"], path=_shown(scope))
            if passage.status is not None:
                raise  # the head is out: only cutting the connection tells the client that the rest is missing
            await error_response(defect(request_id), request_id)(scope, passage.receive, passage.send)
        finally:
            self._note(scope, passage, self._clock.monotonic() - began)

    def _note(self, scope: Scope, passage: _Passage, took_s: float) -> None:
        quiet = scope["path"] in {"/healthz", "/metrics"}
        (self._log.debug if quiet else self._log.info)(
            "request",
            method=scope["method"],
            path=_shown(scope),
            status=passage.status,
            took_ms=round(took_s * 1000, 1),
            request_id=passage.request_id,
            **({"client_left": True} if passage.left else {}),
        )


class _Passage:
    """One request's two directions: the pace of its body is watched, its answer gets the headers."""

    def __init__(self, receive: Receive, send: Send, clock: Clock, request_id: str) -> None:
        self._receive = receive
        self._send = send
        self._clock = clock
        self.request_id = request_id
        self.status: int | None = None
        self.left = False
        self._began = clock.monotonic()
        self._taken_bytes = 0
        self._body_over = False

    async def receive(self) -> Message:
        if self._body_over:
            return await self._receive()  # the wait for a disconnect, as long as the answer lasts
        try:
            async with asyncio.timeout(BODY_SILENCE_S):
                message = await self._receive()
        except TimeoutError:
            raise SlowRequest(f"Nothing of the body came for {BODY_SILENCE_S:.0f} s.") from None
        self._account(message)
        taken_s = self._clock.monotonic() - self._began
        if not self._body_over and taken_s > BODY_GRACE_S and self._taken_bytes < taken_s * BODY_PACE_BYTES:
            raise SlowRequest(f"The body came at less than {BODY_PACE_BYTES} bytes a second.")
        return message

    def _account(self, message: Message) -> None:
        self._taken_bytes += len(message.get("body", b""))
        self._body_over = message["type"] == "http.disconnect" or not message.get("more_body", False)
        self.left = self.left or message["type"] == "http.disconnect"

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            message = {**message, "headers": self._headers(message.get("headers", []))}
        last = message["type"] == "http.response.body" and not message.get("more_body", False)
        if last and self._lingers:
            await self._hand_over({**message, "more_body": True})
            await self._read_on()
            message = {"type": "http.response.body", "body": b"", "more_body": False}
        await self._hand_over(message)

    async def _hand_over(self, message: Message) -> None:
        async with asyncio.timeout(SEND_PATIENCE_S):
            await self._send(message)

    @property
    def _lingers(self) -> bool:
        return not self._body_over and self.status is not None and self.status >= 400

    def _headers(self, headers: Any) -> list[tuple[bytes, bytes]]:
        present = {name.lower() for name, _ in headers}
        added = [(name, value) for name, value in SECURITY_HEADERS if name not in present]
        added.append((b"x-request-id", self.request_id.encode()))
        if self._lingers:
            added.append((b"connection", b"close"))
        return [*headers, *added]

    async def _read_on(self) -> None:
        """Throws away what still comes of a refused body, for a moment; then the connection is closed."""
        try:
            async with asyncio.timeout(_LINGER_S):
                while not self._body_over:
                    self._account(await self._receive())
        except TimeoutError:
            self._body_over = True


async def _refuse_socket(scope: Scope, receive: Receive, send: Send) -> None:
    """Before the upgrade is accepted: the client sees 403."""
    del scope
    await receive()
    await send({"type": "websocket.close", "code": 1000})


def _header(scope: Scope, name: bytes) -> str | None:
    values = [value for key, value in scope["headers"] if key == name]
    return values[0].decode("latin-1") if len(values) == 1 else None


def _shown(scope: Scope) -> str:
    return str(scope["path"])[:_LONGEST_PATH]
