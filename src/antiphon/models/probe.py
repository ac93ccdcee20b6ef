"""`ModelProbe`: tries a connection to a provider and says in plain words what is wrong: `POST /models/test`, `antiphon doctor`.

Asks for the list of models, then for a few words, and measures the first token and the rate. Sends one short fixed question;
keeps nothing. Tests: tests/integration/test_probe.py.
"""

from __future__ import annotations

import asyncio
from typing import Final

from msgspec import Struct, structs

from antiphon.core.errors import AntiphonError, BadRequest, ModelError, ModelUnavailable, Timeout
from antiphon.core.runtime import Runtime
from antiphon.models.chat import ChatDelta, ChatMessage, ChatRequest, ChatResult, ListedModel
from antiphon.models.extractive import EXTRACTIVE_MODEL
from antiphon.models.guarded_transport import AddressGate
from antiphon.models.provider import ModelLimits, ProviderSpec, ServedChat, open_provider
from antiphon.models.served import chat_names

LIST_S: Final = 1.5
FIRST_TOKEN_S: Final = 20.0
"""A model that has to be loaded first takes its time; the test says so instead of giving up too early."""
MEASURE_S: Final = 0.8
MEASURED_PIECES: Final = 32
SHOWN_MODELS: Final = 50
_QUESTION: Final = "Count from 1 to 30, separated by spaces."
_MAX_TOKENS: Final = 64


class ProbeReport(Struct, frozen=True, kw_only=True):
    """`ok`: a model answered. `reachable`: a server is there that speaks HTTP. `problem`: a sentence for people, with what to do;
    `code` its error code. `suggested_base_url`: an address that would have worked. Times None: not measured."""

    ok: bool = False
    reachable: bool = False
    kind: str = "openai"
    model: str | None = None
    models: list[str] = []
    context_window: int | None = None
    list_ms: int | None = None
    first_token_ms: int | None = None
    tokens_per_s: float | None = None
    code: str | None = None
    problem: str | None = None
    suggested_base_url: str | None = None


class ModelProbe:
    """`gate` None: addresses are trusted (the command line, whose user could connect anyway)."""

    def __init__(self, runtime: Runtime, limits: ModelLimits, gate: AddressGate | None = None) -> None:
        self._runtime = runtime
        self._limits = structs.replace(
            limits, retries=0, max_tokens=None, connect_timeout_s=min(LIST_S, limits.connect_timeout_s)
        )
        self._gate = gate

    async def test(self, spec: ProviderSpec, model: str | None = None) -> ProbeReport:
        """Never raises for what is wrong with the provider: the report says it."""
        report = ProbeReport(kind=spec.kind, model=model or spec.default_model or _only(spec))
        if spec.problem is not None:
            return structs.replace(report, code=ModelUnavailable.code, problem=spec.problem)
        try:
            chat = self._open(spec)
        except AntiphonError as error:
            return structs.replace(report, code=error.code, problem=error.message)
        try:
            report, listed, refusal = await self._list(chat, spec, report)
            return await self._settle(chat, spec, report, listed, refusal)
        finally:
            await chat.close()

    async def _settle(
        self, chat: ServedChat, spec: ProviderSpec, report: ProbeReport, listed: list[ListedModel], refusal: AntiphonError | None
    ) -> ProbeReport:
        names = [model.name for model in listed]
        if refusal is not None and (not report.reachable or report.model is None or _is_key(refusal)):
            return await self._explained(spec, report, refusal)
        chosen = report.model or next(iter(chat_names(names)), None)
        if chosen is None:
            problem = "The server is there but lists no model. Load one there (Ollama: `ollama pull NAME`), or name it here."
            return structs.replace(report, code=ModelUnavailable.code, problem=problem)
        window = next((model.context_window for model in listed if model.name == chosen), None)
        report = structs.replace(report, model=chosen, context_window=window or spec.context_window)
        try:
            return await self._ask(chat, report)
        except AntiphonError as error:
            if names and chosen not in names and isinstance(error, ModelError):
                shown = ", ".join(names[:10]) + (", …" if len(names) > 10 else "")
                problem = f"The server has no model {chosen!r}. It has: {shown}."
                return structs.replace(report, code=error.code, problem=problem)
            return await self._explained(spec, report, refusal or error)

    def _open(self, spec: ProviderSpec) -> ServedChat:
        return open_provider(spec, self._runtime, self._limits, gate=self._gate)

    async def _list(
        self, chat: ServedChat, spec: ProviderSpec, report: ProbeReport
    ) -> tuple[ProbeReport, list[ListedModel], AntiphonError | None]:
        began_s = self._runtime.clock.monotonic()
        try:
            async with asyncio.timeout(2 * LIST_S):
                listed = await chat.list_models()
        except TimeoutError:
            return (
                report,
                [],
                Timeout(f"The server at {spec.base_url or 'the usual address'} did not answer within {2 * LIST_S:g} s."),
            )
        except AntiphonError as error:
            return structs.replace(report, reachable=isinstance(error, ModelError)), [], error
        names = [model.name for model in listed][:SHOWN_MODELS]
        return structs.replace(report, reachable=True, models=names, list_ms=self._ms_since(began_s)), listed, None

    async def _ask(self, chat: ServedChat, report: ProbeReport) -> ProbeReport:
        """Raises like `ChatModel.stream`, and Timeout for a model that says nothing."""
        watch = _Watch(self._runtime)
        request = ChatRequest(
            model=report.model or "", messages=[ChatMessage(role="user", content=_QUESTION)], max_tokens=_MAX_TOKENS
        )
        asking = asyncio.ensure_future(chat.stream(request, watch))
        enough = asyncio.ensure_future(watch.enough())
        try:
            await asyncio.wait({asking, enough}, return_when=asyncio.FIRST_COMPLETED)
            result = asking.result() if asking.done() else None
            if result is None and watch.first_s is None:
                raise Timeout(
                    f"The model {report.model!r} said nothing for {FIRST_TOKEN_S:g} s. It may still be loading: try again soon."
                )
        finally:
            for task in (asking, enough):
                task.cancel()
            await asyncio.gather(asking, enough, return_exceptions=True)
        return structs.replace(report, ok=True, reachable=True, **watch.figures(result))

    async def _explained(self, spec: ProviderSpec, report: ProbeReport, error: AntiphonError) -> ProbeReport:
        """The report with the problem, and with the address that would do when only its `/v1` is missing."""
        told = structs.replace(report, code=error.code, problem=error.message)
        address = (spec.base_url or "").rstrip("/")
        if spec.kind == "openai" and report.reachable and not address.endswith("/v1") and not _is_key(error):
            other = structs.replace(spec, base_url=f"{address}/v1")
            if await self._lists(other):
                problem = f"There is no OpenAI-compatible API at {address}, but there is one at {address}/v1: use that address."
                return structs.replace(told, problem=problem, suggested_base_url=f"{address}/v1")
        if spec.kind == "openai" and report.reachable and isinstance(error, ModelError) and "no readable list" in error.message:
            problem = f"{address} answers, but not as an OpenAI-compatible API does. The address usually ends in `/v1`."
            return structs.replace(told, problem=problem)
        return told

    async def _lists(self, spec: ProviderSpec) -> bool:
        try:
            chat = self._open(spec)
        except BadRequest:
            return False
        try:
            async with asyncio.timeout(LIST_S):
                await chat.list_models()
            return True
        except (AntiphonError, TimeoutError):
            return False
        finally:
            await chat.close()

    def _ms_since(self, began_s: float) -> int:
        return round((self._runtime.clock.monotonic() - began_s) * 1000)


class _Watch:
    """The `on_delta` of a test: when the pieces came."""

    def __init__(self, runtime: Runtime) -> None:
        self.first_s: float | None = None
        self._runtime = runtime
        self._began_s = runtime.clock.monotonic()
        self._last_s = 0.0
        self._pieces = 0
        self._first = asyncio.Event()
        self._many = asyncio.Event()

    def __call__(self, _delta: ChatDelta) -> None:
        self._last_s = self._runtime.clock.monotonic()
        if self.first_s is None:
            self.first_s = self._last_s
            self._first.set()
        self._pieces += 1
        if self._pieces >= MEASURED_PIECES:
            self._many.set()

    async def enough(self) -> None:
        """Returns when more would tell nothing new, or when nothing came at all."""
        try:
            async with asyncio.timeout(FIRST_TOKEN_S):
                await self._first.wait()
            async with asyncio.timeout(MEASURE_S):
                await self._many.wait()
        except TimeoutError:
            return

    def figures(self, result: ChatResult | None) -> dict[str, int | float | None]:
        """The server's own count of tokens when it told one, else the pieces."""
        if self.first_s is None:
            return {"first_token_ms": None, "tokens_per_s": None}
        span_s = self._last_s - self.first_s
        counted = result.completion_tokens if result is not None and result.completion_tokens else self._pieces
        rate = round((counted - 1) / span_s, 1) if span_s > 0 and counted > 1 else None
        return {"first_token_ms": round((self.first_s - self._began_s) * 1000), "tokens_per_s": rate}


def _only(spec: ProviderSpec) -> str | None:
    return spec.models[0].name if spec.models and spec.models[0].name != EXTRACTIVE_MODEL else None


def _is_key(error: AntiphonError) -> bool:
    return error.data.get("status") in {401, 403}
