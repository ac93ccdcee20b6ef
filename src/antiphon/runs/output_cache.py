"""`OutputCache`: what nodes gave for equal inputs, kept in memory for each workspace, bounded by count and bytes.

Only nodes that declare it are kept: `pure` ones, and `reads_index` ones until any document changes. What a node told its run
(statuses, sources, retrievals) is kept with its outputs and told again. Used by runs/executor.py; one for each process.
Tests: tests/unit/runs/test_output_cache.py.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

import msgspec

from antiphon.flows.plan import PlannedNode
from antiphon.retrieve.passage import Passage
from antiphon.runs.node import RunContext, RunSink
from antiphon.runs.recorded_retrieval import RecordingRetriever, Retrieval

MOST_WORKSPACES: Final = 64
"""The one that was used longest ago leaves."""
_encode = msgspec.json.Encoder(order="deterministic").encode
Told = tuple[str, tuple[Any, ...], dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Kept:
    """`version`: of the index, for a node that reads it."""

    outputs: Mapping[str, Any]
    told: list[Told]
    size_bytes: int
    version: int | None

    def tell(self, run: RunContext) -> None:
        """What the node told then. Nothing was used this time."""
        for name, args, fields in self.told:
            if name == "retrieved":
                if isinstance(run.retriever, RecordingRetriever):
                    run.retriever.on_retrieved(*args)
            elif name == "usage":
                run.sink.usage(**dict.fromkeys(fields, 0))
            else:
                getattr(run.sink, name)(*args, **fields)


class _Shelf:
    def __init__(self) -> None:
        self.entries: OrderedDict[bytes, Kept] = OrderedDict()
        self.size_bytes = 0

    def drop(self, key: bytes) -> None:
        gone = self.entries.pop(key, None)
        if gone is not None:
            self.size_bytes -= gone.size_bytes


class OutputCache:
    """`index_version`: a number that grows with every change of what can be found. `max_entries`, `max_bytes`: of each
    workspace."""

    def __init__(self, *, max_entries: int, max_bytes: int, index_version: Callable[[], int]) -> None:
        self._max_entries = max_entries
        self._max_bytes = max_bytes
        self._index_version = index_version
        self._shelves: OrderedDict[str, _Shelf] = OrderedDict()
        self.hits = 0
        self.misses = 0

    def watch(self, node: PlannedNode, run: RunContext, inputs: Mapping[str, Any]) -> Watched | None:
        """None: the node's outputs are never kept, or its inputs have no key."""
        descriptor = node.descriptor
        if not (descriptor.pure or descriptor.reads_index) or descriptor.side_effects:
            return None
        if any(port.type == "stream[text]" for port in (*descriptor.inputs, *descriptor.outputs)):
            return None
        facts: list[Any] = [descriptor.type, descriptor.version, node.settings, inputs]
        if descriptor.reads_index:
            facts += [_reach(run), run.language, run.workspace.k, msgspec.to_builtins(run.filter)]
        try:
            key = hashlib.blake2b(_encode(facts), digest_size=16).digest()
        except (TypeError, ValueError, OverflowError, RecursionError):
            return None
        # Taken before the node reads: what it finds may be newer, and is then thrown away too early, never too late.
        version = self._index_version() if descriptor.reads_index else None
        return Watched(self, run, key, version)

    def find(self, workspace_id: str, key: bytes, version: int | None) -> Kept | None:
        shelf = self._shelves.get(workspace_id)
        kept = shelf.entries.get(key) if shelf is not None else None
        if shelf is None or kept is None or kept.version != version:
            if shelf is not None:
                shelf.drop(key)
            self.misses += 1
            return None
        shelf.entries.move_to_end(key)
        self._shelves.move_to_end(workspace_id)
        self.hits += 1
        return kept

    def keep(self, workspace_id: str, key: bytes, kept: Kept) -> None:
        if kept.size_bytes * 4 > self._max_bytes:  # one answer does not push all the others out
            return
        shelf = self._shelves.setdefault(workspace_id, _Shelf())
        self._shelves.move_to_end(workspace_id)
        shelf.drop(key)
        shelf.entries[key] = kept
        shelf.size_bytes += kept.size_bytes
        while len(shelf.entries) > self._max_entries or shelf.size_bytes > self._max_bytes:
            shelf.drop(next(iter(shelf.entries)))
        while len(self._shelves) > MOST_WORKSPACES:
            self._shelves.popitem(last=False)


class Watched:
    """One node that may be kept: `found` what is there already, else run it with `context` and `keep` its outputs."""

    def __init__(self, cache: OutputCache, run: RunContext, key: bytes, version: int | None) -> None:
        self._cache = cache
        self._run = run
        self._key = key
        self._version = version
        self._told: list[Told] = []
        self._is_whole = True

    def found(self) -> Mapping[str, Any] | None:
        """The outputs, told to the run as if the node had run."""
        kept = self._cache.find(self._run.workspace.id, self._key, self._version)
        if kept is None:
            return None
        kept.tell(self._run)
        return {port: _own(value) for port, value in kept.outputs.items()}

    def context(self) -> RunContext:
        """The run as the node sees it: what it tells is noted."""
        retriever = self._run.retriever
        if isinstance(retriever, RecordingRetriever):
            retriever = retriever.reporting_to(self._retrieved)
        return replace(self._run, sink=_NotingSink(self._run.sink, self._told, self._spoil), retriever=retriever)

    def keep(self, outputs: Mapping[str, Any]) -> None:
        if not self._is_whole:
            return
        try:
            size_bytes = len(_encode(outputs)) + 500
        except (TypeError, ValueError, OverflowError, RecursionError):
            return
        own = {port: _own(value) for port, value in outputs.items()}
        self._cache.keep(
            self._run.workspace.id, self._key, Kept(outputs=own, told=self._told, size_bytes=size_bytes, version=self._version)
        )

    def _retrieved(self, retrieval: Retrieval) -> None:
        self._told.append(("retrieved", (retrieval,), {}))
        if isinstance(self._run.retriever, RecordingRetriever):
            self._run.retriever.on_retrieved(retrieval)

    def _spoil(self) -> None:
        self._is_whole = False


class _NotingSink:
    """See runs.node.RunSink. Text of an answer is not noted: a node that writes some is not kept."""

    def __init__(self, inner: RunSink, told: list[Told], spoil: Callable[[], None]) -> None:
        self._inner = inner
        self._told = told
        self._spoil = spoil

    def status(
        self, phase: str, content: str, *, counts: Mapping[str, int] | None = None, progress: float | None = None
    ) -> None:  # fmt: skip
        self._told.append(("status", (phase, content), {"counts": counts, "progress": progress}))
        self._inner.status(phase, content, counts=counts, progress=progress)

    def sources(self, passages: list[Passage]) -> None:
        self._told.append(("sources", (list(passages),), {}))
        self._inner.sources(passages)

    def refuse(self, refusal: Mapping[str, Any]) -> None:
        self._spoil()
        self._inner.refuse(refusal)

    def answer(self, text: str) -> None:
        self._spoil()
        self._inner.answer(text)

    def reasoning(self, text: str) -> None:
        self._spoil()
        self._inner.reasoning(text)

    def usage(self, **counts: int | None) -> None:
        self._told.append(("usage", (), counts))
        self._inner.usage(**counts)

    def finish(self, reason: str) -> None:
        self._spoil()
        self._inner.finish(reason)

    def record(self, **facts: Any) -> None:
        self._told.append(("record", (), facts))
        self._inner.record(**facts)


def _reach(run: RunContext) -> list[str]:
    """Who asks is a part of it: what one person may find is never given to another."""
    return [run.scope.user_id, *(workspace for workspace in run.workspace_ids if run.scope.sees(workspace))]


def _own(value: Any) -> Any:
    """Lists are copied, because a node could change the one it is given; what stands in them is frozen."""
    return list(value) if isinstance(value, list) else value  # pyright: ignore[reportUnknownArgumentType, reportUnknownVariableType]
