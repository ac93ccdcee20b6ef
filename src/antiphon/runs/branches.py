"""Messages of a session as a tree, and its branches: paths from a leaf to the root along `parent_id`.

The active branch is the one that `SessionRow.leaf_message_id` ends; everybody sees it. Pure reading inside the caller's
transaction; used by runs/submission.py, conversations and commands/topics.py. Tests: tests/unit/runs/test_branches.py.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from typing import Any, Literal, TypeVar

from msgspec import Struct

from antiphon.access.scope import Scope
from antiphon.core.errors import Conflict
from antiphon.storage.records.contract import Transaction
from antiphon.storage.records.rows import MESSAGES, MessageRow, SessionRow

MOST_SIBLINGS = 50


class Turn(Struct, frozen=True):
    """What of a message a model is told, and its place in the tree."""

    id: str
    ordinal: int
    parent_id: str | None
    role: Literal["user", "assistant"]
    content: str
    steer_count: int


_COLUMNS = ("id", "ordinal", "parent_id", "role", "content", "steer_count")


def read_branch(
    tx: Transaction, scope: Scope, session: SessionRow, *, before: MessageRow | None = None, limit: int | None
) -> list[MessageRow]:
    """Newest first, `limit` at most: the active branch, or what leads to `before`.

    One query where nothing was branched off, one or two more for each place where something was."""

    def find(where: dict[str, Any], most: int | None) -> list[MessageRow]:
        return tx.find(MESSAGES, scope, {"session_id": session.id, **where}, order="ordinal", descending=True, limit=most)

    end = session.leaf_message_id if before is None else before.parent_id
    below = {} if before is None else {"ordinal": ("<", before.ordinal)}
    return _follow(find, find(below, limit), end, is_line=session.leaf_message_id is None, limit=limit)


def read_turns(tx: Transaction, scope: Scope, session: SessionRow, end: str | None, *, limit: int) -> tuple[list[Turn], int]:
    """(what leads to the message `end`, itself first; the highest ordinal of the session). `end` None: the active branch."""

    def find(where: dict[str, Any], most: int | None) -> list[Turn]:
        cells = tx.find_cells(
            MESSAGES, scope, _COLUMNS, {"session_id": session.id, **where}, order="ordinal", descending=True, limit=most
        )
        return [Turn(*cell) for cell in cells]

    newest = find({}, limit)
    found = _follow(
        find, newest, end or session.leaf_message_id, is_line=end is None and session.leaf_message_id is None, limit=limit
    )
    return found, newest[0].ordinal if newest else 0


Placed = TypeVar("Placed", MessageRow, Turn)
Find = Callable[[dict[str, Any], int | None], list[Placed]]


def _follow(find: Find[Placed], newest: list[Placed], end: str | None, *, is_line: bool, limit: int | None) -> list[Placed]:
    """From `end` up to the root, as far as the limit. `is_line`: written before there were branches."""
    if is_line:
        return newest
    known = {row.id: row for row in newest}
    found: list[Placed] = []
    while end is not None and (limit is None or len(found) < limit):
        row = known.get(end)
        if row is None:
            one = find({"id": end}, 1)
            if not one:
                break
            row = one[0]
            left = None if limit is None else limit - len(found)
            known.update((each.id, each) for each in find({"ordinal": ("<", row.ordinal)}, left))
        found.append(row)
        end = row.parent_id
    return found


def end_of_branch(tx: Transaction, scope: Scope, session: SessionRow, message_id: str) -> MessageRow | None:
    """The last message behind this one, going on each time with what was said last. None when it is not in the session."""
    row = tx.get(MESSAGES, scope, message_id)
    if row is None or row.session_id != session.id:
        return None
    children: defaultdict[str | None, list[MessageRow]] = defaultdict(list)
    for later in tx.find(MESSAGES, scope, {"session_id": session.id, "ordinal": (">", row.ordinal)}, order="ordinal"):
        children[later.parent_id].append(later)
    while children[row.id]:
        row = children[row.id][-1]
    return row


def join_siblings(tx: Transaction, scope: Scope, session_id: str, parent_id: str | None, role: str, new_id: str) -> list[str]:
    """The siblings of a message that is to be inserted, itself last; those that are there learn of it. [] when it is alone.
    Raises Conflict when there are too many."""
    present = tx.find(MESSAGES, scope, {"session_id": session_id, "parent_id": parent_id, "role": role}, order="ordinal")
    if not present:
        return []
    if len(present) >= MOST_SIBLINGS:
        raise Conflict(f"There are {len(present)} versions of this message already; no more are kept.")
    siblings = [*(row.id for row in present), new_id]
    for row in present:
        tx.update(MESSAGES, scope, row.id, siblings=siblings)
    return siblings
