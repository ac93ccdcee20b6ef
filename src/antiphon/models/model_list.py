"""`GET /models`: the models a server lists, with what it tells of them. Used by the adapters and by probe.py.

OpenAI tells ids only; vLLM, LM Studio, OpenRouter and llama.cpp tell the context window too, each in its own field.
Tests: tests/unit/models/test_model_list.py.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, cast

import msgspec

from antiphon.core.errors import ModelError
from antiphon.core.runtime import Runtime
from antiphon.models.chat import ListedModel
from antiphon.models.openai_errors import judge_status, read_complaint
from antiphon.models.transport import HttpRequest, ResponseControl, ServerAddress, Transport

MOST_BYTES: Final = 16 * 2**20
MOST_MODELS: Final = 1000
_WINDOW_FIELDS: Final = (
    "loaded_context_length", "max_model_len", "context_length", "context_window", "max_context_length", "max_input_tokens"
)  # fmt: skip


class CollectedBody:
    """A sink that keeps a body of up to `MOST_BYTES`."""

    def __init__(self) -> None:
        self.status = 0
        self.headers: Mapping[str, str] = {}
        self.text = bytearray()

    def on_head(self, status: int, headers: Mapping[str, str], control: ResponseControl) -> None:
        self.status, self.headers, self._control = status, headers, control

    def on_body(self, piece: bytes) -> None:
        self.text += piece
        if len(self.text) > MOST_BYTES:
            self._control.finish()


async def list_models(
    address: ServerAddress,
    transport: Transport,
    runtime: Runtime,
    *,
    headers: Mapping[str, str],
    key: str | None,
    timeout_s: float,
    path: str = "/models",
) -> list[ListedModel]:
    """In the server's order. One try. Raises like `ChatModel.stream`; ModelError for an answer that is no list of models."""
    body = CollectedBody()
    request = HttpRequest(
        method="GET", address=address, path=path, headers=headers, connect_timeout_s=timeout_s, idle_timeout_s=timeout_s
    )
    await transport.send(request, body)
    if body.status != 200:
        complaint = read_complaint(bytes(body.text), key=key)
        raise judge_status(body.status, body.headers, complaint, server=address.name, model="", now_s=runtime.clock.now()).error
    found = read_model_list(bytes(body.text))
    if found is None:
        raise ModelError(f"The model server at {address.name} gave no readable list of models.")
    return found


def read_model_list(body: bytes) -> list[ListedModel] | None:
    """None when the body is no list of models. Entries without an id are passed over."""
    try:
        value: Any = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    entries: Any = cast("dict[str, Any]", value).get("data") if isinstance(value, dict) else value
    if not isinstance(entries, list):
        return None
    fields = [cast("dict[str, Any]", entry) for entry in cast("list[Any]", entries)[:MOST_MODELS] if isinstance(entry, dict)]
    return [_listed(entry) for entry in fields if isinstance(entry.get("id"), str) and entry["id"]]


def _listed(entry: dict[str, Any]) -> ListedModel:
    windows = [entry.get(name) for name in _WINDOW_FIELDS]
    window = next((size for size in windows if isinstance(size, int) and not isinstance(size, bool) and size > 0), None)
    architecture: Any = entry.get("architecture")
    modalities: Any = cast("dict[str, Any]", architecture).get("input_modalities") if isinstance(architecture, dict) else None
    options: Any = entry.get("supported_parameters")
    capabilities: list[str] = []
    if isinstance(options, list) and "tools" in options:
        capabilities.append("tools")
    if isinstance(modalities, list) and "image" in modalities:
        capabilities.append("images")
    return ListedModel(name=str(entry["id"])[:200], context_window=window, capabilities=capabilities)
