"""`Provider`: an opened provider with its models, and `ServedModel`: one of them as a `ChatModel`. Used by registry.py.

A provider that is replaced stays open until its last answer is out. Tests: tests/unit/models/test_registry.py.
"""

from __future__ import annotations

import asyncio
from typing import Final

from msgspec import structs

from antiphon.core.errors import AntiphonError, ModelError, ModelUnavailable
from antiphon.models.chat import ChatRequest, ChatResult, ListedModel, OnDelta
from antiphon.models.extractive import EXTRACTIVE_MODEL
from antiphon.models.provider import OfferedModel, ProviderSpec, ServedChat, known_model

MOST_LISTED: Final = 200
"""Models of a server that names none itself; some list thousands."""
NOT_FOR_CHAT: Final = ("embed", "rerank", "whisper", "tts", "moderation", "dall-e", "bge-", "transcribe", "image")


class Provider:
    """`chat` None: it cannot be used, and `problem` says why. `trouble`: what went wrong last, None after a success."""

    def __init__(self, spec: ProviderSpec, chat: ServedChat | None, problem: str | None) -> None:
        self.spec = spec
        self.chat = chat
        self.problem = problem
        self.trouble: str | None = None
        self.listed: list[ListedModel] = []
        self._known: dict[str, ListedModel] | None = None
        self._asking = asyncio.Lock()
        self._answers = 0
        self._idle = asyncio.Event()
        self._idle.set()

    @property
    def reason(self) -> str | None:
        return self.problem or self.trouble

    @property
    def models(self) -> dict[str, ListedModel]:
        """By name: those its owner named, else those that the server lists and that look like chat models."""
        if self._known is None:
            told = {model.name: model for model in self.listed}
            offered = self.spec.models or [OfferedModel(name=name) for name in chat_names(list(told))[:MOST_LISTED]]
            self._known = {model.name: known_model(self.spec, model, told.get(model.name)) for model in offered}
        return self._known

    def first(self) -> str | None:
        """The model that answers when none is named."""
        if self.spec.default_model:
            return self.spec.default_model
        return next(iter(self.models), None)

    async def discover(self) -> None:
        """Asks the server for its models. Raises like `ChatModel.stream`; what failed is asked again the next time."""
        if self.chat is None:
            raise ModelUnavailable(self.problem or "The provider cannot be used.")
        async with self._asking:
            try:
                self.listed = await self.chat.list_models()
            except AntiphonError as error:
                self._note(error)
                raise
            self.trouble, self._known = None, None

    async def demand_first(self) -> str:
        """The first model's name, asked for when it is not known yet. Raises ModelUnavailable when the server has none."""
        name = self.first()
        if name is None:
            await self.discover()
            name = self.first()
        if name is None:
            where = self.spec.label or self.spec.base_url
            raise ModelUnavailable(
                f"The model server {where} lists no model. Set ANTIPHON_CHAT_MODEL, or name the provider's model."
            )
        return name

    async def stream(self, request: ChatRequest, on_delta: OnDelta) -> ChatResult:
        if self.chat is None:
            raise ModelUnavailable(self.problem or "The provider cannot be used.")
        self._answers += 1
        self._idle.clear()
        try:
            result = await self.chat.stream(request, on_delta)
        except AntiphonError as error:
            self._note(error)
            raise
        finally:
            self._answers -= 1
            if not self._answers:
                self._idle.set()
        self.trouble = None
        return result

    def _note(self, error: AntiphonError) -> None:
        """Away, or a key that is refused: whatever is asked next will fail too. A server need not list its models."""
        if isinstance(error, ModelUnavailable) or (isinstance(error, ModelError) and error.data.get("status") in {401, 403}):
            self.trouble = error.message

    async def close(self) -> None:
        """At once, with what is being answered."""
        if self.chat is not None:
            await self.chat.close()

    async def retire(self) -> None:
        """When the last answer is out."""
        await self._idle.wait()
        await self.close()


class ServedModel:
    """`name` None: the provider's first model, asked for at first use."""

    def __init__(self, provider: Provider, name: str | None) -> None:
        self.provider = provider
        self.name = name

    @property
    def steerable(self) -> bool:
        return self.provider.chat is not None and self.provider.chat.steerable

    async def stream(self, request: ChatRequest, on_delta: OnDelta) -> ChatResult:
        name = self.name or await self.provider.demand_first()
        return await self.provider.stream(structs.replace(request, model=name), on_delta)


def chat_names(names: list[str]) -> list[str]:
    """Without those that are for something else by their name; all of them when nothing is left."""
    ours = [name for name in names if name != EXTRACTIVE_MODEL]
    chats = [name for name in ours if not any(mark in name.lower() for mark in NOT_FOR_CHAT)]
    return chats or ours
