"""The suite of `LexicalIndex`. Fixture: `case`, a `LexicalCase`; its store must hold the index's chunks.

Tokens here are made by hand, so that a backend is tested apart from the tokeniser.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import pytest

from antiphon.access.identity import Identity, Role
from antiphon.access.scope import Action, Scope, scope, system_scope
from antiphon.core.ids import UserId, WorkspaceId
from antiphon.storage.lexical.contract import Chunk, LexicalIndex, SearchFilter
from antiphon.storage.records.contract import Store, Transaction
from antiphon.storage.records.rows import DOCUMENTS, DocumentRow

_EVERYTHING: Final = system_scope("conformance")
_WORDS: Final = ("ash", "birch", "cedar", "dogwood", "elm", "fir", "年假", "资讯", "咨询", "日")


@dataclass(frozen=True, kw_only=True, slots=True)
class LexicalCase:
    """`chance(seed)`: a `random.Random`; its source is the caller's, because only Runtime may have one in this package."""

    index: LexicalIndex
    store: Store
    chance: Callable[[int], Any]


class _Roles:
    def __init__(self, *workspaces: str) -> None:
        self._roles = {WorkspaceId(workspace): Role.VIEWER for workspace in workspaces}

    async def roles_of(self, _user_id: UserId, /) -> dict[WorkspaceId, Role]:
        return self._roles


async def _scope_of(*workspaces: str) -> Scope:
    identity = Identity(user_id=UserId("usr_1"), name="Ada", credential="test")
    return await scope(identity, Action.READ, _Roles(*workspaces))


def _document(document_id: str, workspace_id: str = "ws_1", **changes: Any) -> DocumentRow:
    fields: dict[str, Any] = {
        "id": document_id, "workspace_id": workspace_id, "name": document_id, "state": "ready", "searchable": True,
        "created_at": 0.0, "updated_at": 0.0,
    }  # fmt: skip
    return DocumentRow(**{**fields, **changes})


def _chunk(document_id: str, tokens: str, **changes: Any) -> Chunk:
    fields: dict[str, Any] = {
        "document_id": document_id, "workspace_id": "ws_1", "version": 1, "ordinal": 0, "page": 1, "start": 0,
        "end": len(tokens), "text": tokens, "tokeniser_version": "1", "tokens": tokens,
    }  # fmt: skip
    return Chunk(**{**fields, **changes})


class LexicalIndexSuite:
    async def _fill(self, case: LexicalCase, *chunks: Chunk, **changes: Any) -> list[int]:
        """The chunks, and a live document for each of theirs."""

        def fill(tx: Transaction) -> list[int]:
            for document_id, workspace_id in dict.fromkeys((chunk.document_id, chunk.workspace_id) for chunk in chunks):
                tx.insert(DOCUMENTS, _document(document_id, workspace_id, **changes))
            return case.index.add(tx, chunks)

        return await case.store.write(fill)

    async def _found(
        self, case: LexicalCase, *terms: str, workspace: str = "ws_1", k: int = 50, given: SearchFilter | None = None,
        within: Scope = _EVERYTHING,
    ) -> list[str]:  # fmt: skip
        """The documents of what was found, best first."""
        found = await case.store.read(lambda tx: case.index.search(tx, within, workspace, terms, k=k, filter=given))
        assert [scored.score for scored in found] == sorted((scored.score for scored in found), reverse=True)
        assert all(scored.score > 0 for scored in found)
        return [scored.chunk.document_id for scored in found]

    async def test_finds_what_was_added_with_everything_it_was_given(self, case: LexicalCase) -> None:
        chunk = _chunk("doc_1", "elm 年假 elm", page=3, anchor="line:7", start=5, end=12, heading_path=["A", "乙"], ordinal=4)
        (chunk_id,) = await self._fill(case, chunk)
        (found,) = await case.store.read(lambda tx: case.index.search(tx, _EVERYTHING, "ws_1", ["年假"], k=5))
        assert found.chunk.chunk_id == chunk_id
        assert {name: getattr(found.chunk, name) for name in Chunk.__struct_fields__ if name != "chunk_id"} == {
            name: getattr(chunk, name) for name in Chunk.__struct_fields__ if name != "chunk_id"
        }
        assert await case.store.read(lambda tx: case.index.get(tx, _EVERYTHING, chunk_id)) == found.chunk
        assert await case.store.read(lambda tx: case.index.chunks_of(tx, _EVERYTHING, "doc_1")) == [found.chunk]

    async def test_rarer_and_more_frequent_terms_rank_higher(self, case: LexicalCase) -> None:
        await self._fill(
            case, *(_chunk(f"doc_{n}", "ash birch fir fir") for n in range(8)), _chunk("doc_rare", "ash cedar fir fir")
        )
        assert (await self._found(case, "ash", "cedar"))[0] == "doc_rare"
        await self._fill(case, _chunk("doc_often", "dogwood dogwood elm elm"), _chunk("doc_once", "dogwood elm elm elm"))
        assert await self._found(case, "dogwood") == ["doc_often", "doc_once"]

    async def test_gives_the_best_k_and_nothing_for_nothing(self, case: LexicalCase) -> None:
        await self._fill(case, *(_chunk(f"doc_{n}", "elm " * (n + 1) + "fir " * (9 - n)) for n in range(9)))
        assert await self._found(case, "elm", k=2) == ["doc_8", "doc_7"]
        assert await self._found(case, "elm", k=0) == []
        assert await self._found(case) == []
        assert await self._found(case, "absent") == []

    async def test_title_tokens_count_less_than_those_of_the_text(self, case: LexicalCase) -> None:
        await self._fill(case, _chunk("doc_title", "fir fir fir\nelm"), _chunk("doc_text", "fir fir elm\nfir"))
        assert await self._found(case, "elm") == ["doc_text", "doc_title"]

    @pytest.mark.parametrize(
        "hostile",
        ['"', '""', "*", "NEAR(a b)", "body:elm", "-elm", "(", "elm OR", "^elm", "'; DROP TABLE chunks; --", "\x00", " ", "", "{a b}: c"],
    )  # fmt: skip
    async def test_query_syntax_in_terms_is_harmless(self, case: LexicalCase, hostile: str) -> None:
        await self._fill(case, _chunk("doc_1", "elm fir"))
        assert await self._found(case, "absent", hostile) in ([], ["doc_1"])
        assert await self._found(case, "elm", hostile) == ["doc_1"]

    async def test_a_scope_sees_its_workspaces_only(self, case: LexicalCase) -> None:
        ids = await self._fill(case, _chunk("doc_1", "elm"), _chunk("doc_2", "elm", workspace_id="ws_2"))
        within = await _scope_of("ws_2", "ws_3")
        assert await self._found(case, "elm", workspace="ws_1", within=within) == []
        assert await self._found(case, "elm", workspace="ws_2", within=within) == ["doc_2"]
        assert await self._found(case, "elm", workspace="ws_3", within=within) == []

        def read(tx: Transaction) -> tuple[Any, ...]:
            return (
                case.index.get(tx, within, ids[0]), case.index.chunks_of(tx, within, "doc_1"),
                case.index.get(tx, within, ids[1]), case.index.chunks_of(tx, within, "doc_2"),
            )  # fmt: skip

        foreign, foreign_chunks, own, own_chunks = await case.store.read(read)
        assert foreign is None
        assert foreign_chunks == []
        assert own is not None
        assert own_chunks == [own]

    async def test_other_workspaces_do_not_weigh_in(self, case: LexicalCase) -> None:
        await self._fill(case, _chunk("doc_1", "elm fir"), _chunk("doc_2", "ash fir"))

        async def score() -> float:
            found = await case.store.read(lambda tx: case.index.search(tx, _EVERYTHING, "ws_1", ["elm"], k=1))
            return found[0].score

        before = await score()
        await self._fill(case, *(_chunk(f"doc_other{n}", "elm", workspace_id="ws_2") for n in range(20)))
        assert await score() == before
        counts, total = await case.store.read(lambda tx: case.index.postings(tx, "ws_1", ["elm", "fir", "absent"]))
        assert (counts, total) == ({"elm": 1, "fir": 2, "absent": 0}, 2)
        assert await case.store.read(lambda tx: case.index.postings(tx, "ws_9", ["elm"])) == ({"elm": 0}, 0)

    @pytest.mark.parametrize("change", [{"deleted_at": 1.0}, {"searchable": False}, {"version": 2}])
    async def test_only_live_documents_are_found(self, case: LexicalCase, change: dict[str, Any]) -> None:
        (chunk_id, _) = await self._fill(case, _chunk("doc_1", "elm"), _chunk("doc_2", "elm"))
        await case.store.write(lambda tx: tx.update(DOCUMENTS, _EVERYTHING, "doc_1", **change))
        assert await self._found(case, "elm", k=1) == ["doc_2"]
        assert await case.store.read(lambda tx: case.index.get(tx, _EVERYTHING, chunk_id)) is None
        assert await case.store.read(lambda tx: case.index.chunks_of(tx, _EVERYTHING, "doc_1")) == []

    async def test_a_filter_is_applied_before_the_best_k_are_taken(self, case: LexicalCase) -> None:
        best = [_chunk(f"doc_best{n}", "elm elm elm") for n in range(10)]
        await self._fill(case, *best, tags=["public"], path="/a/b")
        await self._fill(case, _chunk("doc_last", "elm fir fir fir fir fir"), tags=["public", "秘密"], path="/a/bc/d")

        async def found(**fields: Any) -> list[str]:
            return await self._found(case, "elm", k=3, given=SearchFilter(**fields))

        assert await found(document_ids=["doc_last", "doc_none"]) == ["doc_last"]
        assert await found(tags=["秘密"]) == ["doc_last"]
        assert await found(paths=["/a/bc/"]) == ["doc_last"]
        assert await found(paths=["/a/bc/d"]) == ["doc_last"]
        assert await found(paths=["/a/bc"], tags=["public"], document_ids=["doc_last"]) == ["doc_last"]
        assert len(await found(paths=["/a/b"])) == len(await found(paths=[""])) == 3
        nothings: list[dict[str, list[str]]] = [
            {"document_ids": []},
            {"tags": []},
            {"paths": []},
            {"tags": ["publi"]},
            {"paths": ["/a/b%"]},
        ]
        for nothing in nothings:
            assert await found(**nothing) == []
        assert await found(document_ids=["doc_last", *(f"x{n}" for n in range(40_000))]) == ["doc_last"]

    async def test_a_section_is_a_path_of_headings(self, case: LexicalCase) -> None:
        paths = {
            "doc_1": ["A", "乙"],
            "doc_2": ["A", "乙", "C"],
            "doc_3": ["A"],
            "doc_4": ["A", "乙x"],
            "doc_5": ['A", "乙'],
            "doc_6": [],
        }
        await self._fill(case, *(_chunk(document, "elm", heading_path=path) for document, path in paths.items()))

        async def found(*section: str) -> set[str]:
            return set(await self._found(case, "elm", given=SearchFilter(section=list(section))))

        assert await found("A", "乙") == {"doc_1", "doc_2"}
        assert await found("A") == {"doc_1", "doc_2", "doc_3", "doc_4"}
        assert await found("乙") == set()
        assert await found() == set(paths), "no headings restrict nothing"

    async def test_removal_goes_in_slices_and_by_version(self, case: LexicalCase) -> None:
        await self._fill(
            case, *(_chunk("doc_1", "elm", ordinal=n) for n in range(5)), *(_chunk("doc_1", "elm", version=2) for _ in range(2))
        )

        async def remove(**how: Any) -> int:
            return await case.store.write(lambda tx: case.index.remove(tx, "doc_1", **how))

        assert await remove(version=2, limit=5) == 2
        assert await remove(limit=3) == 3
        assert len(await self._found(case, "elm")) == 2
        assert await remove() == 2
        assert await remove() == 0
        assert (await case.store.read(case.index.statistics))["chunks"] == 0

    async def test_ids_are_never_used_again(self, case: LexicalCase) -> None:
        (first,) = await self._fill(case, _chunk("doc_1", "elm"))
        await case.store.write(lambda tx: case.index.remove(tx, "doc_1"))
        (second,) = await case.store.write(lambda tx: case.index.add(tx, [_chunk("doc_1", "fir")]))
        assert second > first

    async def test_a_rolled_back_change_never_was(self, case: LexicalCase) -> None:
        await self._fill(case, _chunk("doc_1", "elm"))

        def broken(tx: Transaction) -> None:
            case.index.add(tx, [_chunk("doc_1", "fir"), _chunk("doc_9", "fir", workspace_id="ws_new")])
            case.index.remove(tx, "doc_1")
            raise RuntimeError("rolled back")

        with pytest.raises(RuntimeError, match="rolled back"):
            await case.store.write(broken)
        assert await self._found(case, "elm") == ["doc_1"]
        assert await self._found(case, "fir") == []
        await self._fill(case, _chunk("doc_9", "fir", workspace_id="ws_new"))
        assert await self._found(case, "fir", workspace="ws_new") == ["doc_9"]

    @pytest.mark.parametrize("seed", range(6))
    async def test_no_ghosts_after_random_changes(self, case: LexicalCase, seed: int) -> None:
        """Adds, removals in slices, rollbacks, two tokeniser versions; afterwards everything goes and nothing is found."""
        random = case.chance(seed)
        for number in range(6):
            await case.store.write(lambda tx, number=number: tx.insert(DOCUMENTS, _document(f"doc_{number}")))
        expected: dict[int, Chunk] = {}

        def step(tx: Transaction) -> tuple[dict[int, Chunk], bool]:
            model = dict(expected)
            for _ in range(random.randint(1, 4)):
                document_id = f"doc_{random.randrange(6)}"
                if random.random() < 0.6:
                    tokens = " ".join(random.choices(_WORDS, k=random.randint(1, 12)))
                    headline = " ".join(random.choices(_WORDS, k=random.randint(0, 2)))
                    chunk = _chunk(document_id, f"{tokens}\n{headline}", tokeniser_version=random.choice("12"))
                    (chunk_id,) = case.index.add(tx, [chunk])
                    model[chunk_id] = chunk
                else:
                    limit = random.choice([None, 1, 2])
                    mine = sorted(key for key, chunk in model.items() if chunk.document_id == document_id)[:limit]
                    assert case.index.remove(tx, document_id, limit=limit) == len(mine)
                    for key in mine:
                        del model[key]
            return model, random.random() < 0.25

        class _Rollback(Exception):
            pass

        def work(tx: Transaction) -> dict[int, Chunk]:
            model, give_up = step(tx)
            if give_up:
                raise _Rollback
            return model

        for _ in range(40):
            try:
                expected = await case.store.write(work)
            except _Rollback:
                continue

        def counted(tx: Transaction) -> tuple[dict[str, int], int]:
            return case.index.postings(tx, "ws_1", _WORDS)

        counts, total = await case.store.read(counted)
        assert total == len(expected)
        assert counts == {word: sum(word in chunk.tokens.split() for chunk in expected.values()) for word in _WORDS}
        for number in range(6):
            await case.store.write(lambda tx, number=number: case.index.remove(tx, f"doc_{number}"))
        assert await self._found(case, *_WORDS) == []
        assert await case.store.read(counted) == (dict.fromkeys(_WORDS, 0), 0)
        counts = await case.store.read(case.index.statistics)
        assert (counts["chunks"], counts["ghost_rows"], counts["unindexed_chunks"]) == (0, 0, 0)
