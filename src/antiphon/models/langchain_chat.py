"""`LangChainChat`: any LangChain chat model behind the contract of this room (extra `langchain`), for plug-ins.

A plug-in gives it from `antiphon_chat_models`; nothing is imported or run because a user asked for it. LangChain costs tens of times
the CPU of our own adapters for each token (docs/decisions/0004-model-stream.md): where a server speaks one of their wires, they
are the better choice. Tests: tests/conformance/test_chat_model.py, tests/integration/test_langchain.py.
"""

from __future__ import annotations

import contextlib
import importlib
from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final, Literal, cast

from antiphon.core.errors import AntiphonError, ContextTooLong, ModelError, ModelUnavailable, RateLimited, Timeout
from antiphon.models.answer_sink import CallerError
from antiphon.models.chat import (
    ChatDelta,
    ChatMessage,
    ChatRequest,
    ChatResult,
    OnDelta,
    ReasoningDelta,
    TextDelta,
    ToolCallDelta,
)
from antiphon.models.openai_errors import Complaint, says_context_too_long
from antiphon.models.openai_wire import finish_reason

Option = Literal["temperature", "max_tokens", "seed"]
_CLASSES: Final = {"system": "SystemMessage", "user": "HumanMessage", "assistant": "AIMessage", "tool": "ToolMessage"}


class LangChainChat:
    """`model`: a `BaseChatModel`, with its own key and address. `options`: those that its class takes as keyword arguments of a
    call; others are the model's own settings. A class that streams in a thread of its own goes on there after a cancel until its
    next piece; nothing of it is delivered."""

    def __init__(self, model: Any, *, options: Collection[Option] = ()) -> None:
        self._model = model
        self._options = frozenset(options)
        self._name = type(model).__name__

    def __repr__(self) -> str:
        return f"LangChainChat({self._name})"

    @property
    def steerable(self) -> bool:
        return True

    async def stream(self, request: ChatRequest, on_delta: OnDelta) -> ChatResult:
        """See `ChatModel.stream`. Retries are the LangChain model's own."""
        reading = _Reading(on_delta)
        arguments = {name: getattr(request, name) for name in self._options if getattr(request, name) is not None}
        asked = self._model.bind_tools(list(request.tools)) if request.tools else self._model
        try:
            pieces = asked.astream(_messages(request.messages), stop=list(request.stop) or None, **arguments)
            async with contextlib.aclosing(pieces):
                async for chunk in pieces:
                    reading.take(chunk)
        except CallerError as error:
            raise error.cause from None
        except AntiphonError:
            raise
        except Exception as error:
            raise self._told(error, emitted=reading.emitted) from error
        return reading.result()

    def _told(self, error: Exception, *, emitted: bool) -> AntiphonError:
        """One of the contract's errors. The words of others are left out: some repeat keys or addresses with keys in them."""
        kind = type(error).__name__
        status = getattr(error, "status_code", None)
        if status in {401, 403}:
            return ModelError(
                f"The model behind {self._name} refused its key ({status}). Check the plug-in's key.", data={"status": status}
            )
        if says_context_too_long(Complaint(words=str(error)[:2000])):
            return ContextTooLong(f"The question with its passages and history is too long for the model behind {self._name}.")
        if status == 429 or "RateLimit" in kind:
            return RateLimited(f"The model behind {self._name} is handling too many requests.")
        if isinstance(error, TimeoutError) or "Timeout" in kind:
            return Timeout(f"The model behind {self._name} did not answer in time ({kind}).")
        if not emitted and (isinstance(error, ConnectionError) or "Connection" in kind):
            return ModelUnavailable(f"The model behind {self._name} could not be reached ({kind}). Check the plug-in's address.")
        return ModelError(f"The model behind {self._name} failed ({kind}).")


class _Reading:
    """Chunks to deltas, and what they tell of the end."""

    def __init__(self, on_delta: OnDelta) -> None:
        self.emitted = False
        self._on_delta = on_delta
        self._finish: str | None = None
        self._usage: dict[str, Any] = {}

    def take(self, chunk: Any) -> None:
        for delta in _deltas(chunk):
            self.emitted = True
            try:
                self._on_delta(delta)
            except Exception as error:
                raise CallerError(error) from error
        usage = cast("Mapping[str, Any]", getattr(chunk, "usage_metadata", None) or {})
        for name in ("input_tokens", "output_tokens"):  # pieces tell their share; sums are the whole
            if isinstance(usage.get(name), int):
                self._usage[name] = self._usage.get(name, 0) + usage[name]
        details = cast("Mapping[str, Any]", usage.get("input_token_details") or {})
        if isinstance(details.get("cache_read"), int):
            self._usage["cached"] = self._usage.get("cached", 0) + details["cache_read"]
        told = cast("Mapping[str, Any]", getattr(chunk, "response_metadata", None) or {})
        self._finish = told.get("finish_reason") or told.get("stop_reason") or self._finish

    def result(self) -> ChatResult:
        return ChatResult(
            finish_reason=finish_reason({"tool_use": "tool_calls"}.get(self._finish or "", self._finish)),
            prompt_tokens=self._usage.get("input_tokens"),
            cached_prompt_tokens=self._usage.get("cached"),
            completion_tokens=self._usage.get("output_tokens"),
        )


def _deltas(chunk: Any) -> list[ChatDelta]:
    found: list[ChatDelta] = []
    further = cast("Mapping[str, Any]", getattr(chunk, "additional_kwargs", None) or {})
    if further.get("reasoning_content"):
        found.append(ReasoningDelta(str(further["reasoning_content"])))
    content: Any = chunk.content
    for block in [content] if isinstance(content, str) else cast("list[Any]", content):
        found += _block_deltas(block)
    for place, call in enumerate(cast("list[dict[str, Any]]", getattr(chunk, "tool_call_chunks", None) or [])):
        index = call.get("index")
        found.append(
            ToolCallDelta(
                index=index if isinstance(index, int) else place,
                id=call.get("id") or None,
                name=call.get("name") or None,
                arguments=call.get("args") or "",
            )
        )
    return found


def _block_deltas(block: Any) -> list[ChatDelta]:
    if isinstance(block, str):
        return [TextDelta(block)] if block else []
    fields = cast("dict[str, Any]", block)
    if fields.get("type") == "text" and fields.get("text"):
        return [TextDelta(str(fields["text"]))]
    thought = fields.get("thinking") or fields.get("reasoning")
    return [ReasoningDelta(thought)] if isinstance(thought, str) and thought else []


def _messages(messages: Sequence[ChatMessage]) -> list[Any]:
    # An extra, and 0.3 s of imports that only a house with such a plug-in needs.
    classes = importlib.import_module("langchain_core.messages")
    return [_message(classes, message) for message in messages]


def _message(classes: Any, message: ChatMessage) -> Any:
    content: Any = message.content
    if message.images:
        content = [{"type": "text", "text": message.content}] if message.content else []
        content += [{"type": "image_url", "image_url": {"url": address}} for address in message.images]
    further: dict[str, Any] = {}
    if message.role == "tool":
        further["tool_call_id"] = message.tool_call_id or ""
    if message.tool_calls:
        further["additional_kwargs"] = {"tool_calls": message.tool_calls}
        further["tool_calls"] = importlib.import_module("langchain_core.output_parsers.openai_tools").parse_tool_calls(
            message.tool_calls, return_id=True
        )
    return getattr(classes, _CLASSES[message.role])(content=content, **further)
