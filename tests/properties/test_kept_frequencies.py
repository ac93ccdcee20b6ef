"""Whatever is added, removed, rolled back and read in whatever order: what is kept agrees with what is looked up."""

from __future__ import annotations

import asyncio
import sqlite3
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from antiphon.storage.lexical import document_frequencies
from antiphon.storage.lexical.contract import Chunk
from antiphon.storage.lexical.document_frequencies import DocumentFrequencies, count_terms
from antiphon.storage.lexical.sqlite import SqliteLexicalIndex
from antiphon.storage.records.sqlite import SqliteStore
from antiphon.storage.sqlite.connections import connect_reader
from antiphon.storage.sqlite.database import Database
from antiphon.testing import simulated_runtime

WORDS = ("elm", "fir", "oak", "年假")
steps = st.lists(
    st.one_of(
        st.tuples(st.just("add"), st.lists(st.sampled_from(WORDS), max_size=3)),
        st.tuples(st.just("remove"), st.integers(0, 3)),
        st.tuples(st.just("lose"), st.lists(st.sampled_from(WORDS), max_size=3)),
        st.tuples(st.just("begin"), st.none()),
        st.tuples(st.just("end"), st.none()),
    ),
    min_size=4,
    max_size=24,
)


async def _play(path: Path, moves: list) -> None:
    """Two readers, the second of which may look at an older state for a while, share what is kept."""
    store = SqliteStore(Database.open(path, runtime=simulated_runtime()))
    index, kept = SqliteLexicalIndex(), DocumentFrequencies()
    readers = [connect_reader(path), connect_reader(path)]
    try:
        await store.write(lambda tx: index.add(tx, [_chunk(0, ["elm"])]))
        for number, (move, what) in enumerate(moves, start=1):
            if move == "add":
                await store.write(lambda tx, n=number, w=what: index.add(tx, [_chunk(n % 4, w)]))
            elif move == "remove":
                await store.write(lambda tx, n=what: index.remove(tx, f"doc_{n}", limit=1))
            elif move == "lose":
                with pytest.raises(LookupError):
                    await store.write(lambda tx, n=number, w=what: _add_and_fail(tx, index, _chunk(n % 4, w)))
            elif move == "begin" and not readers[1].in_transaction:
                readers[1].execute("BEGIN")
                readers[1].execute("SELECT count(*) FROM chunks").fetchone()
            elif move == "end" and readers[1].in_transaction:
                readers[1].execute("ROLLBACK")
            for reader in readers:
                _agrees(kept, reader)
    finally:
        for reader in readers:
            reader.close()
        await store.close()


def _agrees(kept: DocumentFrequencies, reader: sqlite3.Connection) -> None:
    assert kept.of(reader, "ws_1", "lexical_1", WORDS) == count_terms(reader, "lexical_1", WORDS)


def _add_and_fail(tx, index: SqliteLexicalIndex, chunk: Chunk) -> None:
    index.add(tx, [chunk])
    assert index.postings(tx, "ws_1", WORDS)[1] > 0
    raise LookupError("rolled back")


def _chunk(document: int, words: list[str]) -> Chunk:
    return Chunk(
        document_id=f"doc_{document}", workspace_id="ws_1", version=1, ordinal=0, page=1, start=0, end=1, text="x",
        tokeniser_version="1", tokens=" ".join(words),
    )  # fmt: skip


@settings(max_examples=40, deadline=None)
@given(steps)
def test_what_is_kept_is_what_is_there(tmp_path_factory: pytest.TempPathFactory, moves: list) -> None:
    asyncio.run(_play(tmp_path_factory.mktemp("frequencies") / "antiphon.db", moves))


@pytest.mark.parametrize("records", ["1", "10"])
def test_half_of_the_state_would_not_do(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch, records: str
) -> None:
    """The planted bug: only one of the two records tells the state."""

    def state(connection: sqlite3.Connection, table: str) -> tuple[bytes, ...]:
        return tuple(block for (block,) in connection.execute(f"SELECT block FROM {table}_data WHERE id = {records}"))

    monkeypatch.setattr(document_frequencies, "_state", state)
    moves = {"10": [("add", [])], "1": [("remove", 0), ("add", ["fir"])]}[records]
    if records == "1":  # the same number of rows and tokens, other words, and nobody looks in between
        monkeypatch.setattr(f"{__name__}._agrees", _only_at_the_ends(_agrees))
    with pytest.raises(AssertionError):
        asyncio.run(_play(tmp_path_factory.mktemp("frequencies") / "antiphon.db", [("add", ["oak"]), *moves]))


def _only_at_the_ends(agrees):
    """Leaves out the look between the two moves."""
    calls = iter(range(100))
    return lambda kept, reader: None if next(calls) in {2, 3} else agrees(kept, reader)
