"""`Metrics`: the figures behind GET /metrics. One object, made by the composition root and passed to whoever counts.

Counting is plain attribute arithmetic on the event loop's thread (no locks, no label look-ups: about 0.2 us an observation,
affordable once per token); the Prometheus text is made only when somebody asks. Names are fixed by names.md.
Tests: tests/unit/server/test_metrics.py.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from antiphon.core.runtime import Runtime

_FIRST_TOKEN_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
_ADDED_TOKEN_S = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 1.0)
_RETRIEVAL_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0)
_TOKENS_PER_S = (1.0, 2.5, 5.0, 10.0, 20.0, 35.0, 50.0, 75.0, 100.0, 150.0, 250.0, 500.0)
_LAG_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0)
LAG_INTERVAL_S = 0.1
"""How often the lag of the event loop is looked at."""


class Histogram:
    """Values, most of them seconds, in buckets. `counts` has one place more than `bounds`, for what lies above the last."""

    __slots__ = ("bounds", "counts", "total_s")

    def __init__(self, bounds: tuple[float, ...]) -> None:
        self.bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.total_s = 0.0

    def observe(self, value_s: float) -> None:
        self.counts[bisect_left(self.bounds, value_s)] += 1
        self.total_s += value_s

    @property
    def count(self) -> int:
        return sum(self.counts)

    def family(self, name: str, sentence: str) -> HistogramMetricFamily:
        running, buckets = 0, list[tuple[str, float]]()
        for bound, count in zip((*map(str, self.bounds), "+Inf"), self.counts, strict=True):
            running += count
            buckets.append((bound, running))
        family = HistogramMetricFamily(name, sentence)
        family.add_metric([], buckets=buckets, sum_value=self.total_s)
        return family


class Metrics:
    """`resumes` counts by result: `replay`, `snapshot`, `live`. `loop_lag_s` is the last measurement."""

    def __init__(self) -> None:
        self.first_token = Histogram(_FIRST_TOKEN_S)
        self.added_token = Histogram(_ADDED_TOKEN_S)
        self.retrieval = Histogram(_RETRIEVAL_S)
        self.loop_lag = Histogram(_LAG_S)
        self.loop_lag_s = 0.0
        self.resumes: dict[str, int] = {"replay": 0, "snapshot": 0, "live": 0}
        self.runs_ended: dict[str, int] = {"completed": 0, "stopped": 0, "failed": 0, "interrupted": 0}
        self.tokens: dict[str, int] = {"prompt": 0, "completion": 0}
        self.tool_calls = 0
        self.tokens_per_s = Histogram(_TOKENS_PER_S)
        self.cached_nodes = 0
        self.runs_active = 0
        self.connections = 0
        self._registry = CollectorRegistry(auto_describe=False)
        self._registry.register(_Figures(self))

    def count_resume(self, result: str) -> None:
        self.resumes[result] = self.resumes.get(result, 0) + 1

    def exposition(self) -> bytes:
        """The Prometheus text format, version 0.0.4."""
        return generate_latest(self._registry)


class _Figures(Collector):
    """Turns the plain numbers into metric families when they are asked for."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics

    def collect(self) -> Iterable[Metric]:
        figures = self._metrics
        yield figures.first_token.family("antiphon_first_token_seconds", "From the question to the first text of the answer.")
        yield figures.added_token.family("antiphon_added_token_seconds", "From a token's arrival to its hand-over to sockets.")
        yield figures.retrieval.family("antiphon_retrieval_seconds", "Time of one retrieval.")
        yield figures.loop_lag.family("antiphon_event_loop_lag_seconds", "How late the event loop runs what is due.")
        resumes = CounterMetricFamily("antiphon_resumes", "Subscriptions by what they were given.", labels=["result"])
        for result, count in figures.resumes.items():
            resumes.add_metric([result], count)
        yield resumes
        ended = CounterMetricFamily("antiphon_runs_ended", "Runs that ended, by how.", labels=["status"])
        for status, count in figures.runs_ended.items():
            ended.add_metric([status], count)
        yield ended
        tokens = CounterMetricFamily("antiphon_tokens", "Tokens as models told them.", labels=["kind"])
        for kind, count in figures.tokens.items():
            tokens.add_metric([kind], count)
        yield tokens
        yield figures.tokens_per_s.family("antiphon_tokens_per_second", "Tokens per second of an answer, where told.")
        yield CounterMetricFamily("antiphon_tool_calls", "Calls of tools by runs.", figures.tool_calls)
        yield CounterMetricFamily(
            "antiphon_cached_nodes", "Nodes whose outputs were kept from a run before.", figures.cached_nodes
        )
        yield GaugeMetricFamily("antiphon_runs_active", "Runs that are not finished.", figures.runs_active)
        yield GaugeMetricFamily("antiphon_connections", "Open sockets.", figures.connections)


async def watch_event_loop_lag(metrics: Metrics, runtime: Runtime, *, interval_s: float = LAG_INTERVAL_S) -> None:
    """Measures for ever, once per `interval_s`; the composition root starts it as a task and cancels it."""
    clock, scheduler = runtime.clock, runtime.scheduler
    while True:
        due = clock.monotonic() + interval_s
        await scheduler.sleep(interval_s)
        metrics.loop_lag_s = max(0.0, clock.monotonic() - due)
        metrics.loop_lag.observe(metrics.loop_lag_s)
