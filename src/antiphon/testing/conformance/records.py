"""The suite of `Store`. Subclass it with a fixture `store` that yields an empty one and closes it.

Users: tests/conformance/test_records.py.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from antiphon.access.identity import Role
from antiphon.access.scope import Action, Scope
from antiphon.core.errors import Conflict, Forbidden
from antiphon.storage.records.contract import Store, Transaction, Urgency, Where
from antiphon.storage.records.rows import (
    DOCUMENTS,
    MESSAGES,
    QUEUE,
    RUNS,
    SESSIONS,
    USERS,
    WORKSPACES,
    DocumentRow,
    Table,
    UserRow,
    WorkspaceRow,
)
from antiphon.testing.conformance.record_changes import RecordDocumentChangesSuite
from antiphon.testing.conformance.record_rows import (
    changed,
    counted,
    document,
    found,
    got,
    ids,
    message,
    put,
    queued,
    removed,
    run,
    session,
)
from antiphon.testing.conformance.scopes import EVERYTHING, scope_of


class PlannedFailure(Exception):
    """Raised inside a work by these tests."""


class RecordTransactionSuite:
    """Atomicity, values and questions."""

    async def test_a_row_comes_back_as_it_went_in(self, store: Store) -> None:
        row = document(
            1, tags=["blau", "蓝色"], error={"code": "x", "nested": {"n": [1, 2.5, None, True]}}, pages=None, searchable=True,
            outline=[{"title": "第一章 “引号” \x00", "page": 1}], name="naïve ☃ 𝒳",
        )  # fmt: skip
        await put(store, (DOCUMENTS, row))
        row_read = await got(store, DOCUMENTS, EVERYTHING, row.id)
        assert row_read == row
        assert row_read is not None
        assert row_read.searchable is True

    async def test_what_is_returned_is_the_callers_own(self, store: Store) -> None:
        row = document(1, tags=["a"])
        await put(store, (DOCUMENTS, row))
        row.tags.append("b")
        row_read = await got(store, DOCUMENTS, EVERYTHING, row.id)
        assert row_read is not None
        assert row_read.tags == ["a"]
        row_read.tags.append("c")
        again = await got(store, DOCUMENTS, EVERYTHING, row.id)
        assert again is not None
        assert again.tags == ["a"]

    async def test_all_or_nothing(self, store: Store) -> None:
        await put(store, (DOCUMENTS, document(1)), (DOCUMENTS, document(2)))

        def half(transaction: Transaction) -> None:
            transaction.insert(DOCUMENTS, document(3))
            transaction.update(DOCUMENTS, EVERYTHING, "doc_001", name="changed")
            transaction.delete(DOCUMENTS, EVERYTHING, {"id": "doc_002"})
            raise PlannedFailure

        with pytest.raises(PlannedFailure):
            await store.write(half)
        rows = await found(store, DOCUMENTS, EVERYTHING)
        assert [(row.id, row.name) for row in rows] == [("doc_001", "file 1"), ("doc_002", "file 2")]

    async def test_a_work_sees_its_own_changes(self, store: Store) -> None:
        def work(transaction: Transaction) -> tuple[int, bool, int]:
            transaction.insert(DOCUMENTS, document(1))
            changed = transaction.update(DOCUMENTS, EVERYTHING, "doc_001", pages=7)
            found = transaction.get(DOCUMENTS, EVERYTHING, "doc_001")
            return (found.pages or 0 if found else 0), changed, transaction.delete(DOCUMENTS, EVERYTHING, {"pages": 7})

        assert await store.write(work) == (7, True, 1)

    async def test_writes_at_once_run_one_at_a_time(self, store: Store) -> None:
        await put(store, (DOCUMENTS, document(1)))

        def add(transaction: Transaction) -> None:
            row = transaction.get(DOCUMENTS, EVERYTHING, "doc_001")
            assert row is not None
            transaction.update(DOCUMENTS, EVERYTHING, "doc_001", passages=row.passages + 1)

        await asyncio.gather(*(store.write(add, urgency) for urgency in list(Urgency) * 20))
        row = await got(store, DOCUMENTS, EVERYTHING, "doc_001")
        assert row is not None
        assert row.passages == 60

    async def test_a_failing_work_leaves_its_neighbours_alone(self, store: Store) -> None:
        def insert(number: int) -> Callable[[Transaction], None]:
            def work(transaction: Transaction) -> None:
                transaction.insert(DOCUMENTS, document(number))
                if number % 3 == 0:
                    raise PlannedFailure

            return work

        outcomes = await asyncio.gather(*(store.write(insert(n)) for n in range(30)), return_exceptions=True)
        assert [isinstance(outcome, PlannedFailure) for outcome in outcomes] == [n % 3 == 0 for n in range(30)]
        assert await ids(store, DOCUMENTS, EVERYTHING) == [f"doc_{n:03}" for n in range(30) if n % 3]

    async def test_a_read_changes_nothing(self, store: Store) -> None:
        await put(store, (DOCUMENTS, document(1)))
        with pytest.raises(RuntimeError):
            await store.read(lambda transaction: transaction.insert(DOCUMENTS, document(2)))
        with pytest.raises(RuntimeError):
            await store.read(lambda transaction: transaction.update(DOCUMENTS, EVERYTHING, "doc_001", name="x"))
        with pytest.raises(RuntimeError):
            await store.read(lambda transaction: transaction.delete(DOCUMENTS, EVERYTHING, {"id": "doc_001"}))
        assert await ids(store, DOCUMENTS, EVERYTHING) == ["doc_001"]

    async def test_taken_ids_and_unique_columns_conflict(self, store: Store) -> None:
        await put(
            store, (USERS, UserRow(id="usr_1", name="Ada", created_at=1)), (USERS, UserRow(id="usr_2", name="Bo", created_at=1))
        )
        with pytest.raises(Conflict):
            await put(store, (USERS, UserRow(id="usr_1", name="Eve", created_at=1)))
        with pytest.raises(Conflict):
            await put(store, (USERS, UserRow(id="usr_3", name="Ada", created_at=1)))
        with pytest.raises(Conflict):
            await changed(store, USERS, EVERYTHING, "usr_2", name="Ada")
        assert await changed(store, USERS, EVERYTHING, "usr_2", name="Bo")

    async def test_a_conflict_inside_a_work_can_be_handled(self, store: Store) -> None:
        await put(store, (USERS, UserRow(id="usr_1", name="Ada", created_at=1)))

        def work(transaction: Transaction) -> None:
            with pytest.raises(Conflict):
                transaction.insert(USERS, UserRow(id="usr_2", name="Ada", created_at=1))
            transaction.insert(USERS, UserRow(id="usr_2", name="Ada 2", created_at=1))

        await store.write(work)
        assert await ids(store, USERS, EVERYTHING) == ["usr_1", "usr_2"]

    async def test_none_is_never_taken(self, store: Store) -> None:
        await put(store, (SESSIONS, session("s1", "u")), (SESSIONS, session("s2", "u")), (SESSIONS, session("s3", "u", name="x")))
        with pytest.raises(Conflict):
            await put(store, (SESSIONS, session("s4", "u", name="x")))
        await put(store, (SESSIONS, session("s5", "v", name="x")))

    async def test_questions(self, store: Store) -> None:
        await put(
            store,
            (DOCUMENTS, document(1, name="Ärger.PDF", pages=3, tags=["Neu", "x"])),
            (DOCUMENTS, document(2, name="other", pages=None, state="ready", searchable=True)),
            (DOCUMENTS, document(3, name="100%_sure", pages=10, tags=["neu er"])),
        )
        expected: list[tuple[Where, list[int]]] = [
            ({"pages": 3}, [1]),
            ({"pages": None}, [2]),
            ({"pages": ("!=", None)}, [1, 3]),
            ({"pages": ("!=", 3)}, [2, 3]),
            ({"pages": ("<", 10)}, [1]),
            ({"pages": ("<=", 10)}, [1, 3]),
            ({"pages": (">", 3)}, [3]),
            ({"pages": (">=", 3), "name": ("contains", "SURE")}, [3]),
            ({"pages": ("in", [3, 10, None])}, [1, 3]),
            ({"pages": ("in", [])}, []),
            ({"id": ("in", ["doc_002", "doc_009"])}, [2]),
            ({"searchable": True}, [2]),
            ({"name": ("contains", "äRG")}, [1]),
            ({"name": ("contains", "%")}, [3]),
            ({"name": ("contains", "")}, [1, 2, 3]),
            ({"tags": ("contains", "NEU")}, [1]),
            ({"error": None}, [1, 2, 3]),
        ]
        for where, numbers in expected:
            assert await ids(store, DOCUMENTS, EVERYTHING, where) == [f"doc_{n:03}" for n in numbers], where
            count = await counted(store, DOCUMENTS, EVERYTHING, where)
            assert count == len(numbers), where

    async def test_cells_are_those_of_the_rows(self, store: Store) -> None:
        await put(store, *((DOCUMENTS, document(n, name=f"name {n}", pages=n % 3 or None)) for n in range(1, 6)))
        columns, where = ("name", "pages", "id"), {"id": ("!=", "doc_002")}
        for descending in (False, True):
            whole = await found(store, DOCUMENTS, EVERYTHING, where, order="pages", descending=descending, limit=3)
            cells = await store.read(
                lambda tx, d=descending: tx.find_cells(
                    DOCUMENTS, EVERYTHING, columns, where, order="pages", descending=d, limit=3
                )
            )
            assert cells == [(row.name, row.pages, row.id) for row in whole]
        nobody = await scope_of("nobody", {})
        assert await store.read(lambda tx: tx.find_cells(DOCUMENTS, nobody, columns)) == []
        for column in ("tags", "searchable", "nothing"):
            with pytest.raises(TypeError):
                await store.read(lambda tx, c=column: tx.find_cells(DOCUMENTS, EVERYTHING, (c,)))

    async def test_nonsense_is_a_type_error(self, store: Store) -> None:
        nonsense: list[Where] = [
            {"nothing": 1}, {"pages": ("~", 1)}, {"pages": ("contains", "1")}, {"pages": ("<", None)}, {"tags": ["a"]},
        ]  # fmt: skip
        for where in nonsense:
            with pytest.raises(TypeError):
                await ids(store, DOCUMENTS, EVERYTHING, where)
        with pytest.raises(TypeError):
            await ids(store, DOCUMENTS, EVERYTHING, order="tags")
        with pytest.raises(TypeError):
            await removed(store, DOCUMENTS, EVERYTHING, {})
        for changes in ({"id": "x"}, {"nothing": 1}):
            with pytest.raises(TypeError):
                await changed(store, DOCUMENTS, EVERYTHING, "doc_1", **changes)

    @pytest.mark.parametrize("order", ["id", "pages", "created_at"])
    @pytest.mark.parametrize("descending", [False, True])
    async def test_pages_of_results(self, store: Store, order: str, descending: bool) -> None:
        pages = [None, 5, 5, None, 1, 9, 5, None, 2]
        await put(store, *((DOCUMENTS, document(n, pages=count, created_at=float(n // 2))) for n, count in enumerate(pages)))
        whole = await found(store, DOCUMENTS, EVERYTHING, order=order, descending=descending)
        assert len(whole) == len(pages)
        keys = [(getattr(row, order) is not None, getattr(row, order), row.id) for row in whole]
        assert keys == sorted(keys, key=lambda key: (key[0], key[1] or 0, key[2]) if order != "id" else key, reverse=descending)
        for size in (1, 2, 4):
            seen: list[DocumentRow] = []
            after: tuple[Any, str] | None = None
            while True:
                part = await found(store, DOCUMENTS, EVERYTHING, order=order, descending=descending, after=after, limit=size)
                if not part:
                    break
                seen += part
                after = (getattr(part[-1], order), part[-1].id)
            assert seen == whole

    async def test_a_missing_row(self, store: Store) -> None:
        assert await got(store, DOCUMENTS, EVERYTHING, "doc_404") is None
        assert not await changed(store, DOCUMENTS, EVERYTHING, "doc_404", name="x")
        assert await removed(store, DOCUMENTS, EVERYTHING, {"id": "doc_404"}) == 0


class RecordScopeSuite:
    """Who sees and who may change what. `ada` owns ws_a, `bo` views it, `eve` is elsewhere."""

    async def _fill(self, store: Store) -> None:
        await put(
            store,
            (WORKSPACES, WorkspaceRow(id="ws_a", slug="a", name="A", created_at=1)),
            (WORKSPACES, WorkspaceRow(id="ws_b", slug="b", name="B", created_at=1)),
            (USERS, UserRow(id="bo", name="Bo", created_at=1)),
            (DOCUMENTS, document(1)),
            (DOCUMENTS, document(2, workspace_id="ws_b")),
            (SESSIONS, session("ada_private", "ada")),
            (SESSIONS, session("ada_shared", "ada", visibility="workspace")),
            (SESSIONS, session("bo_private", "bo")),
            (SESSIONS, session("bo_elsewhere", "bo", workspace_id="ws_b")),
            (MESSAGES, message("m_ada_private", "ada_private", 1, author_id="ada")),
            (MESSAGES, message("m_ada_shared", "ada_shared", 1, author_id="ada")),
            (MESSAGES, message("m_bo_shared", "ada_shared", 2, author_id="bo")),
            (MESSAGES, message("m_bo_answer", "bo_private", 1, role="assistant")),
            (MESSAGES, message("m_lost", "gone", 1, author_id="bo")),
            (RUNS, run("r_ada_private", "ada", "ada_private")),
            (QUEUE, queued("q_ada_private", "ada", "ada_private")),
            (QUEUE, queued("q_ada_shared", "ada", "ada_shared")),
            (RUNS, run("r_bo_private", "bo", "bo_private")),
            (RUNS, run("r_bo_flow", "bo", None)),
            (RUNS, run("r_bo_flow_elsewhere", "bo", None, workspace_id="ws_b")),
        )

    async def _bo(self, action: Action = Action.WRITE) -> Scope:
        return await scope_of("bo", {"ws_a": Role.VIEWER}, action)

    async def test_what_is_visible(self, store: Store) -> None:
        await self._fill(store)
        bo, eve = await self._bo(), await scope_of("eve", {})
        seen: dict[Table[Any], list[str]] = {
            USERS: [],
            WORKSPACES: ["ws_a"],
            DOCUMENTS: ["doc_001"],
            SESSIONS: ["ada_shared", "bo_private"],
            MESSAGES: ["m_ada_shared", "m_bo_answer", "m_bo_shared"],
            RUNS: ["r_bo_flow", "r_bo_private"],
            QUEUE: ["q_ada_shared"],
        }
        for table, visible in seen.items():
            assert await ids(store, table, bo) == visible, table.name
            assert await counted(store, table, bo) == len(visible)
            assert await ids(store, table, eve) == [], table.name
            for row_id in await ids(store, table, EVERYTHING):
                assert (await got(store, table, bo, row_id) is not None) == (row_id in visible), row_id

    async def test_scope_comes_before_limit_and_paging(self, store: Store) -> None:
        await put(store, *((DOCUMENTS, document(n, workspace_id="ws_a" if n % 4 == 0 else "ws_b")) for n in range(20)))
        bo = await self._bo()
        assert await ids(store, DOCUMENTS, bo, limit=3) == ["doc_000", "doc_004", "doc_008"]
        assert await ids(store, DOCUMENTS, bo, limit=3, after=("doc_008", "doc_008")) == ["doc_012", "doc_016"]

    async def test_a_role_too_low_is_forbidden(self, store: Store) -> None:
        await self._fill(store)
        bo = await self._bo()
        others: list[tuple[Table[Any], str]] = [
            (WORKSPACES, "ws_a"),
            (DOCUMENTS, "doc_001"),
            (SESSIONS, "ada_shared"),
            (MESSAGES, "m_ada_shared"),
        ]
        for table, row_id in others:
            with pytest.raises(Forbidden):
                await changed(store, table, bo, row_id, created_at=9.0)
            with pytest.raises(Forbidden):
                await removed(store, table, bo, {"id": row_id})
            row = await got(store, table, EVERYTHING, row_id)
            assert row is not None
            assert row.created_at == 1.0

    async def test_a_forbidden_row_keeps_the_others(self, store: Store) -> None:
        await self._fill(store)
        bo = await self._bo()
        with pytest.raises(Forbidden):
            await removed(store, MESSAGES, bo, {"session_id": "ada_shared"})
        assert await ids(store, MESSAGES, bo, {"session_id": "ada_shared"}) == ["m_ada_shared", "m_bo_shared"]

    async def test_what_is_not_visible_is_not_there(self, store: Store) -> None:
        await self._fill(store)
        bo = await self._bo()
        hidden: list[tuple[Table[Any], str]] = [
            (WORKSPACES, "ws_b"),
            (DOCUMENTS, "doc_002"),
            (SESSIONS, "ada_private"),
            (MESSAGES, "m_lost"),
            (USERS, "bo"),
            (RUNS, "r_bo_flow_elsewhere"),
            (SESSIONS, "bo_elsewhere"),
        ]
        for table, row_id in hidden:
            assert not await changed(store, table, bo, row_id, created_at=9.0)
            assert await removed(store, table, bo, {"id": row_id}) == 0
            row = await got(store, table, EVERYTHING, row_id)
            assert row is not None
            assert row.created_at in {1.0, 2.0}

    async def test_a_viewer_changes_what_is_their_own(self, store: Store) -> None:
        await self._fill(store)
        bo = await self._bo()
        mine: list[tuple[Table[Any], str]] = [
            (SESSIONS, "bo_private"),
            (MESSAGES, "m_bo_answer"),
            (MESSAGES, "m_bo_shared"),
            (RUNS, "r_bo_private"),
            (RUNS, "r_bo_flow"),
        ]
        for table, row_id in mine:
            assert await changed(store, table, bo, row_id, created_at=9.0), row_id
            row = await got(store, table, EVERYTHING, row_id)
            assert row is not None
            assert row.created_at == 9.0
        assert await removed(store, MESSAGES, bo, {"id": "m_bo_shared"}) == 1

    async def test_an_editor_changes_what_is_shared(self, store: Store) -> None:
        await self._fill(store)
        editor = await scope_of("cy", {"ws_a": Role.EDITOR}, Action.WRITE)
        assert await changed(store, DOCUMENTS, editor, "doc_001", title="T")
        assert await changed(store, SESSIONS, editor, "ada_shared", title="T")
        assert not await changed(store, SESSIONS, editor, "ada_private", title="T")
        manager = await scope_of("cy", {"ws_a": Role.EDITOR}, Action.MANAGE)
        with pytest.raises(Forbidden):
            await changed(store, WORKSPACES, manager, "ws_a", name="T")


class RecordStoreSuite(RecordTransactionSuite, RecordDocumentChangesSuite, RecordScopeSuite):
    """The whole contract."""
