"""`ConfiguredModels`: the chat models this server has. Made by the composition root, used by the runs through `ChatModels`.

Tests: tests/unit/models/test_registry.py, tests/integration/test_openai_compatible.py.
"""

from __future__ import annotations

import asyncio
from typing import Final

from msgspec import structs

from antiphon.config.settings import ChatServer
from antiphon.core.errors import BadRequest, ModelUnavailable
from antiphon.core.runtime import Runtime
from antiphon.models.chat import ChatModel, ChatRequest, ChatResult, ModelInfo, OnDelta
from antiphon.models.extractive import EXTRACTIVE_MODEL, ExtractiveChat
from antiphon.models.openai_compatible import OpenAICompatibleChat
from antiphon.models.transport import parse_server_address
from antiphon.models.transport_choice import choose_transport

UNNAMED_MODEL: Final = "default"  # the server's first model, until its name is known


class DiscoveredChat:
    """The model of a server whose settings name none: the first one it lists, asked for at first use and then kept."""

    def __init__(self, server: OpenAICompatibleChat) -> None:
        self._server = server
        self._asking = asyncio.Lock()
        self.name: str | None = None

    @property
    def steerable(self) -> bool:
        return self._server.steerable

    async def stream(self, request: ChatRequest, on_delta: OnDelta) -> ChatResult:
        return await self._server.stream(structs.replace(request, model=await self.discover()), on_delta)

    async def discover(self) -> str:
        """The model's name. Raises ModelUnavailable when the server has none; what failed is asked again the next time."""
        async with self._asking:
            if self.name is None:
                names = [name for name in await self._server.list_models() if name != EXTRACTIVE_MODEL]
                if not names:
                    raise ModelUnavailable(
                        f"The model server {self._server.server_name} lists no model. Set ANTIPHON_CHAT_MODEL."
                    )
                self.name = names[0]
        return self.name


class ConfiguredModels:
    """`extractive` always; the configured server's model when there is an address, and then it is the default.

    Raises BadRequest for an address or a key that cannot be right. Neither `repr` nor errors hold the key."""

    def __init__(self, settings: ChatServer, runtime: Runtime) -> None:
        self._models: dict[str, ChatModel] = {EXTRACTIVE_MODEL: ExtractiveChat(runtime)}
        self._default = EXTRACTIVE_MODEL
        self._server: OpenAICompatibleChat | None = None
        self._unnamed: DiscoveredChat | None = None
        if settings.base_url:
            self._server = _server(settings, runtime)
            if settings.model == EXTRACTIVE_MODEL:
                raise BadRequest(f"The name {EXTRACTIVE_MODEL!r} is taken: the model server's model needs another one.")
            if settings.model:
                self._models[settings.model] = self._server
            else:
                self._unnamed = DiscoveredChat(self._server)
                self._models[UNNAMED_MODEL] = self._unnamed
            self._default = settings.model or UNNAMED_MODEL

    def __repr__(self) -> str:
        return f"ConfiguredModels({', '.join(map(repr, self._models))})"

    def resolve(self, model: str | None) -> tuple[str, ChatModel]:
        """See `ChatModels.resolve`. A discovered model answers to `default` and to its own name, and is given under the latter."""
        found = self._name_discovered().get(model or self._default)
        if found is None:
            known = ", ".join(repr(info.id) for info in self.list())
            raise BadRequest(f"No model {model!r} here. Known are {known}.", data={"models": [info.id for info in self.list()]})
        name = model or self._default
        if found is self._unnamed and self._unnamed is not None and self._unnamed.name is not None:
            name = self._unnamed.name
        return name, found

    def list(self) -> list[ModelInfo]:
        """The default first."""
        unnamed = self._unnamed
        infos: list[ModelInfo] = []
        if self._server is not None:
            name = (unnamed.name or UNNAMED_MODEL) if unnamed is not None else self._default
            label = name if name != UNNAMED_MODEL else f"First model of {self._server.server_name}"
            infos.append(ModelInfo(id=name, provider="openai-compatible", label=label))
        infos.append(ModelInfo(id=EXTRACTIVE_MODEL, provider="antiphon", label="Literal sentences (no model)"))
        return infos

    async def discover(self) -> None:
        """Asks a server without a configured model for its first one now, instead of at first use. Raises like `stream`."""
        if self._unnamed is not None:
            await self._unnamed.discover()

    async def close(self) -> None:
        if self._server is not None:
            await self._server.close()

    def _name_discovered(self) -> dict[str, ChatModel]:
        unnamed = self._unnamed
        if unnamed is not None and unnamed.name is not None:
            self._models[unnamed.name] = unnamed
        return self._models


def _server(settings: ChatServer, runtime: Runtime) -> OpenAICompatibleChat:
    address = parse_server_address(settings.base_url or "")
    return OpenAICompatibleChat(
        address,
        choose_transport(address, runtime),
        runtime,
        api_key=settings.api_key,
        retries=settings.retries,
        connect_timeout_s=settings.connect_timeout_s,
        idle_timeout_s=settings.idle_timeout_s,
        temperature=settings.temperature,
        max_tokens=settings.max_tokens,
    )
