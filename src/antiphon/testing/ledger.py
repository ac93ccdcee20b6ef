"""`Ledger`: notes what the live core appends, stores and answers, and what of it must never be (docs/protocol.md section 8).

Lives longer than the processes it watches. Used by antiphon.testing.live_core; `faults` stays empty in a sound core.
Tests: tests/properties/test_live_core.py (planted bugs must show here or at a client).
"""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any

import msgspec

from antiphon.storage.event_log.contract import Entry
from antiphon.storage.event_log.hot_log import HotLog
from antiphon.storage.event_log.sqlite import stored_events
from antiphon.storage.records.rows import TERMINAL_RUN_STATES
from antiphon.storage.sqlite.database import Database

Frame = dict[str, Any]
AFTER_COMPLETE = frozenset({"suggestion", "feedback"})


class Ledger:
    """`acked`: command id -> result of every question that was acknowledged. `asked`: command id -> its question."""

    def __init__(self) -> None:
        self.faults: list[str] = []
        self.crashing = False
        self.asked: dict[str, str] = {}
        self.stops: set[str] = set()
        self.acked: dict[str, Frame] = {}
        self.counts: Counter[str] = Counter()
        self.stored_completes: Counter[tuple[str, str]] = Counter()
        self._heads: dict[tuple[str, str], int] = {}
        self._bodies: dict[tuple[str, str, int], bytes] = {}
        self._stored: set[tuple[str, str, int]] = set()
        self._ended: dict[tuple[str, str], str] = {}
        self._stored_ended: dict[tuple[str, str], str] = {}
        self._stopped: set[str] = set()
        self._lost: set[str] = set()
        self._epoch: str | None = None

    # --- incarnations ---------------------------------------------------------------------------------------------------

    def opened(self, epoch: str, *, unclean: bool) -> None:
        if epoch in self._lost:
            self.faults.append(f"epoch {epoch} was lost and is used again")
        if not unclean and self._epoch is not None and epoch != self._epoch:
            self.faults.append(f"a clean start gave the new epoch {epoch}")
        self._epoch = epoch

    def lost(self, epoch: str | None) -> None:
        """The incarnation died without being closed; None: before it had opened its log."""
        if epoch is not None:
            self._lost.add(epoch)
        self._epoch = None

    def closed_cleanly(self, connections: int, runs: int, log: HotLog | None) -> None:
        """I7: what a clean stop leaves behind."""
        listeners = 0 if log is None else log.listener_count
        tasks = [f"{task.get_name()} in {waiting_in(task)}" for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        if connections or runs or listeners or tasks:
            self.faults.append(f"left behind: {connections} connections, {runs} runs, {listeners} listeners, tasks {tasks}")

    def task_ended(self, task: asyncio.Task[Any]) -> None:
        if not task.cancelled() and (error := task.exception()) is not None and not self.crashing:
            self.faults.append(f"the task {task.get_name()!r} died of {error!r}")

    # --- the log ----------------------------------------------------------------------------------------------------------

    def appended(self, epoch: str, entries: list[Entry]) -> None:
        for entry in entries:
            last = self._heads.get((epoch, entry.topic), 0)
            if entry.seq != last + 1:
                self.faults.append(f"I2: {entry.topic} goes from {last} to {entry.seq} in {epoch}")
            self._heads[epoch, entry.topic] = entry.seq
            self._bodies[epoch, entry.topic, entry.seq] = entry.body
            self.counts[entry.kind] += 1
            run_id = msgspec.json.decode(entry.body).get("run_id")
            if run_id is not None and not entry.topic.startswith("user:"):
                self._of_run(epoch, entry, run_id)

    def _of_run(self, epoch: str, entry: Entry, run_id: str) -> None:
        key = (entry.topic, run_id)
        if entry.kind not in AFTER_COMPLETE and (self._ended.get(key) == epoch or key in self._stored_ended):
            self.faults.append(f"I3/I4: {entry.kind} of {run_id} after its complete in {entry.topic}")
        if entry.kind == "answer_chunk" and run_id in self._stopped:
            self.faults.append(f"text of {run_id} after its stop was acknowledged")
        if entry.kind == "complete":
            self._ended[key] = epoch

    def stored(self, epoch: str, database: Database) -> None:
        """After a batch: what is on disk is what was appended, and `complete` is stored once."""
        for event in database.read_inline(lambda connection: list(stored_events(connection))):
            place = (epoch, event.topic, event.seq)
            if place in self._stored or place not in self._bodies:  # the lost incarnation's, until recovery removes them
                continue
            self._stored.add(place)
            if self._bodies[place] != event.body:
                self.faults.append(f"{place} is stored as something else: {event.body!r}")
            frame = msgspec.json.decode(event.body)
            if frame["type"] == "complete":
                key = (event.topic, frame["run_id"])
                self.stored_completes[key] += 1
                self._stored_ended[key] = epoch
                if self.stored_completes[key] > 1:
                    self.faults.append(f"I3: {frame['run_id']} has two stored completes in {event.topic}")

    # --- answers ----------------------------------------------------------------------------------------------------------

    def sent(self, frame: Frame) -> None:
        """A frame is on its way to a client, read or not."""
        if frame["type"] != "ack" or not frame["ok"]:
            return
        reply_to, result = frame["reply_to"], frame["result"]
        if reply_to in self.asked:
            earlier = self.acked.setdefault(reply_to, result)
            if earlier["run_id"] != result["run_id"] or earlier["message_id"] != result["message_id"]:
                self.faults.append(f"P4: {reply_to} has two runs: {earlier}, {result}")
        elif reply_to in self.stops and result["run_id"] is not None:
            self._stopped.add(result["run_id"])
            if result["state"] not in TERMINAL_RUN_STATES:
                self.faults.append(f"stop of {result['run_id']} was answered with {result['state']!r}")


def waiting_in(task: asyncio.Task[Any]) -> str:
    """Where a task waits: the names of its coroutines, outermost first."""
    names: list[str] = []
    waiting: Any = task.get_coro()
    while waiting is not None and hasattr(waiting, "cr_frame") and waiting.cr_frame is not None:
        names.append(f"{waiting.__qualname__}:{waiting.cr_frame.f_lineno}")
        waiting = waiting.cr_await
    return " > ".join(names)
