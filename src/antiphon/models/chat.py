"""`ChatModel`: the contract of a chat model, and what goes in and out. Adapters: openai_compatible.py, extractive.py.

Deltas are pushed into a callback instead of pulled from an async generator: no task switch per token (measured in
docs/decisions/0004). Conformance: antiphon.testing.conformance.chat_model.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Literal, Protocol

from msgspec import Struct


class ChatMessage(Struct, frozen=True, kw_only=True):
    """`images` are data URLs or addresses; carried in the contract, used by adapters that can."""

    role: Literal["system", "user", "assistant", "tool"]
    content: str
    images: list[str] = []
    tool_call_id: str | None = None
    tool_calls: list[dict[str, Any]] = []


class Evidence(Struct, frozen=True, kw_only=True):
    """A numbered passage for models that answer from the passages themselves (the extractive one).
    `n` counts from 1; `key` groups by document; `order` sorts in reading order within it."""

    n: int
    key: str
    order: tuple[int, int]
    title: str
    text: str


class ChatRequest(Struct, frozen=True, kw_only=True):
    """`question` and `evidence` repeat what the messages hold, for models without a prompt. None: the model's default."""

    model: str
    messages: Sequence[ChatMessage]
    question: str = ""
    evidence: Sequence[Evidence] = ()
    language: str | None = None
    temperature: float | None = None
    max_tokens: int | None = None
    seed: int | None = None
    stop: Sequence[str] = ()
    tools: Sequence[dict[str, Any]] = ()


class TextDelta(Struct, frozen=True, gc=False):
    text: str


class ReasoningDelta(Struct, frozen=True, gc=False):
    text: str


class ToolCallDelta(Struct, frozen=True, kw_only=True):
    """A piece of a tool call: `arguments` grows by concatenation per `index`."""

    index: int
    id: str | None = None
    name: str | None = None
    arguments: str = ""


ChatDelta = TextDelta | ReasoningDelta | ToolCallDelta
OnDelta = Callable[[ChatDelta], None]


class ChatResult(Struct, frozen=True, kw_only=True):
    """Token counts are None when the server did not tell. `finish_reason`: stop, length, tool_calls, content_filter."""

    finish_reason: str
    prompt_tokens: int | None = None
    cached_prompt_tokens: int | None = None
    completion_tokens: int | None = None


class ChatModel(Protocol):
    @property
    def steerable(self) -> bool:
        """Whether a partial answer can be gone on with under new words."""
        ...

    async def stream(self, request: ChatRequest, on_delta: OnDelta) -> ChatResult:
        """Calls `on_delta` for every piece, in order, in the loop's thread, and returns when the answer is whole.

        Cancelling the task closes the upstream connection before the cancellation leaves this call.
        Raises ModelUnavailable (nothing was emitted), ModelError, ContextTooLong, RateLimited, Timeout. Retries happen
        inside, and only before the first delta."""
        ...


class ModelInfo(Struct, frozen=True, kw_only=True):
    """`provider` is the slug of a stored provider, or the kind of the one from the settings. `context_window` in tokens, None:
    not known. `capabilities`: of tools, images, reasoning, those that are known. `reason`: why it is not `available`, in words."""

    id: str
    provider: str
    label: str
    kind: str = ""
    context_window: int | None = None
    capabilities: list[str] = []
    default: bool = False
    available: bool = True
    reason: str | None = None


class ListedModel(Struct, frozen=True, kw_only=True):
    """A model as its server lists it."""

    name: str
    context_window: int | None = None
    capabilities: list[str] = []


class ChatModels(Protocol):
    """The registry the runs use."""

    def resolve(self, model: str | None) -> tuple[str, ChatModel]:
        """(the id that is used, its adapter); None: the server's default. Raises BadRequest for an unknown id."""
        ...

    def list(self) -> list[ModelInfo]: ...

    def describe(self, model: str) -> ModelInfo:
        """What is known of a model whose id `resolve` gave. Raises BadRequest for an unknown id."""
        ...

    def fallbacks(self, model: str) -> Sequence[str]:
        """Ids to try, in order, when `model` fails before its first delta; without itself. May name models that are gone."""
        ...

    async def close(self) -> None: ...
