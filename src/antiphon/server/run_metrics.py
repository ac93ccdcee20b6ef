"""`MeteredRuns`: what the run engine counts, put into the server's `Metrics`. Made by composition.py."""

from __future__ import annotations

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

    def added_token(self, seconds: float) -> None:
        self._metrics.added_token.observe(seconds)
