"""`AntiphonClient`: the live side of the protocol for programs. REST helpers are in rest.py.

Tests: tests/unit/client/test_client.py.
"""

from __future__ import annotations

from types import TracebackType
from typing import Any, Literal, Self

import aiohttp

from antiphon.client.answer import AnswerStream
from antiphon.client.connection import Connection, ConnectionState, StateCallback
from antiphon.client.rest import RestClient
from antiphon.client.socket import Dialer, aiohttp_dialer
from antiphon.client.subscription import Subscription
from antiphon.core.errors import NotFound
from antiphon.core.runtime import Runtime, system_runtime


class AntiphonClient:
    """Connects on `async with`, and again by itself whenever the socket is lost, resuming every topic where it stopped.

    `url` is the server's (http or https). `dial` replaces the network (tests). `connect_timeout_s` is for the first
    connection only: later losses are retried for as long as the client lives.
    """

    def __init__(
        self,
        url: str,
        *,
        key: str | None = None,
        runtime: Runtime | None = None,
        on_state: StateCallback | None = None,
        connect_timeout_s: float = 15.0,
        dial: Dialer | None = None,
    ) -> None:
        self._url = url
        self._key = key
        self._runtime = runtime or system_runtime()
        self._on_state = on_state
        self._connect_timeout_s = connect_timeout_s
        self._dial = dial
        self._session: aiohttp.ClientSession | None = None
        self._connection: Connection | None = None

    async def __aenter__(self) -> Self:
        dial = self._dial
        if dial is None:
            self._session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=None, sock_connect=10.0))
            dial = aiohttp_dialer(self._session, self._url, key=self._key)
        self._connection = Connection(dial, self._runtime, on_state=self._on_state)
        self._connection.start()
        try:
            await self._connection.wait_connected(self._connect_timeout_s)
        except BaseException:
            await self.close()
            raise
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self.close()

    async def close(self) -> None:
        """Idempotent. Runs go on at the server."""
        if self._connection is not None:
            await self._connection.close()
        if self._session is not None:
            await self._session.close()
            self._session = None

    @property
    def connection(self) -> Connection:
        if self._connection is None:
            raise RuntimeError("Use `async with AntiphonClient(...) as client`.")
        return self._connection

    @property
    def state(self) -> ConnectionState:
        return self.connection.state

    @property
    def user(self) -> dict[str, str]:
        """Who the server says we are: id and name."""
        return dict((self.connection.welcome or {}).get("user", {}))

    def ask(
        self,
        content: str,
        *,
        session_id: str | None = None,
        workspace_id: str | None = None,
        model: str | None = None,
        document_ids: list[str] | None = None,
        on_busy: Literal["reject", "queue", "steer", "interrupt"] | None = None,
    ) -> AnswerStream:
        """Asks in a session (None: a new one). Nothing is sent before the stream is read."""
        scope = None if document_ids is None else {"document_ids": document_ids}
        question = {
            "content": content, "session_id": session_id, "workspace_id": workspace_id, "model": model, "scope": scope,
            "on_busy": on_busy,
        }  # fmt: skip
        return AnswerStream(self.connection, question, fetch_text=self._fetch_text)

    async def _fetch_text(self, reference: str, message_id: str) -> str:
        async with RestClient(self._url, key=self._key) as rest:
            async for message in rest.items(reference, cursor_name="before"):
                if message["id"] == message_id:
                    return str(message["content"])
        raise NotFound(f"The answer {message_id!r} is gone from its session; somebody may have deleted it.")

    async def stop(self, *, run_id: str | None = None, session_id: str | None = None) -> dict[str, Any]:
        """Stops a run, or whatever runs in a session. Stopping a finished run is fine and says so in the result."""
        return await self.connection.command("stop", {"run_id": run_id, "session_id": session_id})

    async def history(self, topic: str, *, before: str | None = None, limit: int = 50) -> dict[str, Any]:
        """Messages before the message `before` (None: the latest), oldest first; `limit` 1 to 300."""
        return await self.connection.command("history", {"topic": topic, "before": before, "limit": limit})

    async def subscribe(self, topic: str) -> Subscription:
        """Follows a topic; the first event is a snapshot. Raises NotFound without the right to it."""
        return await self.connection.follow(topic)

    async def command(self, kind: str, **fields: Any) -> dict[str, Any]:
        """Any command of the protocol; the result of its ack."""
        return await self.connection.command(kind, fields)
