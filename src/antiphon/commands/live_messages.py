"""Messages as they are now: the record's, and for an answer that is being written its text so far.

The record of a living answer is its last checkpoint, seconds old; who follows a reference of a snapshot, or reads a page of
history, is owed at least what the events said. Used by the handlers of messages and by topics.py.
Tests: tests/unit/commands/test_topics.py, tests/integration/live/test_live_core.py.
"""

from __future__ import annotations

from typing import Any

from antiphon.conversations.messages import message_json
from antiphon.runs.engine import RunEngine
from antiphon.runs.live import LiveRun
from antiphon.storage.records.rows import MessageRow


class LiveView:
    """A run's texts and lists, copied at one moment."""

    def __init__(self, run: LiveRun) -> None:
        self.run = run
        self.text = run.text
        self.sources = run.source_list
        self.citations = list(run.citations)
        self.refusal = run.refusal
        self.steers = list(run.steers)
        self.state = run.state

    def json(self) -> dict[str, Any]:
        return {"run_id": self.run.run_id, "message_id": self.run.row.message_id, "state": self.state}

    def message(self, row: MessageRow) -> dict[str, Any]:
        """The message of the row; the run's own answer with its text so far."""
        message = message_json(row)
        if row.id == self.run.row.message_id:
            message.update(content=self.text, state="streaming", sources=self.sources, citations=self.citations)
            if self.refusal is not None:
                message["refusal"] = self.refusal
            message.pop("steers", None)  # those of the record may not be heard yet
            if self.steers:
                message["steers"] = self.steers
        return message


def message_now(row: MessageRow, runs: RunEngine) -> dict[str, Any]:
    run = runs.live(row.run_id) if row.run_id is not None and row.state == "streaming" else None
    return message_json(row) if run is None else LiveView(run).message(row)


def by_reference(message: dict[str, Any], *, keep_citations: bool = True) -> None:
    """Takes the text out: it is to be fetched, and `text_length` (code points) says how much of it belongs here."""
    message.update(
        text_length=len(message["content"]), content="", content_ref=f"/api/v1/sessions/{message['session_id']}/messages"
    )
    if not keep_citations:
        message["citations"] = []
