"""transports/filters.py, and what a filter does to a subscription's chain."""

from __future__ import annotations

import msgspec
import pytest

from antiphon.core.errors import BadRequest
from antiphon.protocol.commands import SubscribeFilter
from antiphon.storage.event_log.contract import Entry
from antiphon.transports.filters import MAX_NAMES, EntryFilter, entry_filter
from antiphon.transports.merging import merge_entries


def entry(seq: int, kind: str, **fields: object) -> Entry:
    return Entry("run:a", seq, kind, msgspec.json.encode({"type": kind, **fields}))


def test_types() -> None:
    wanted = EntryFilter(types=["complete"])
    assert wanted.admits(entry(1, "complete"))
    assert not wanted.admits(entry(2, "status"))


def test_nodes_part_the_events_of_nodes_only() -> None:
    wanted = EntryFilter(nodes=["answer"])
    assert wanted.admits(entry(1, "node_chunk", node_id="answer"))
    assert not wanted.admits(entry(2, "node_chunk", node_id="retrieve"))
    assert wanted.admits(entry(3, "complete"))


def test_both() -> None:
    wanted = EntryFilter(types=["node_chunk"], nodes=["answer"])
    assert wanted.admits(entry(1, "node_chunk", node_id="answer"))
    assert not wanted.admits(entry(2, "node_started", node_id="answer"))


def test_an_empty_filter_is_none() -> None:
    assert entry_filter(None) is None
    assert entry_filter(SubscribeFilter()) is None


@pytest.mark.parametrize("names", [["x"] * (MAX_NAMES + 1), ["x" * 129]])
def test_a_filter_is_bounded(names: list[str]) -> None:
    with pytest.raises(BadRequest):
        entry_filter(SubscribeFilter(types=names))


def test_the_chain_goes_over_what_is_left_out() -> None:
    chunks = [
        entry(n, "node_chunk", node_id="answer", port="text", run_id="r", content=c, offset=n) for n, c in ((4, "a"), (7, "b"))
    ]
    (frame,) = merge_entries(chunks, 2)
    merged = msgspec.json.decode(frame)
    assert (merged["prev_seq"], merged["seq"], merged["content"]) == (2, 7, "ab")
    (frame,) = merge_entries([entry(9, "complete")], 7)
    assert msgspec.json.decode(frame)["prev_seq"] == 7
