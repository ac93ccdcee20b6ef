"""Entries -> frames for a replay: adjacent text deltas of one message become one frame, losslessly, with `prev_seq`.

Only neighbours in the log are merged. Merging over an entry in between would reorder what a client that is cut in the
middle has applied: it would resume behind a text it never got. Pure. Tests: tests/unit/transports/test_merging.py,
tests/properties/test_merging.py.
"""

from __future__ import annotations

from typing import Any

import msgspec

from antiphon.storage.event_log.contract import Entry

MERGEABLE = frozenset({"answer_chunk", "reasoning_chunk", "node_chunk"})
MAX_MERGED_CHARACTERS = 16_384
_SAME = ("message_id", "node_id", "port", "run_id")


def merge_entries(entries: list[Entry], previous_seq: int) -> list[bytes]:
    """The frames for `entries`, which follow what was sent last, the event `previous_seq`; others may have been left out."""
    frames: list[bytes] = []
    index = 0
    while index < len(entries):
        entry = entries[index]
        end = index + 1
        if entry.kind in MERGEABLE and end < len(entries) and entries[end].kind == entry.kind:
            frame, end = _merge_run(entries, index, previous_seq)
            frames.append(frame)
        else:
            frames.append(entry.frame if entry.seq == previous_seq + 1 else with_previous(entry, previous_seq))
        previous_seq = entries[end - 1].seq
        index = end
    return frames


def with_previous(entry: Entry, previous_seq: int) -> bytes:
    """The frame of an entry that does not directly follow the one sent before."""
    return b'%b,"prev_seq":%d}' % (entry.frame[:-1], previous_seq)


def _merge_run(entries: list[Entry], index: int, previous_seq: int) -> tuple[bytes, int]:
    first: dict[str, Any] = msgspec.json.decode(entries[index].body)
    key = [first.get(name) for name in _SAME]
    pieces = [str(first["content"])]
    length = len(pieces[0])
    end = index + 1
    while end < len(entries) and entries[end].kind == entries[index].kind and length < MAX_MERGED_CHARACTERS:
        body: dict[str, Any] = msgspec.json.decode(entries[end].body)
        if [body.get(name) for name in _SAME] != key:
            break
        pieces.append(str(body["content"]))
        length += len(pieces[-1])
        end += 1
    if end == index + 1:
        entry = entries[index]
        return (entry.frame if entry.seq == previous_seq + 1 else with_previous(entry, previous_seq)), end
    last = entries[end - 1]
    merged = {
        **first, "content": "".join(pieces), "seq": last.seq, "prev_seq": previous_seq, "topic": last.topic,
    }  # fmt: skip
    return msgspec.json.encode(merged), end
