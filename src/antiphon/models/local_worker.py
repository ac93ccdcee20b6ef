"""`LocalWorker`: the one thread in which local models are loaded and asked. Used by local_chat.py only.

torch and transformers are imported in that thread, at the first question. Stopping: a hook before every layer raises; the
library's own stopping criteria would wait until the whole prompt was read. Tests: tests/integration/test_local_chat.py.
"""

from __future__ import annotations

import importlib
import queue
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import structlog

from antiphon.core.errors import AntiphonError, ContextTooLong, ModelError, ModelUnavailable
from antiphon.models.chat import ChatMessage, ChatRequest, ChatResult
from antiphon.models.stop_words import StopWords

DEFAULT_MAX_TOKENS: Final = 1024
CLOSE_S: Final = 5.0
_log = structlog.get_logger(__name__)
Outcome = ChatResult | AntiphonError | None


class Stopped(Exception):
    """No error but the way out of the model's own loops: raised inside the model when its answer is not wanted any more, or has met a stop word."""


@dataclass(kw_only=True, slots=True)
class LocalJob:
    """`on_text` and `on_end` are called in the worker's thread; `on_end` exactly once, with None after a cancel."""

    request: ChatRequest
    max_tokens: int | None
    on_text: Callable[[str], None]
    on_end: Callable[[Outcome], None]
    begun: bool = False
    _cancelled: threading.Event = field(default_factory=threading.Event)

    def cancel(self) -> None:
        self._cancelled.set()

    @property
    def cancelled(self) -> bool:
        return self._cancelled.is_set()


class LocalWorker:
    """Starts its thread with the first job."""

    def __init__(self) -> None:
        self._jobs: queue.SimpleQueue[LocalJob | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._current: LocalJob | None = None
        self._models: dict[str, _LoadedModel] = {}
        self._closing = False

    def put(self, job: LocalJob) -> None:
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, name="local-chat", daemon=True)
            self._thread.start()
        self._jobs.put(job)

    def window_of(self, name: str) -> int | None:
        """The context window of a model that is loaded already."""
        loaded = self._models.get(name)
        return loaded.window if loaded is not None else None

    def close(self) -> None:
        """Blocking: the current answer is stopped, those that wait end with None."""
        self._closing = True
        current = self._current
        if current is not None:
            current.cancel()
        self._jobs.put(None)
        if self._thread is not None:
            self._thread.join(CLOSE_S)

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            job.begun = True
            self._current = job
            job.on_end(None if job.cancelled or self._closing else self._answer(job))
            self._current = None
        self._models.clear()

    def _answer(self, job: LocalJob) -> Outcome:
        try:
            return self._model(job.request.model).generate(job)
        except Stopped:
            return None
        except AntiphonError as error:
            return error
        except Exception as error:  # noqa: BLE001 - the boundary of the thread: becomes the answer's error
            _log.exception("local_model_failed", model=job.request.model)
            return ModelError(f"The local model {job.request.model!r} failed: {type(error).__name__}. The log has the details.")

    def _model(self, name: str) -> _LoadedModel:
        if name not in self._models:
            self._models[name] = _LoadedModel(name, lambda: self._current)
        return self._models[name]


class _LoadedModel:
    def __init__(self, name: str, current: Callable[[], LocalJob | None]) -> None:
        self.name = name
        self._torch, transformers = _libraries()
        try:
            self._tokenizer: Any = transformers.AutoTokenizer.from_pretrained(name, trust_remote_code=False)
            self._model: Any = transformers.AutoModelForCausalLM.from_pretrained(name, trust_remote_code=False, dtype="auto")
        except (OSError, ValueError) as error:
            first = str(error).strip().splitlines()[0][:200] if str(error).strip() else type(error).__name__
            raise ModelUnavailable(f"The local model {name!r} could not be loaded: {first}") from error
        self._model.eval()
        self._streamer_type = _streamer_type(transformers)
        self.window: int | None = getattr(self._model.config, "max_position_embeddings", None)

        def before_layer(*_: Any) -> None:
            job = current()
            if job is not None and job.cancelled:
                raise Stopped

        for layer in _layers(self._torch, self._model):
            layer.register_forward_pre_hook(before_layer)

    def generate(self, job: LocalJob) -> ChatResult:
        request = job.request
        prompt = self._prompt(request.messages)
        length = int(prompt["input_ids"].shape[1])
        room = (self.window or 2**31) - length
        if room < 1:
            raise ContextTooLong(f"The question with its passages and history is too long for {self.name!r}.")
        limit = min(job.max_tokens or DEFAULT_MAX_TOKENS, room)
        streamer = self._streamer_type(self._tokenizer, StopWords(request.stop), job.on_text)
        if request.seed is not None:
            self._torch.manual_seed(request.seed)
        try:
            with self._torch.inference_mode():
                self._model.generate(
                    **prompt, streamer=streamer, max_new_tokens=limit, pad_token_id=self._pad(), **_sampling(request.temperature)
                )
        except Stopped:
            if job.cancelled:
                raise
        finally:
            streamer.end()
        hit_limit = streamer.tokens >= limit and not streamer.stops.hit and not self._ended(streamer.last)
        return ChatResult(
            finish_reason="length" if hit_limit else "stop", prompt_tokens=length, completion_tokens=streamer.tokens
        )

    def _prompt(self, messages: Sequence[ChatMessage]) -> Any:
        turns = [{"role": message.role, "content": message.content} for message in messages]
        if getattr(self._tokenizer, "chat_template", None):
            prompt = self._tokenizer.apply_chat_template(turns, add_generation_prompt=True, return_tensors="pt", return_dict=True)
        else:
            prompt = self._tokenizer("\n\n".join(message.content for message in messages) + "\n\n", return_tensors="pt")
        return {name: prompt[name].to(self._model.device) for name in ("input_ids", "attention_mask")}

    def _pad(self) -> int | None:
        found = self._tokenizer.pad_token_id
        return found if found is not None else self._tokenizer.eos_token_id

    def _ended(self, token: int | None) -> bool:
        ends = self._model.generation_config.eos_token_id
        return token is not None and token in (ends if isinstance(ends, list) else [ends])


def _libraries() -> tuple[Any, Any]:
    # Heavy, and an extra: seconds of imports and hundreds of megabytes that only this kind of model needs.
    try:
        return importlib.import_module("torch"), importlib.import_module("transformers")
    except ImportError as error:
        raise ModelUnavailable(
            f"Local models need the extra `local-chat` (pip install 'antiphon[local-chat]'): {error.name} is missing."
        ) from error


def _layers(torch: Any, model: Any) -> list[Any]:
    """The members of the model's lists of layers; the model itself where it has none."""
    listed = [child for module in model.modules() if isinstance(module, torch.nn.ModuleList) for child in module]
    return listed or [model]


def _sampling(temperature: float | None) -> dict[str, Any]:
    """None: as the model's own generation settings say."""
    if temperature is None:
        return {}
    return {"do_sample": True, "temperature": temperature} if temperature > 0 else {"do_sample": False}


def _streamer_type(transformers: Any) -> Any:
    class Streamer(transformers.TextStreamer):
        """Gives out text as soon as it cannot change any more, and counts the tokens. `end` may be called twice."""

        def __init__(self, tokenizer: Any, stops: StopWords, on_text: Callable[[str], None]) -> None:
            super().__init__(tokenizer, skip_prompt=True, skip_special_tokens=True)
            self.stops = stops
            self.tokens = 0
            self.last: int | None = None
            self._prompt_seen = False
            self._over = False
            self._on_text = on_text

        def put(self, value: Any) -> None:
            if self._prompt_seen:
                self.tokens += 1
                self.last = int(value.reshape(-1)[-1])
            self._prompt_seen = True
            super().put(value)
            if self.stops.hit:
                raise Stopped

        def end(self) -> None:
            if not self._over:
                self._over = True
                super().end()

        def on_finalized_text(self, text: str, stream_end: bool = False) -> None:
            shown = self.stops.feed(text) + (self.stops.end() if stream_end and not self.stops.hit else "")
            if shown:
                self._on_text(shown)

    return Streamer
