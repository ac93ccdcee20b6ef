"""What a provider is: where models come from, and which. Made by registry.py (settings) and library/providers.py (stored).

Tests: tests/unit/models/test_provider.py.
"""

from __future__ import annotations

from typing import Final, Literal, Protocol

from msgspec import Struct

from antiphon.core.errors import BadRequest
from antiphon.core.runtime import Runtime
from antiphon.models.anthropic import ANTHROPIC_ADDRESS, CONTEXT_WINDOW, AnthropicChat
from antiphon.models.chat import ChatModel, ListedModel
from antiphon.models.guarded_transport import AddressGate, GuardedTransport
from antiphon.models.local_chat import LocalChat
from antiphon.models.openai_compatible import OpenAICompatibleChat
from antiphon.models.transport import parse_server_address
from antiphon.models.transport_choice import choose_transport

ProviderKind = Literal["openai", "anthropic", "transformers"]
REMOTE_KINDS: Final = frozenset({"openai", "anthropic"})
_CAPABILITIES: Final[dict[str, list[str]]] = {"openai": ["tools"], "anthropic": ["tools", "images"], "transformers": []}


class OfferedModel(Struct, frozen=True, kw_only=True):
    """A model that the provider's owner named. None: what the server tells, or what is known of the kind."""

    name: str
    context_window: int | None = None
    capabilities: list[str] | None = None


class ProviderSpec(Struct, frozen=True, kw_only=True):
    """`slug` "" is the provider of the settings: its models have bare ids, those of others `slug/name`. No `models`: those
    that the server lists. `problem`: why it cannot be used, in words (a key that cannot be read). `repr` hides the key."""

    slug: str
    kind: ProviderKind = "openai"
    label: str = ""
    base_url: str | None = None
    api_key: str | None = None
    models: list[OfferedModel] = []
    default_model: str | None = None
    context_window: int | None = None
    fallbacks: list[str] = []
    problem: str | None = None

    def __repr__(self) -> str:
        return f"ProviderSpec({self.slug!r}, {self.kind!r}, {self.base_url!r})"


class ModelLimits(Struct, frozen=True, kw_only=True):
    """What is the same for all providers of a server."""

    retries: int = 2
    connect_timeout_s: float = 10.0
    idle_timeout_s: float = 120.0
    temperature: float | None = None
    max_tokens: int | None = None


class ServedChat(ChatModel, Protocol):
    """An adapter with a server, or a folder, behind it."""

    async def list_models(self) -> list[ListedModel]: ...

    async def close(self) -> None: ...


def open_provider(spec: ProviderSpec, runtime: Runtime, limits: ModelLimits, *, gate: AddressGate | None = None) -> ServedChat:
    """The adapter of a provider; opens no connection yet. `gate` None: the address is trusted. Raises BadRequest (address,
    key)."""
    if spec.kind == "transformers":
        return LocalChat([model.name for model in spec.models], runtime, max_tokens=limits.max_tokens)
    text = spec.base_url or (ANTHROPIC_ADDRESS if spec.kind == "anthropic" else "")
    if not text:
        raise BadRequest("A provider of the kind 'openai' needs its address: write http://host:port/v1.")
    address = parse_server_address(text)
    transport = choose_transport(address, runtime)
    if gate is not None:
        transport = GuardedTransport(transport, gate)
    adapter = AnthropicChat if spec.kind == "anthropic" else OpenAICompatibleChat
    return adapter(
        address,
        transport,
        runtime,
        api_key=spec.api_key,
        retries=limits.retries,
        connect_timeout_s=limits.connect_timeout_s,
        idle_timeout_s=limits.idle_timeout_s,
        temperature=limits.temperature,
        max_tokens=limits.max_tokens,
    )


def known_model(spec: ProviderSpec, offered: OfferedModel, listed: ListedModel | None) -> ListedModel:
    """What is known of one model: what its owner said, else its server, else its kind."""
    window = offered.context_window or (listed.context_window if listed else None) or spec.context_window
    if window is None and spec.kind == "anthropic":
        window = CONTEXT_WINDOW
    capabilities = offered.capabilities
    if capabilities is None:
        capabilities = (listed.capabilities if listed else []) or _CAPABILITIES[spec.kind]
    return ListedModel(name=offered.name, context_window=window, capabilities=capabilities)
