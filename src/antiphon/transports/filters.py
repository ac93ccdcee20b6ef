"""`EntryFilter`: which events of a topic a subscription is sent (`subscribe.filter`, `?types=` and `?nodes=`).

What is left out makes the next frame carry `prev_seq`, so that the chain stays whole (docs/protocol.md, invariant I2).
Snapshots are never filtered. Used by the endpoints of this room. Tests: tests/unit/transports/test_filters.py.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

import msgspec

from antiphon.core.errors import BadRequest
from antiphon.protocol.commands import SubscribeFilter
from antiphon.storage.event_log.contract import Entry

MAX_NAMES: Final = 64
_LONGEST_NAME: Final = 128


class _OfNode(msgspec.Struct):
    node_id: str | None = None


class EntryFilter:
    """`types`: only events of these types. `nodes`: of the events of nodes, only those of these nodes. None: all."""

    def __init__(self, *, types: Collection[str] | None = None, nodes: Collection[str] | None = None) -> None:
        self._types = None if types is None else frozenset(types)
        self._nodes = None if nodes is None else frozenset(nodes)

    def admits(self, entry: Entry) -> bool:
        if self._types is not None and entry.kind not in self._types:
            return False
        if self._nodes is None or not entry.kind.startswith("node_"):
            return True
        return msgspec.json.decode(entry.body, type=_OfNode).node_id in self._nodes


def entry_filter(wanted: SubscribeFilter | None) -> EntryFilter | None:
    """None for a filter that leaves nothing out. Raises BadRequest for one that is too long."""
    if wanted is None or (wanted.types is None and wanted.nodes is None):
        return None
    for names in (wanted.types or [], wanted.nodes or []):
        if len(names) > MAX_NAMES or any(len(name) > _LONGEST_NAME for name in names):
            raise BadRequest(
                f"A filter names at most {MAX_NAMES} types and {MAX_NAMES} nodes, of {_LONGEST_NAME} characters each."
            )
    return EntryFilter(types=wanted.types, nodes=wanted.nodes)
