"""One answer as it grows: sends the question, then gives the events of its run until `complete`, each text once.

Where the server (or a slow reader's queue) could only give a snapshot, the difference to what was given already comes as
ordinary events marked `from_snapshot`. Tests: tests/unit/client/test_answer.py, tests/properties/test_client_cuts.py.
"""

from __future__ import annotations

import hashlib
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator
from types import TracebackType
from typing import Any, Final, Self

from antiphon.client.connection import Connection
from antiphon.client.events import typed_event
from antiphon.core.errors import NotFound, Unsupported
from antiphon.protocol.events import Event
from antiphon.protocol.reducer import Frame
from antiphon.protocol.topics import session_topic

_STATUS: Final = {"complete": "completed", "stopped": "stopped", "failed": "failed", "interrupted": "interrupted"}


FetchText = Callable[[str, str], Awaitable[str]]
"""(reference, message id) -> the text of a message that was too long for a snapshot."""


class AnswerStream:
    """`async for event in stream`. The ids are known after the first event; leaving the loop early stops nothing: the run
    goes on at the server (`stop` ends it). Close with `aclose`, or use `async with`."""

    def __init__(self, connection: Connection, question: dict[str, Any], *, fetch_text: FetchText | None = None) -> None:
        self._connection = connection
        self._fetch_text = fetch_text
        self._question = question
        self._frames = self._read()
        self._given: set[str] = set()
        self._citations = 0
        self.session_id: str | None = question.get("session_id")
        self.run_id: str | None = None
        self.message_id: str | None = None
        self.user_message_id: str | None = None
        self.text = ""
        """The answer so far."""
        self.status: str | None = None
        """completed, stopped, failed or interrupted; None while it grows."""
        self.verified: bool | None = None
        """Whether the text has the hash that `complete` named; None when it named none."""

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Event:
        return typed_event(await self.next_frame())

    async def next_frame(self) -> Frame:
        """The next event as a frame. Raises StopAsyncIteration after `complete`."""
        return await anext(self._frames)

    async def stop(self) -> None:
        """Stops the run; the events go on until its `complete`. Nothing happens before the question was acknowledged."""
        if self.run_id is not None:
            await self._connection.command("stop", {"run_id": self.run_id})

    async def aclose(self) -> None:
        await self._frames.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self.aclose()

    async def _read(self) -> AsyncGenerator[Frame, None]:
        reader = None
        try:
            if self.session_id is not None:
                reader = await self._connection.follow(session_topic(self.session_id))
                await reader.next_frame()  # what was said before
            result = await self._connection.command("chat_message", self._question)
            self.session_id, self.run_id = str(result["session_id"]), str(result["run_id"])
            self.message_id, self.user_message_id = str(result["message_id"]), str(result["user_message_id"])
            if reader is None:
                reader = await self._connection.follow(session_topic(self.session_id))
            while self.status is None:
                frame = await reader.next_frame()
                if frame is None:
                    return
                if frame.get("type") == "snapshot":
                    await self._fill(frame)
                for ours in self._ours(frame):
                    yield ours
        finally:
            if reader is not None:
                reader.close()

    async def _fill(self, snapshot: Frame) -> None:
        """A finished text beyond the frame limit comes by reference; our answer is fetched."""
        for message in snapshot.get("messages", []):
            if message["id"] == self.message_id and message.get("content_ref"):
                if self._fetch_text is None:
                    raise Unsupported(f"The answer {self.message_id!r} is too long for a snapshot; read it over REST.")
                message["content"] = await self._fetch_text(str(message["content_ref"]), str(message["id"]))

    def _ours(self, frame: Frame) -> Iterator[Frame]:
        kind = frame.get("type")
        if kind == "snapshot":
            yield from self._catch_up(frame)
        elif frame.get("run_id") == self.run_id or frame.get("message_id") in {self.message_id, self.user_message_id}:
            if kind == "answer_chunk":
                yield from self._chunk(frame)
            else:
                self._note(frame)
                yield frame

    def _chunk(self, frame: Frame) -> Iterator[Frame]:
        """Only what was not given yet: a merged chunk may overlap what a snapshot brought."""
        known = len(self.text) - int(frame.get("offset", len(self.text)))
        fresh = str(frame["content"])[known:]
        if fresh:
            offset = len(self.text)
            self.text += fresh
            yield {**frame, "content": fresh, "offset": offset}

    def _note(self, frame: Frame) -> None:
        kind = str(frame["type"])
        self._given.add(kind)
        if kind == "answer_replace":
            self.text = str(frame["content"])
        elif kind == "citation":
            self._citations += 1
        elif kind == "complete":
            self.status = str(frame["status"])
            if frame.get("text_sha256"):
                self.verified = hashlib.sha256(self.text.encode()).hexdigest() == frame["text_sha256"]

    def _catch_up(self, snapshot: Frame) -> Iterator[Frame]:
        messages = {str(message["id"]): message for message in snapshot.get("messages", [])}
        question, answer = messages.get(str(self.user_message_id)), messages.get(str(self.message_id))
        if question is not None and "user_message" not in self._given:
            yield self._made("user_message", content=question["content"], message_id=self.user_message_id)
        if answer is None:
            if self._given:
                raise NotFound(f"The answer {self.message_id!r} is gone from its session; somebody may have deleted it.")
            return
        if answer.get("sources") and "sources" not in self._given:
            yield self._made("sources", sources=answer["sources"])
        yield from self._text_of(str(answer.get("content", "")))
        for citation in answer.get("citations", [])[self._citations :]:
            yield self._made("citation", **citation)
        if answer.get("usage") and "usage" not in self._given:
            yield self._made("usage", **answer["usage"])
        if answer.get("error") and "error" not in self._given:
            yield self._made("error", **answer["error"])
        status = _STATUS.get(str(answer.get("state")))
        if status is not None:
            by = answer.get("stopped_by")
            stopped_by = {"id": by} if isinstance(by, str) else by
            yield self._made("complete", status=status, text_length=len(self.text), stopped_by=stopped_by)

    def _text_of(self, text: str) -> Iterator[Frame]:
        if text == self.text:
            return
        if text.startswith(self.text):
            offset = len(self.text)
            yield self._made("answer_chunk", content=text[offset:], offset=offset)
            self.text = text
        else:
            yield self._made("answer_replace", content=text, reason="the server lost text that was shown already")

    def _made(self, kind: str, **fields: Any) -> Frame:
        ids = {"session_id": self.session_id, "run_id": self.run_id, "message_id": self.message_id}
        frame: Frame = {"type": kind, **ids, "from_snapshot": True, **fields}
        if kind != "answer_chunk":
            self._note(frame)
        return frame
