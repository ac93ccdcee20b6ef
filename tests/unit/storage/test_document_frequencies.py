"""What is kept of the lexical index between questions, and for how long."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from antiphon.storage.lexical import document_frequencies
from antiphon.storage.lexical.contract import Chunk
from antiphon.storage.lexical.document_frequencies import DocumentFrequencies
from antiphon.storage.lexical.sqlite import SqliteLexicalIndex
from antiphon.storage.records.sqlite import SqliteStore
from antiphon.storage.sqlite.database import Database
from antiphon.testing import simulated_runtime


def chunk(tokens: str, document_id: str = "doc_1", workspace_id: str = "ws_1") -> Chunk:
    return Chunk(
        document_id=document_id, workspace_id=workspace_id, version=1, ordinal=0, page=1, start=0, end=1, text="x",
        tokeniser_version="1", tokens=tokens,
    )  # fmt: skip


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SqliteStore]:
    store = SqliteStore(Database.open(tmp_path / "antiphon.db", runtime=simulated_runtime()))
    await store.write(lambda tx: SqliteLexicalIndex().add(tx, [chunk("elm fir"), chunk("elm")]))
    yield store
    await store.close()


async def looked_up(
    store: SqliteStore, kept: DocumentFrequencies, *terms: str, workspace_id: str = "ws_1", table: str = "lexical_1"
):
    """(the answer, the terms that were looked up in the index for it)."""
    asked: list[str] = []

    def read(tx):
        tx.connection.set_trace_callback(
            lambda sql: asked.append(sql.rpartition("= ")[2].strip("'")) if "_terms" in sql else None
        )
        try:
            return kept.of(tx.connection, workspace_id, table, terms)
        finally:
            tx.connection.set_trace_callback(None)

    return await store.read(read), asked


async def test_a_term_is_looked_up_once(store: SqliteStore) -> None:
    kept = DocumentFrequencies()
    assert await looked_up(store, kept, "elm", "oak") == (({"elm": 2, "oak": 0}, 2), ["elm", "oak"])
    assert await looked_up(store, kept, "fir", "elm") == (({"fir": 1, "elm": 2}, 2), ["fir"])


async def test_a_commit_makes_it_forget(store: SqliteStore) -> None:
    kept = DocumentFrequencies()
    await looked_up(store, kept, "elm")
    await store.write(lambda tx: SqliteLexicalIndex().remove(tx, "doc_1", limit=1))
    assert await looked_up(store, kept, "elm") == (({"elm": 1}, 1), ["elm"])


async def test_a_chunk_without_a_term_is_counted_too(store: SqliteStore) -> None:
    kept = DocumentFrequencies()
    await looked_up(store, kept, "elm")
    await store.write(lambda tx: SqliteLexicalIndex().add(tx, [chunk("")]))
    assert (await looked_up(store, kept, "elm"))[0] == ({"elm": 2}, 3)


async def test_a_writer_sees_its_own_changes_and_leaves_nothing_behind(store: SqliteStore) -> None:
    index = SqliteLexicalIndex()

    def write(tx):
        index.add(tx, [chunk("elm")])
        assert index.postings(tx, "ws_1", ["elm"]) == ({"elm": 3}, 3)
        raise LookupError("rolled back")

    assert await store.read(lambda tx: index.postings(tx, "ws_1", ["elm"])) == ({"elm": 2}, 2)
    with pytest.raises(LookupError):
        await store.write(write)
    assert await store.read(lambda tx: index.postings(tx, "ws_1", ["elm"])) == ({"elm": 2}, 2)


async def test_workspaces_have_their_own(store: SqliteStore) -> None:
    kept = DocumentFrequencies()
    await store.write(lambda tx: SqliteLexicalIndex().add(tx, [chunk("elm fir", "doc_2", "ws_2"), chunk("oak", "doc_2", "ws_2")]))
    assert (await looked_up(store, kept, "elm"))[0] == ({"elm": 2}, 2)
    assert (await looked_up(store, kept, "elm", workspace_id="ws_2", table="lexical_2"))[0] == ({"elm": 1}, 2)


async def test_what_is_kept_is_bounded(store: SqliteStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(document_frequencies, "MAX_TERMS", 3)
    kept = DocumentFrequencies()
    await looked_up(store, kept, "elm", "fir", "oak")
    assert await looked_up(store, kept, "elm", "ash") == (({"elm": 2, "ash": 0}, 2), ["elm", "ash"])
    monkeypatch.setattr(document_frequencies, "MAX_INDEXES", 1)
    await looked_up(store, kept, "elm", workspace_id="ws_2")
    assert (await looked_up(store, kept, "elm"))[1] == ["elm"]
