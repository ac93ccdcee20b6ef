"""`RawSocket`: a bare protocol client for tests that look at single frames. The comfortable one is antiphon.client."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from socket import SHUT_RDWR
from types import TracebackType
from typing import Any, Self

import aiohttp
import msgspec

from antiphon.core.runtime import system_runtime
from antiphon.protocol.reducer import Outcome, TopicState
from antiphon.testing.frame_check import check_frame

Frame = dict[str, Any]
LIMIT_S = 20.0


class RawSocket:
    """Keeps every frame it got, in order, and the state of each topic as the reducer sees it."""

    def __init__(self, url: str, *, key: str | None, path: str = "/ws/v1", headers: dict[str, str] | None = None) -> None:
        self._url = url.replace("http", "ws", 1) + path
        self._headers = {**({"Authorization": f"Bearer {key}"} if key else {}), **(headers or {})}
        self._ids = system_runtime().ids
        self.frames: list[Frame] = []
        self.raw: list[str] = []
        self.states: dict[str, TopicState] = {}
        self.outcomes: list[Outcome] = []
        self.close_code: int | None = None
        self._described = path == "/ws/v1"

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession()
        try:
            self.socket = await self._session.ws_connect(self._url, headers=self._headers, max_msg_size=2**24, autoping=True)
        except BaseException:
            await self._session.close()
            raise
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self.socket.close()
        await self._session.close()

    def abort(self) -> None:
        """Cuts the TCP connection without a close frame."""
        connection = self.socket.get_extra_info("socket")
        connection.shutdown(SHUT_RDWR)

    async def send(self, kind: str, command_id: str | None = None, **fields: Any) -> str:
        command_id = command_id or self._ids.new("req")
        await self.socket.send_str(msgspec.json.encode({"type": kind, "id": command_id, **fields}).decode())
        return command_id

    async def receive(self, limit_s: float = LIMIT_S) -> Frame | None:
        """The next frame; None when the server closed (see `close_code`). Answers pings of the protocol by itself."""
        message = await self.socket.receive(limit_s)
        if message.type is not aiohttp.WSMsgType.TEXT:
            self.close_code = self.socket.close_code
            return None
        frame: Frame = msgspec.json.decode(message.data)
        if self._described:
            check_frame(frame)
        self.raw.append(message.data)
        self.frames.append(frame)
        if "topic" in frame:
            state = self.states.setdefault(frame["topic"], TopicState(frame["topic"]))
            self.outcomes.append(state.apply(frame))
        return frame

    async def until(self, done: Callable[[Frame], bool], limit_s: float = LIMIT_S) -> Frame:
        """Reads on until `done`; that frame. Raises AssertionError when the server closes first."""
        async with asyncio.timeout(limit_s):
            while True:
                frame = await self.receive(limit_s)
                assert frame is not None, f"closed with {self.close_code} before the frame came"
                if done(frame):
                    return frame

    async def closed(self, limit_s: float = LIMIT_S) -> int | None:
        """Reads until the server closes; its close code."""
        async with asyncio.timeout(limit_s):
            while await self.receive(limit_s) is not None:
                pass
        return self.close_code

    async def command(self, kind: str, command_id: str | None = None, **fields: Any) -> Frame:
        """Sends and waits for the ack; the ack."""
        sent = await self.send(kind, command_id, **fields)
        return await self.until(lambda frame: frame["type"] == "ack" and frame["reply_to"] == sent)

    async def subscribe(self, topic: str, since: dict[str, Any] | None = None) -> Frame:
        """Subscribes; the `subscribed` frame. A snapshot that belongs to it may still be to come."""
        fields: dict[str, Any] = {"topic": topic, "since": since} if since else {"topic": topic}
        await self.command("subscribe", None, **fields)
        return await self.until(lambda frame: frame["type"] == "subscribed" and frame["topic"] == topic)

    async def completed(self, topic: str, run_id: str | None = None) -> Frame:
        def wanted(frame: Frame) -> bool:
            return frame["type"] == "complete" and frame["topic"] == topic and run_id in {None, frame["run_id"]}

        return await self.until(wanted)

    def of_topic(self, topic: str) -> list[Frame]:
        return [
            frame
            for frame in self.frames
            if frame.get("topic") == topic and "seq" in frame and frame["type"] not in {"snapshot", "subscribed"}
        ]
