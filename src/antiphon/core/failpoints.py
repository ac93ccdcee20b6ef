"""Named places where a test may kill the process with SIGKILL (`ANTIPHON_FAILPOINT=name[:n]`, n-th pass).

`arm` is called once by the composition root; unarmed, `failpoint` costs one comparison. A name that is passed but not
in `FAILPOINTS`, or listed but passed nowhere, fails tests/architecture/test_failpoints.py; the kills are in
tests/integration/test_crash.py.
"""

from __future__ import annotations

import os
import signal
from typing import Final

from antiphon.core.errors import BadRequest

FAILPOINTS: Final[dict[str, str]] = {
    "command.before_commit": "a chat_message is valid, nothing is written yet",
    "command.after_commit": "user message and run are committed, the ack is not sent",
    "queue.after_commit": "a question that waited has its messages, its run has not begun",
    "run.before_start": "the ack is out, the run has not started",
    "run.after_sources": "the sources are appended, no token yet",
    "run.after_chunk": "a delta was appended (use :n to let some pass)",
    "run.before_final_commit": "the text is whole, its record is not written",
    "run.after_final_commit": "the final record is committed, `complete` is not appended",
    "run.after_complete": "`complete` is appended, perhaps not yet durable",
    "log.before_batch": "a batch of the event log is about to be committed",
    "log.after_batch": "a batch of the event log is committed",
    "stop.after_request": "the request to stop is committed, the run does not know it yet",
    "ingest.after_claim": "an ingestion job is claimed, nothing done",
    "ingest.after_slice": "a slice of a document's pages and chunks is committed (use :n to let some pass)",
    "ingest.after_parse": "the text of the document is committed",
    "ingest.after_index": "the chunks of the document are committed",
    "ingest.after_ready": "the document's new version is in its place, the job is not finished",
    "crawl.after_fetch": "a page of a crawl is in the blob store, nothing refers to it yet (use :n to let some pass)",
    "crawl.after_page": "a page of a crawl is committed with its mark (use :n to let some pass)",
    "crawl.before_end": "all pages of a crawl are committed, its end is not",
    "sync.after_files": "some files of a watched folder are committed (use :n to let some pass)",
    "sync.before_end": "all files of a watched folder are committed, the sync's end is not",
    "embed.after_slice": "some vectors of a document are committed (use :n to let some pass)",
    "embed.after_ready": "the document's vectors are complete and so is its job, nobody is told",
    "reindex.after_step": "a step of re-indexing a workspace is committed (use :n to let some pass)",
    "reindex.after_swap": "another space serves, the vectors of the old one are still there",
    "document.after_delete": "the document is invisible, its rows are still there",
}


class _Armed:
    """The one piece of process-wide state: it must be reachable from everywhere and is only ever set by tests."""

    name: str | None = None
    passes_left: int = 0


def parse_failpoint(text: str) -> tuple[str, int]:
    """`name` or `name:n` -> (name, n >= 1). Raises BadRequest for an unknown name or a bad count."""
    name, _, count = text.partition(":")
    if name not in FAILPOINTS or (count and (not count.isdecimal() or int(count) < 1)):
        raise BadRequest(f"No fail-point {text!r}: `antiphon doctor --failpoints` lists the names.")
    return name, int(count or "1")


def arm(text: str | None) -> None:
    """Arms the fail-point named in `text`; None disarms."""
    _Armed.name, _Armed.passes_left = parse_failpoint(text) if text else (None, 0)


def failpoint(name: str) -> None:
    if _Armed.name is not None and name == _Armed.name:
        _Armed.passes_left -= 1
        if _Armed.passes_left <= 0:
            os.kill(os.getpid(), signal.SIGKILL)
