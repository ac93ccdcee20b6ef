"""runs/branches.py on both record stores, against a model of the tree."""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from antiphon.core.errors import Conflict
from antiphon.runs.branches import MOST_SIBLINGS, end_of_branch, join_siblings, read_branch
from antiphon.storage.records.memory import MemoryStore
from antiphon.storage.records.rows import MESSAGES, SESSIONS, MessageRow, SessionRow
from antiphon.storage.records.sqlite import SqliteStore
from antiphon.storage.sqlite.database import Database
from antiphon.testing.conformance.scopes import EVERYTHING
from antiphon.testing.simulated import simulated_runtime

SESSION = SessionRow(id="s", workspace_id="w", author_id="u", created_at=0.0, updated_at=0.0, leaf_message_id="m0")


def message(number: int, parent: int | None, **more: Any) -> MessageRow:
    return MessageRow(
        id=f"m{number}", session_id="s", workspace_id="w", ordinal=number + 1, role="user", created_at=0.0,
        parent_id=None if parent is None else f"m{parent}", **more,
    )  # fmt: skip


trees = st.lists(st.integers(-1, 30), min_size=1, max_size=14).map(
    lambda parents: [None if number == 0 or parent < 0 else parent % number for number, parent in enumerate(parents)]
)


def path(parents: list[int | None], number: int | None) -> list[str]:
    found = []
    while number is not None:
        found.append(f"m{number}")
        number = parents[number]
    return found


async def check(store: Any, parents: list[int | None], leaf: int, limit: int | None) -> None:
    session = msgspec.structs.replace(SESSION, leaf_message_id=f"m{leaf}")

    def fill(tx: Any) -> None:
        tx.insert(SESSIONS, session)
        for number, parent in enumerate(parents):
            tx.insert(MESSAGES, message(number, parent))

    await store.write(fill)
    whole = path(parents, leaf)

    def read(tx: Any) -> None:
        assert [row.id for row in read_branch(tx, EVERYTHING, session, limit=limit)] == whole[:limit]
        edge = tx.get(MESSAGES, EVERYTHING, f"m{leaf}")
        assert [row.id for row in read_branch(tx, EVERYTHING, session, before=edge, limit=limit)] == whole[1:][:limit]
        for number in range(len(parents)):
            end = end_of_branch(tx, EVERYTHING, session, f"m{number}")
            assert end is not None
            assert f"m{number}" in path(parents, int(end.id[1:]))
            assert all(parent != int(end.id[1:]) for parent in parents), "a leaf has no children"

    await store.read(read)
    await store.close()


@settings(max_examples=120, deadline=None)
@given(parents=trees, data=st.data())
def test_any_branch_of_any_tree_in_memory(parents: list[int | None], data: st.DataObject) -> None:
    leaf, limit = data.draw(st.integers(0, len(parents) - 1)), data.draw(st.none() | st.integers(1, 6))
    asyncio.run(check(MemoryStore(), parents, leaf, limit))


@settings(max_examples=15, deadline=None)
@given(parents=trees, data=st.data())
def test_any_branch_of_any_tree_on_disk(parents: list[int | None], data: st.DataObject) -> None:
    leaf, limit = data.draw(st.integers(0, len(parents) - 1)), data.draw(st.none() | st.integers(1, 6))
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(check(SqliteStore(Database.open(Path(folder) / "x.db", runtime=simulated_runtime())), parents, leaf, limit))


async def test_an_old_session_is_one_line() -> None:
    store = MemoryStore()
    old = msgspec.structs.replace(SESSION, leaf_message_id=None)
    await store.write(lambda tx: [tx.insert(MESSAGES, message(number, None)) for number in range(3)] and None)
    rows = await store.read(lambda tx: read_branch(tx, EVERYTHING, old, limit=2))
    assert [row.id for row in rows] == ["m2", "m1"]


async def test_siblings_know_each_other_and_are_bounded() -> None:
    store = MemoryStore()

    def add(number: int) -> Any:
        def work(tx: Any) -> list[str]:
            siblings = join_siblings(tx, EVERYTHING, "s", None, "user", f"m{number}")
            tx.insert(MESSAGES, message(number, None, siblings=siblings))
            return siblings

        return work

    assert await store.write(add(0)) == []
    assert await store.write(add(1)) == ["m0", "m1"]
    for number in range(2, MOST_SIBLINGS):
        await store.write(add(number))
    rows = await store.read(lambda tx: tx.find(MESSAGES, EVERYTHING, order="ordinal"))
    assert all(row.siblings == [f"m{n}" for n in range(MOST_SIBLINGS)] for row in rows)
    with pytest.raises(Conflict, match="50 versions"):
        await store.write(add(MOST_SIBLINGS))
