"""`Steering`: new words for an answer that is being written. The upstream is closed and called again; the text stays.

One for each run. A command reserves it, commits the words, and gives them; the chat model's node goes through it with every
call. A reservation holds the end of the node back, so that words that are committed are words that are heard.
Used by commands/handlers/chat.py, runs/live.py and runs/nodes/chat_model.py. Tests: tests/unit/runs/test_steering.py.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import msgspec
from msgspec import Struct

from antiphon.models.chat import ChatMessage, ChatModel, ChatRequest, ChatResult, OnDelta

APART = "\n\n"
"""Between what was said before the new words, and what is said after them."""


class Steer(Struct, frozen=True, kw_only=True):
    """`offset`: where in the answer it was heard; as long as it was not, where the answer was when it was said."""

    id: str
    content: str
    offset: int
    author: dict[str, str | None]

    def to_record(self) -> dict[str, Any]:
        return msgspec.to_builtins(self)


class Steering:
    """`on_heard`: called once for each, in order, at the moment the model is called again; `on_late`: for words that were
    committed when the run was ending already. Loop-thread only."""

    def __init__(
        self, on_heard: Callable[[Steer], None] | None = None, on_late: Callable[[Steer], None] | None = None
    ) -> None:  # fmt: skip
        self.steerable: bool | None = None
        """Of the model that writes; None before one does."""
        self.used = False
        """Whether words were ever on their way."""
        self._on_heard = on_heard
        self._on_late = on_late
        self._closed = False
        self._given: list[Steer] = []
        self._reserved = 0
        self._settled = asyncio.Event()
        self._writing = 0
        self._over = False
        self._cuts: list[asyncio.Timeout] = []

    # --- a command's side ----------------------------------------------------------------------------------------------------

    def reserve(self) -> bool:
        """Whether words can still be given; then `give` or `release` must follow, once."""
        if self._over or self._closed or self.steerable is False:
            return False
        self.used = True
        self._reserved += 1
        self._settled.clear()
        return True

    def give(self, steer: Steer) -> None:
        self.release()
        if self._closed:  # the run was stopped while the words were committed
            if self._on_late is not None:
                self._on_late(steer)
            return
        self._given.append(steer)
        now_s = asyncio.get_running_loop().time()
        for cut in self._cuts:
            if not cut.expired():
                cut.reschedule(now_s)

    def release(self) -> None:
        self._reserved -= 1
        if self._reserved == 0:
            self._settled.set()

    def unheard(self) -> list[Steer]:
        """What was given and no model was told; for the end of a run that was stopped in between."""
        left, self._given, self._closed = self._given, [], True
        return left

    def rule_out(self) -> None:
        """What is being written is not written by one call of a model: new words are another question."""
        self.steerable = False

    # --- the node's side -------------------------------------------------------------------------------------------------------

    async def through(
        self, model: ChatModel, request: ChatRequest, on_delta: OnDelta, *, written: Callable[[], str], write: Callable[[str], None],
        on_result: Callable[[ChatResult], None],
    ) -> ChatResult:  # fmt: skip
        """As `model.stream`, once more for each time something was said. `written`: the text of the node so far; `write` adds
        to it. `on_result`: every result, also those before the last."""
        self._over, self.steerable = False, model.steerable
        self._writing += 1
        try:
            heard_up_to = 0
            request = self._hear(request, "", None)
            while True:
                result = await self._cuttable(model, request, on_delta)
                if result is not None:
                    on_result(result)
                while self._reserved:
                    await self._settled.wait()
                if not self._given:
                    if result is not None:
                        return result
                    continue  # cut for words that came to nothing
                text = written()
                request = self._hear(request, text[heard_up_to:], write)
                heard_up_to = len(written())
        finally:
            self._writing -= 1
            self._over = self._writing == 0

    async def _cuttable(self, model: ChatModel, request: ChatRequest, on_delta: OnDelta) -> ChatResult | None:
        """None when it was cut: the connection to the model is closed by then."""
        cut = asyncio.timeout(None)
        self._cuts.append(cut)
        try:
            async with cut:
                return await model.stream(request, on_delta)
        except TimeoutError:
            if not cut.expired():  # the model's own
                raise
            return None
        finally:
            self._cuts.remove(cut)

    def _hear(self, request: ChatRequest, said: str, write: Callable[[str], None] | None) -> ChatRequest:
        """The request with what was `said` meanwhile and with the new words."""
        steers, self._given = self._given, []
        if not steers:
            return request
        for steer in steers:
            if self._on_heard is not None:
                self._on_heard(steer)
        words = "\n\n".join(steer.content for steer in steers)
        messages = list(request.messages)
        if said.strip():
            messages += [ChatMessage(role="assistant", content=said), ChatMessage(role="user", content=words)]
            if write is not None and not said.endswith("\n"):
                write(APART)
        else:  # nothing was said yet: the words belong to the question
            last = messages[-1]
            messages[-1] = msgspec.structs.replace(last, content=f"{last.content}\n\n{words}")
        return msgspec.structs.replace(request, messages=messages)
