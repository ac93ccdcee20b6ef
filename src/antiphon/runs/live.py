"""`LiveRun`: one run while it lives. It is the `RunSink` and `NodeObserver` of its nodes: what they tell becomes events.

Text goes: sink.answer -> buffer -> (Pacer) -> one `answer_chunk` for the session's and the run's topic. What single nodes
write is told on the run's topic only; while nobody follows that it is gathered, and appended when somebody does, asks for a
snapshot, or the node ends. `closed` is the fence of `stop`: after it nothing of the run is appended but its end.
Loop-thread only. Used by runs/engine.py.
Tests: tests/unit/runs/test_live.py.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from typing import Any

from antiphon.core.failpoints import failpoint
from antiphon.core.runtime import Runtime
from antiphon.core.tick import TickQueue
from antiphon.models.quotation import QuotedText
from antiphon.protocol.events import (
    AnswerChunk,
    Citation,
    Event,
    NodeChunk,
    NodeFailed,
    NodeFinished,
    NodeOutput,
    NodeStarted,
    ReasoningChunk,
    Refusal,
    RunSteered,
    Sources,
    Status,
)
from antiphon.protocol.topics import run_topic, session_topic
from antiphon.retrieve.passage import Passage
from antiphon.runs.language import language_of
from antiphon.runs.marks import Mark, MarkScanner
from antiphon.runs.pacing import LoadGauge, Pacer
from antiphon.runs.recorded_retrieval import Retrieval
from antiphon.runs.run_record import RunAbout, nodes_record
from antiphon.runs.sources import source_of
from antiphon.runs.steering import Steer, Steering
from antiphon.storage.event_log.contract import EventLog
from antiphon.storage.records.rows import RunRow

MAX_OUTPUT_CHARACTERS = 2000
MAX_DELTA_CHARACTERS = 16_384
"""A delta of a model that sends everything at once is cut: no frame may pass the outbound limit."""
OnAdded = Callable[[float], None]
"""Seconds from a token's arrival to its append."""


class _NodeText:
    __slots__ = ("length", "node_id", "parts", "pending", "port")

    def __init__(self, node_id: str, port: str) -> None:
        self.node_id = node_id
        self.port = port
        self.parts: list[str] = []
        self.pending: list[str] = []
        self.length = 0


class LiveRun:
    def __init__(
        self, row: RunRow, *, log: EventLog, runtime: Runtime, ticks: TickQueue, gauge: LoadGauge, on_added: OnAdded | None = None
    ) -> None:
        self.row = row
        self._on_added = on_added
        self._waiting_since_s = 0.0
        self.run_id = row.id
        self.state = "queued"
        self.closed = False
        self.stopped_by: dict[str, str] | None = None
        self._log = log
        self._clock = runtime.clock
        self._pacer = Pacer(runtime, ticks, gauge, self._flush)
        self._run_topic = run_topic(row.id)
        self._run_topics = [self._run_topic]
        self._topics = [*([session_topic(row.session_id)] if row.session_id else []), *self._run_topics]
        self._scanner = MarkScanner()
        self._pending: list[str] = []
        self._pending_reasoning: list[str] = []
        self._reasoning_length = 0
        self._parts: list[str] = []
        self._length = 0
        self._arrived = 0
        self._quoted: list[tuple[int, int]] = []
        self._nodes: dict[str, dict[str, Any]] = {}
        self._node_texts: dict[tuple[str, str], _NodeText] = {}
        self._dirty_nodes: list[_NodeText] = []
        self._outputs: dict[tuple[str, str], Any] = {}
        self.about: RunAbout | None = None
        self.finish_record: Callable[[Mapping[str, Any], str], dict[str, Any]] | None = None
        self.retrievals: list[Retrieval] = []
        self.steering = Steering(self._heard, self._tell_steer)
        self.steers: list[dict[str, Any]] = []
        self.earlier_prompts: list[dict[str, Any]] = []
        self.placed_s: float | None = None
        self._began_s = runtime.clock.monotonic()
        self.first_text_s: float | None = None
        self.last_text_s: float | None = None
        self.source_list: list[dict[str, Any]] = []
        self.citations: list[dict[str, Any]] = []
        self.counts: dict[str, int | None] = {}
        self.finish_reason: str | None = None
        self.facts: dict[str, Any] = {}
        self.sources_sent = False
        self.refusal: dict[str, Any] | None = None
        self.passages: list[Passage] = []

    # --- what others read -----------------------------------------------------------------------------------------------

    @property
    def text(self) -> str:
        """The text as appended to the log so far (what every client has, or can have)."""
        if len(self._parts) > 1:
            self._parts = ["".join(self._parts)]
        return self._parts[0] if self._parts else ""

    @property
    def text_length(self) -> int:
        return self._length

    @property
    def text_sha256(self) -> str:
        return hashlib.sha256(self.text.encode("utf-8", "surrogatepass")).hexdigest()

    @property
    def elapsed_ms(self) -> int:
        return int((self._clock.monotonic() - self._began_s) * 1000)

    @property
    def first_token_ms(self) -> int | None:
        return None if self.first_text_s is None else int((self.first_text_s - self._began_s) * 1000)

    @property
    def cached_nodes(self) -> int:
        return sum(1 for node in self._nodes.values() if node.get("cached"))

    @property
    def timings(self) -> dict[str, int | None]:
        """Of the run so far, in ms. `queued_ms`: until it had a place."""
        queued_ms = None if self.placed_s is None else int((self.placed_s - self._began_s) * 1000)
        return {"queued_ms": queued_ms, "first_token_ms": self.first_token_ms, "total_ms": self.elapsed_ms}

    def nodes_snapshot(self) -> dict[str, dict[str, Any]]:
        """Nodes as the client reducer holds them, text as appended so far: `tell_nodes` first."""
        texts: dict[str, dict[str, str]] = {}
        for (node_id, port), node_text in self._node_texts.items():
            texts.setdefault(node_id, {})[port] = "".join(node_text.parts)
        return {
            node_id: {"state": node["state"], "label": node["label"], "text": texts.get(node_id, {})}
            for node_id, node in self._nodes.items()
        }

    def node_records(self, *, ended: str) -> list[dict[str, Any]]:
        """For the run's record: what nodes were, and digests of what they gave (a few KiB are hashed). Nodes that were cut
        short end as the run did."""
        texts = {key: "".join(text.parts) + "".join(text.pending) for key, text in self._node_texts.items()}
        told = {
            node_id: {**node, "state": ended if node["state"] == "running" else node["state"]}
            for node_id, node in self._nodes.items()
        }
        return nodes_record(self.about.plan if self.about is not None else None, told, {**self._outputs, **texts})

    # --- events ------------------------------------------------------------------------------------------------------------

    def append(self, event: Event, *, run_only: bool = False, event_id: str | None = None) -> None:
        """Puts the run's ids on the event and appends it to the run's topics."""
        event.run_id = self.run_id
        event.session_id = self.row.session_id
        if not run_only and event.message_id is None:
            event.message_id = self.row.message_id
        self._log.append(self._run_topics if run_only else self._topics, event, event_id=event_id)

    def tell_nodes(self) -> None:
        """Appends the texts of nodes that were gathered while nobody followed the run's topic."""
        if not self.closed:
            self._flush_nodes()

    def close(self) -> None:
        """The fence: what was buffered goes out, nothing comes after."""
        if not self.closed:
            self._flush_nodes()
            self._pacer.close()
            self.closed = True

    # --- RunSink -------------------------------------------------------------------------------------------------------------

    def status(self, phase: str, content: str, *, counts: Mapping[str, int] | None = None, progress: float | None = None) -> None:
        if not self.closed:
            self._pacer.flush_now()
            event = Status(phase=phase, content=content, counts=dict(counts or {}), elapsed_ms=self.elapsed_ms)
            if progress is not None:
                event.progress = round(progress, 4)
            self.append(event)

    def refuse(self, refusal: Mapping[str, Any]) -> None:
        if not self.closed and self.refusal is None:
            self.refusal = dict(refusal)
            self.append(Refusal(**self.refusal))

    def sources(self, passages: list[Passage]) -> None:
        if self.closed or self.sources_sent:
            return
        self.sources_sent = True
        self.passages = list(passages)
        self.source_list = [source_of(n, passage) for n, passage in enumerate(passages, 1)]
        self.append(Sources(sources=self.source_list))
        failpoint("run.after_sources")

    def answer(self, text: str) -> None:
        if self.closed or not text:
            return
        if not self._pending:
            self._waiting_since_s = self._clock.monotonic()
            if self.first_text_s is None:
                self.first_text_s = self._waiting_since_s
        if type(text) is QuotedText:
            self._quoted.append((self._arrived, self._arrived + len(text)))
        self._arrived += len(text)
        self._pending.append(text)
        self._pacer.nudge()

    def reasoning(self, text: str) -> None:
        if not self.closed and text:
            self._pending_reasoning.append(text)
            self._pacer.nudge()

    def usage(self, **counts: int | None) -> None:
        """Several calls of models, or retrievals, add up; None is not known and adds nothing."""
        for name, count in counts.items():
            before = self.counts.get(name)
            self.counts[name] = before if count is None else count + (before or 0)

    def retrieved(self, retrieval: Retrieval) -> None:
        """What the run's retriever tells."""
        self.retrievals.append(retrieval)

    def finish(self, reason: str) -> None:
        self.finish_reason = reason

    def record(self, **facts: Any) -> None:
        if "prompt" in facts and "prompt" in self.facts:
            self.earlier_prompts.append({"model": self.facts.get("model"), **self.facts["prompt"]})
        self.facts.update(facts)

    def _heard(self, steer: Steer) -> None:
        """The model is called again with these words; what comes from here on is said with them."""
        if self.closed:
            return
        chinese = language_of(steer.content) == "zh"
        self.status("steering", "按新的要求继续" if chinese else "Going on with what you said")
        self._tell_steer(steer)

    def tell_unheard(self) -> None:
        """At the end: words that no model was told stand behind the text."""
        for steer in self.steering.unheard():
            self._tell_steer(steer)

    def _tell_steer(self, steer: Steer) -> None:
        self.steers.append({**steer.to_record(), "offset": self._length})
        self.append(RunSteered(steer_id=steer.id, content=steer.content, offset=self._length, author=steer.author))

    # --- NodeObserver -----------------------------------------------------------------------------------------------------------

    def node_started(self, node_id: str, label: str) -> None:
        if not self.closed:
            self._nodes[node_id] = {"state": "running", "label": label}
            self.append(NodeStarted(node_id=node_id, label=label), run_only=True)

    def node_chunk(self, node_id: str, port: str, text: str) -> None:
        if self.closed:
            return
        node_text = self._node_texts.get((node_id, port))
        if node_text is None:
            node_text = self._node_texts[node_id, port] = _NodeText(node_id, port)
        if not node_text.pending:
            self._dirty_nodes.append(node_text)
        node_text.pending.append(text)
        if self._log.is_followed(self._run_topic):
            self._pacer.nudge()

    def node_output(self, node_id: str, port: str, value: Any) -> None:
        if not self.closed:
            self._outputs[node_id, port] = value
            self.append(NodeOutput(node_id=node_id, port=port, output=_summary(value)), run_only=True)

    def node_finished(self, node_id: str, duration_ms: int, *, cached: bool = False) -> None:
        if not self.closed:
            self._flush_nodes()
            self._pacer.flush_now()
            self._nodes[node_id].update(state="finished", duration_ms=duration_ms, **({"cached": True} if cached else {}))
            self.append(NodeFinished(node_id=node_id, duration_ms=duration_ms, cached=cached), run_only=True)

    def node_failed(self, node_id: str, code: str, message: str, duration_ms: int) -> None:
        if not self.closed:
            self._flush_nodes()
            self._pacer.flush_now()
            self._nodes.setdefault(node_id, {"label": node_id}).update(state="failed", duration_ms=duration_ms)
            self.append(NodeFailed(node_id=node_id, code=code, message=message, duration_ms=duration_ms), run_only=True)

    # --- text --------------------------------------------------------------------------------------------------------------------

    def _flush(self) -> None:
        """Appends all buffered text: one delta a stream, then the citations whose marks end in it."""
        if self.closed:
            return
        if self._dirty_nodes and self._log.is_followed(self._run_topic):
            self._flush_nodes()
        if self._pending_reasoning:
            piece = "".join(self._pending_reasoning)
            self._pending_reasoning = []
            for start in range(0, len(piece), MAX_DELTA_CHARACTERS):
                part = piece[start : start + MAX_DELTA_CHARACTERS]
                self.append(ReasoningChunk(content=part, offset=self._reasoning_length))
                self._reasoning_length += len(part)
        if self._pending:
            piece = "".join(self._pending)
            self._pending = []
            for start in range(0, len(piece), MAX_DELTA_CHARACTERS):
                self._append_answer(piece[start : start + MAX_DELTA_CHARACTERS])
            if self._on_added is not None:
                self._on_added(self._clock.monotonic() - self._waiting_since_s)

    def _flush_nodes(self) -> None:
        dirty, self._dirty_nodes = self._dirty_nodes, []
        for node_text in dirty:
            piece = "".join(node_text.pending)
            node_text.pending = []
            node_text.parts.append(piece)
            for start in range(0, len(piece), MAX_DELTA_CHARACTERS):
                part = piece[start : start + MAX_DELTA_CHARACTERS]
                chunk = NodeChunk(node_id=node_text.node_id, port=node_text.port, content=part, offset=node_text.length)
                node_text.length += len(part)
                self.append(chunk, run_only=True)

    def _append_answer(self, piece: str) -> None:
        offset = self._length
        self._parts.append(piece)
        self._length += len(piece)
        self.last_text_s = self._clock.monotonic()
        self.append(AnswerChunk(content=piece, offset=offset))
        failpoint("run.after_chunk")
        for mark in self._scanner.feed(piece):
            if any(start <= mark.start < end for start, end in self._quoted):
                continue  # the document's own words
            for number in mark.numbers:
                self._append_citation(number, mark)

    def _append_citation(self, number: int, mark: Mark) -> None:
        """A mark without a source stays, flagged with `source_id: null`."""
        known = 1 <= number <= len(self.source_list)
        source = self.source_list[number - 1] if known else None
        citation = Citation(n=number, source_id=source["source_id"] if source else None, start=mark.start, end=mark.end)
        if source is not None:
            citation.source_start, citation.source_end = source["start"], source["end"]
        self.citations.append(
            {
                "n": number,
                "source_id": citation.source_id,
                "start": mark.start,
                "end": mark.end,
                **({"source_start": source["start"], "source_end": source["end"]} if source else {}),
            }
        )
        self.append(citation)


def _summary(value: Any) -> Any:
    """What a node gave, small enough for a frame: long texts are cut, lists become their length."""
    if isinstance(value, str):
        return value if len(value) <= MAX_OUTPUT_CHARACTERS else value[:MAX_OUTPUT_CHARACTERS] + "…"
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, list | tuple):
        return {"items": len(value)}  # pyright: ignore[reportUnknownArgumentType] - only its length is used
    return {"type": type(value).__name__}
