"""`first_that_answers`: the model that was asked for, and those that stand in for it as long as nothing was said.

Used by nodes/chat_model.py. Which models: the workspace's `fallbacks`, else those of the provider or of the server. Tests:
tests/unit/runs/test_nodes_chat_model.py.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

import structlog

from antiphon.core.errors import BadRequest, ContextTooLong, ModelError, ModelUnavailable, RateLimited, Timeout
from antiphon.models.chat import ChatDelta, ChatModel, OnDelta
from antiphon.runs.node import NodeContext
from antiphon.runs.nodes import phrases

_ANOTHER_MAY_DO: Final = (ModelUnavailable, ModelError, RateLimited, Timeout, ContextTooLong)
_log = structlog.get_logger(__name__)
R = TypeVar("R")


class Listener:
    """The `on_delta` of a model that another one may stand in for: remembers whether it has said anything."""

    __slots__ = ("_on_delta", "told")

    def __init__(self, on_delta: OnDelta) -> None:
        self.told = False
        self._on_delta = on_delta

    def __call__(self, delta: ChatDelta) -> None:
        self.told = True
        self._on_delta(delta)


Ask = Callable[[str, ChatModel, OnDelta], Awaitable[R]]


async def first_that_answers(context: NodeContext, on_delta: OnDelta, ask: Ask[R]) -> R:
    """What `ask(id, model, on_delta)` gives for the first model that does not fail before its first delta. Raises what the last
    one raised, or what any raised after its first delta. The last model's deltas come without a detour."""
    run = context.run
    candidates = _candidates(context)
    failed: list[dict[str, str]] = []
    while True:
        model_id, model = candidates.pop(0)
        if not candidates:
            return await ask(model_id, model, on_delta)
        listener = Listener(on_delta)
        try:
            return await ask(model_id, model, listener)
        except _ANOTHER_MAY_DO as error:
            if listener.told:
                raise
            failed.append({"model": model_id, "code": error.code, "message": error.message})
            run.sink.record(failed_models=list(failed))
            run.sink.status("generating", phrases.going_over(run.language, failed=model_id, to=candidates[0][0]))


def _candidates(context: NodeContext) -> list[tuple[str, ChatModel]]:
    """The model of the node or of the run, then those to go over to; of the latter, what is gone is passed over."""
    run = context.run
    found = [run.models.resolve(context.settings["model"] or run.model)]
    chosen = run.workspace.fallbacks
    for name in run.models.fallbacks(found[0][0]) if chosen is None else chosen:
        try:
            candidate = run.models.resolve(name)
        except BadRequest:
            _log.warning("fallback_model_unknown", run_id=run.run_id, model=name)
            continue
        if candidate[0] not in [ident for ident, _ in found]:
            found.append(candidate)
    return found
