"""The transport seam: send one HTTP request, get head and body bytes pushed into a sink. Who may call it: adapters of this room.

Backends: httptools_transport.py (plain http), aiohttp_transport.py (https and proxies); transport_choice.py picks by address.
Why pushed: docs/decisions/0004-model-stream.md. Tests: tests/unit/models/test_transport.py, tests/integration/test_transports.py.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal, Protocol
from urllib.parse import urlsplit

from antiphon.core.errors import BadRequest

MAX_HEAD_BYTES: Final = 65_536  # status line and headers, chunk extensions, trailers: whatever is not body
IDLE_CONNECTIONS_PER_SERVER: Final = 32
IDLE_CONNECTION_S: Final = 30.0  # shorter than the usual 60-75 s of proxies: better a new connection than a dead one
DRAIN_S: Final = 1.0  # how long the end of a response may take after the sink has what it wanted
_DEFAULT_PORTS: Final = {"http": 80, "https": 443}


@dataclass(frozen=True, kw_only=True, slots=True)
class ServerAddress:
    """Where a model server is. `path` is the prefix of every call, without a slash at its end; `query` goes on every call.
    `pinned`: the IP address to connect to, instead of asking for that of `host` (guarded_transport.py)."""

    scheme: Literal["http", "https"]
    host: str
    port: int
    path: str = ""
    query: str = ""
    pinned: str | None = None

    @property
    def dialled(self) -> str:
        """What is connected to."""
        return self.pinned or self.host

    @property
    def name(self) -> str:
        """`host:port`, as errors name the server."""
        return f"{self._bracketed}:{self.port}"

    @property
    def host_header(self) -> str:
        return self._bracketed if self.port == _DEFAULT_PORTS[self.scheme] else self.name

    def target(self, path: str) -> str:
        return self.path + path + (f"?{self.query}" if self.query else "")

    def url(self, path: str) -> str:
        return f"{self.scheme}://{self.host_header}{self.target(path)}"

    @property
    def _bracketed(self) -> str:
        return f"[{self.host}]" if ":" in self.host else self.host


def parse_server_address(text: str) -> ServerAddress:
    """Raises BadRequest. An address with a user or password in it is refused and not repeated in the message."""
    try:
        parts = urlsplit(text.strip())
        port = parts.port
    except ValueError:
        raise BadRequest("The address of the model server is malformed: write http://host:port/v1.") from None
    if parts.username is not None or parts.password is not None:
        raise BadRequest("The address of the model server holds a user or password: take it out and set the API key instead.")
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise BadRequest(f"The address of the model server {text!r} is not an http or https address: write http://host:port/v1.")
    rest = parts.path + parts.query
    if not rest.isascii() or not rest.isprintable() or " " in rest:
        raise BadRequest(f"The address of the model server {text!r} has a character that must be percent-encoded.")
    scheme: Literal["http", "https"] = "https" if parts.scheme == "https" else "http"
    try:
        host = parts.hostname if parts.hostname.isascii() else parts.hostname.encode("idna").decode("ascii")
    except UnicodeError:
        raise BadRequest(f"The host name in the address of the model server {text!r} is malformed.") from None
    if not host.isprintable() or " " in host:
        raise BadRequest(f"The host name in the address of the model server {text!r} is malformed.")
    # Port 0 is nobody's: without the check it would be dialled as "unset" and answered with a confusing refusal.
    if port == 0:
        raise BadRequest(f"The port in the address of the model server {text!r} is 0: write the port the server listens on.")
    return ServerAddress(
        scheme=scheme, host=host, port=port or _DEFAULT_PORTS[scheme], path=parts.path.rstrip("/"), query=parts.query
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class HttpRequest:
    """`headers` may hold a key and `body` a question: neither is shown in `repr`. Host and lengths are added by the transport."""

    address: ServerAddress
    path: str
    connect_timeout_s: float
    idle_timeout_s: float
    method: Literal["GET", "POST"] = "POST"
    headers: Mapping[str, str] = field(default_factory=dict[str, str], repr=False)
    body: bytes = field(default=b"", repr=False)


class ResponseControl(Protocol):
    """What a sink can do to the response it is being given."""

    def pause(self) -> None:
        """No more bytes are read (one more piece may come) and silence is not counted, until `resume`."""
        ...

    def resume(self) -> None: ...

    def finish(self) -> None:
        """The sink has all it wants: `send` returns now, nothing more is delivered."""
        ...


class ResponseSink(Protocol):
    """Both are called in the loop's thread and must not wait. What they raise leaves `send`, with the connection closed."""

    def on_head(self, status: int, headers: Mapping[str, str], control: ResponseControl) -> None:
        """Once, before any body. Names of headers are lower case; of repeated ones the last counts."""
        ...

    def on_body(self, piece: bytes) -> None: ...


class Transport(Protocol):
    async def send(self, request: HttpRequest, sink: ResponseSink) -> None:
        """Sends the request and returns when the response is whole (by its HTTP framing) or the sink finished it.

        Redirects are not followed. Cancelling closes the TCP connection before the cancellation leaves this call, and nothing
        is delivered after the cancel. Raises ModelUnavailable (no connection, or it closed before any answer), Timeout
        (silence), ModelError (the response broke off or is not HTTP)."""
        ...

    async def close(self) -> None:
        """Closes all connections, those in use too."""
        ...
