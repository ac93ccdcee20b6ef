"""The suite of `VectorStore`. Fixture: `case`, a `VectorCase`; `add_chunks` puts chunks where the backend finds them."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from antiphon.access.identity import Identity, Role
from antiphon.access.scope import Action, Scope, scope
from antiphon.core.ids import UserId, WorkspaceId
from antiphon.storage.lexical.contract import Chunk, SearchFilter
from antiphon.storage.records.contract import Store, Transaction
from antiphon.storage.records.rows import DOCUMENTS, SPACES, DocumentRow, SpaceRow
from antiphon.storage.vectors.contract import VectorStore
from antiphon.testing.conformance.scopes import EVERYTHING

HALF: Final = b"\x00\x3c\x00\x00"


@dataclass(frozen=True, kw_only=True, slots=True)
class VectorCase:
    vectors: VectorStore
    store: Store
    add_chunks: Callable[[Transaction, Sequence[Chunk]], list[int]]


class _Roles:
    def __init__(self, workspace: str) -> None:
        self._workspace = WorkspaceId(workspace)

    async def roles_of(self, _user_id: UserId, /) -> dict[WorkspaceId, Role]:
        return {self._workspace: Role.VIEWER}


async def _scope_of(workspace: str) -> Scope:
    return await scope(Identity(user_id=UserId("usr_1"), name="Ada", credential="test"), Action.READ, _Roles(workspace))


def _space(space_id: str, workspace_id: str = "ws_1", **changes: Any) -> SpaceRow:
    fields: dict[str, Any] = {
        "id": space_id, "workspace_id": workspace_id, "embedder": "server", "label": "m", "fingerprint": space_id, "dimension": 2,
        "embedding": {}, "state": "serving", "created_at": 0.0,
    }  # fmt: skip
    return SpaceRow(**{**fields, **changes})


def _document(document_id: str, **changes: Any) -> DocumentRow:
    fields: dict[str, Any] = {
        "id": document_id, "workspace_id": "ws_1", "name": f"{document_id}.txt", "title": "Pumps", "state": "ready",
        "searchable": True, "created_at": 0.0, "updated_at": 0.0,
    }  # fmt: skip
    return DocumentRow(**{**fields, **changes})


def _chunk(document_id: str, text: str = "elm", **changes: Any) -> Chunk:
    fields: dict[str, Any] = {
        "document_id": document_id, "workspace_id": "ws_1", "version": 1, "ordinal": 0, "page": 1, "start": 0, "end": len(text),
        "text": text, "tokeniser_version": "1", "tokens": "elm",
    }  # fmt: skip
    return Chunk(**{**fields, **changes})


class VectorStoreSuite:
    async def _fill(self, case: VectorCase, *documents: DocumentRow, chunks: int = 2, **changes: Any) -> dict[str, list[int]]:
        """The documents with chunks, and the spaces `space_1`, `space_2`; chunk ids by document."""

        def fill(tx: Transaction) -> dict[str, list[int]]:
            for space_id in ("space_1", "space_2"):
                if tx.get(SPACES, EVERYTHING, space_id) is None:
                    tx.insert(SPACES, _space(space_id))
            made: dict[str, list[int]] = {}
            for row in documents:
                tx.insert(DOCUMENTS, row)
                given = [
                    _chunk(row.id, f"text {n}", ordinal=n, workspace_id=row.workspace_id, **changes) for n in range(chunks)
                ]  # fmt: skip
                made[row.id] = case.add_chunks(tx, given)
            return made

        return await case.store.write(fill)

    async def _add(self, case: VectorCase, space_id: str, ids: Sequence[int]) -> int:
        return await case.store.write(lambda tx: case.vectors.add(tx, space_id, [(chunk_id, HALF) for chunk_id in ids]))

    async def test_what_was_added_is_loaded_in_order_and_known_once(self, case: VectorCase) -> None:
        ids = (await self._fill(case, _document("doc_1"), chunks=3))["doc_1"]
        assert await self._add(case, "space_1", ids[:2]) == 2
        assert await self._add(case, "space_1", ids) == 1, "a vector was doubled"
        loaded = await case.store.read(lambda tx: case.vectors.load(tx, "space_1", after=0, limit=10))
        assert [(each.chunk_id, each.document_id, each.half) for each in loaded] == [(n, "doc_1", HALF) for n in ids]
        assert [each.id for each in loaded] == sorted({each.id for each in loaded})
        some = await case.store.read(lambda tx: case.vectors.load(tx, "space_1", after=loaded[0].id, limit=1))
        assert some == loaded[1:2]
        assert await case.store.read(lambda tx: case.vectors.ids(tx, "space_1")) == [each.id for each in loaded]
        assert await case.store.read(lambda tx: case.vectors.ids(tx, "space_2")) == []
        assert (await case.store.read(lambda tx: case.vectors.state(tx, "space_1"))).last_id == loaded[-1].id

    async def test_chunks_that_are_gone_and_spaces_that_are_not_there_get_no_vector(self, case: VectorCase) -> None:
        ids = (await self._fill(case, _document("doc_1")))["doc_1"]
        assert await self._add(case, "space_1", [ids[-1] + 1000]) == 0
        assert await self._add(case, "space_none", ids) == 0

    async def test_missing_are_live_chunks_without_a_vector_in_that_space(self, case: VectorCase) -> None:
        made = await self._fill(
            case, _document("doc_1"), _document("doc_gone", deleted_at=1.0), _document("doc_old", version=2),
            _document("doc_early", searchable=False), _document("doc_else", workspace_id="ws_2"),
        )  # fmt: skip
        await self._add(case, "space_1", made["doc_1"][:1])

        async def missing(space_id: str, **given: Any) -> list[int]:
            found = await case.store.read(lambda tx: case.vectors.missing(tx, space_id, "ws_1", limit=50, **given))
            return [each.chunk_id for each in found]

        assert await missing("space_1") == made["doc_1"][1:]
        assert await missing("space_2") == made["doc_1"]
        assert await missing("space_2", after=made["doc_1"][0]) == made["doc_1"][1:]
        assert await missing("space_2", document_id="doc_else") == []
        (first, *_) = await case.store.read(lambda tx: case.vectors.missing(tx, "space_2", "ws_1", limit=1))
        assert first.text == "Pumps\ntext 0", "the title goes before the text"

    async def test_removal_is_by_document_version_and_space_in_slices_and_is_counted(self, case: VectorCase) -> None:
        made = await self._fill(case, _document("doc_1"), _document("doc_2"), chunks=3)
        for space_id in ("space_1", "space_2"):
            await self._add(case, space_id, [*made["doc_1"], *made["doc_2"]])
        before = await case.store.read(lambda tx: case.vectors.state(tx, "space_1"))
        assert await case.store.write(lambda tx: case.vectors.remove(tx, "doc_1", version=9)) == 0
        assert await case.store.write(lambda tx: case.vectors.remove(tx, "doc_1", version=1, limit=4)) == 4
        assert await case.store.write(lambda tx: case.vectors.remove(tx, "doc_1")) == 2
        after = await case.store.read(lambda tx: case.vectors.state(tx, "space_1"))
        assert after.removals > before.removals
        assert await case.store.write(lambda tx: case.vectors.remove_space(tx, "space_2", limit=2)) == 2
        assert await case.store.read(lambda tx: case.vectors.counts(tx, "space_2", "ws_1")) == (1, 6)
        assert await case.store.read(lambda tx: case.vectors.counts(tx, "space_1", "ws_1")) == (3, 6)

    async def test_ids_rise_for_ever(self, case: VectorCase) -> None:
        ids = (await self._fill(case, _document("doc_1")))["doc_1"]
        await self._add(case, "space_1", ids)
        last = (await case.store.read(lambda tx: case.vectors.state(tx, "space_1"))).last_id
        await case.store.write(lambda tx: case.vectors.remove(tx, "doc_1"))
        await self._add(case, "space_1", ids[:1])
        assert await case.store.read(lambda tx: case.vectors.ids(tx, "space_1")) == [last + 1]

    async def test_live_and_documents_keep_to_scope_and_filter(self, case: VectorCase) -> None:
        made = await self._fill(
            case, _document("doc_1", tags=["a"], path="x/y"), _document("doc_2", path="xy"), _document("doc_gone", deleted_at=1.0)
        )
        everyone = [chunk_id for ids in made.values() for chunk_id in ids]

        async def live(within: Scope) -> list[int]:
            return sorted(await case.store.read(lambda tx: case.vectors.live(tx, within, "ws_1", everyone)))

        assert await live(EVERYTHING) == made["doc_1"] + made["doc_2"]
        assert await live(await _scope_of("ws_1")) == made["doc_1"] + made["doc_2"]
        assert await live(await _scope_of("ws_2")) == []

        async def documents(given: SearchFilter | None, within: Scope = EVERYTHING) -> list[str]:
            return sorted(await case.store.read(lambda tx: case.vectors.documents(tx, within, "ws_1", given)))

        assert await documents(None) == ["doc_1", "doc_2"]
        assert await documents(None, await _scope_of("ws_2")) == []
        assert await documents(SearchFilter(tags=["a", "b"])) == ["doc_1"]
        assert await documents(SearchFilter(paths=["x"])) == ["doc_1"]
        assert await documents(SearchFilter(paths=[""])) == ["doc_1", "doc_2"]
        assert await documents(SearchFilter(document_ids=["doc_2", "doc_gone"])) == ["doc_2"]
        assert await documents(SearchFilter(document_ids=[])) == []

    async def test_a_transaction_that_fails_leaves_nothing(self, case: VectorCase) -> None:
        ids = (await self._fill(case, _document("doc_1")))["doc_1"]

        def half_way(tx: Transaction) -> None:
            case.vectors.add(tx, "space_1", [(chunk_id, HALF) for chunk_id in ids])
            raise RuntimeError("half-way")

        with contextlib.suppress(RuntimeError):
            await case.store.write(half_way)
        assert await case.store.read(lambda tx: case.vectors.ids(tx, "space_1")) == []

    async def test_orphans_are_counted(self, case: VectorCase) -> None:
        ids = (await self._fill(case, _document("doc_1")))["doc_1"]
        await self._add(case, "space_1", ids)
        assert await case.store.read(case.vectors.statistics) == {"vectors": 2, "orphan_vectors": 0}
        await case.store.write(lambda tx: tx.delete(SPACES, EVERYTHING, {"id": "space_1"}))
        assert await case.store.read(case.vectors.statistics) == {"vectors": 2, "orphan_vectors": 2}
