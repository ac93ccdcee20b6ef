"""`MeteredRuns`: what the run engine counts, put into the server's `Metrics`. Made by composition.py."""

from __future__ import annotations

from antiphon.protocol.events import Usage
from antiphon.server.metrics import Metrics


class MeteredRuns:
    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics

    def run_started(self) -> None:
        """`runs_active` is read from the engine itself."""

    def run_ended(self, status: str) -> None:
        self._metrics.runs_ended[status] = self._metrics.runs_ended.get(status, 0) + 1

    def first_token(self, seconds: float) -> None:
        self._metrics.first_token.observe(seconds)

    def retrieval(self, seconds: float) -> None:
        self._metrics.retrieval.observe(seconds)

    def used(self, usage: Usage, *, cached_nodes: int) -> None:
        metrics = self._metrics
        metrics.tokens["prompt"] += _told(usage.prompt_tokens)
        metrics.tokens["completion"] += _told(usage.completion_tokens)
        metrics.tool_calls += _told(usage.tool_calls)
        metrics.cached_nodes += cached_nodes
        if isinstance(usage.tokens_per_s, float):
            metrics.tokens_per_s.observe(usage.tokens_per_s)

    def added_token(self, seconds: float) -> None:
        self._metrics.added_token.observe(seconds)


def _told(count: object) -> int:
    """0 for what the model did not tell."""
    return count if isinstance(count, int) else 0
