"""Chunk sizes, tokeniser and embedder of a workspace change: the old index serves, the new one takes its place, no ghost stays."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from antiphon.core.errors import BadRequest
from antiphon.core.runtime import system_runtime
from antiphon.models.embedders import Embedders
from antiphon.protocol.events import IndexProgress
from antiphon.storage.records.rows import PAGES, RECIPES, SPACES, SpaceRow
from antiphon.storage.records.sqlite import SqliteTransaction
from antiphon.testing.conformance.scopes import EVERYTHING
from antiphon.testing.embedders import WordEmbedder
from antiphon.testing.ingest_house import WORKSPACE, IngestHouse

SENTENCES = [f"Sentence number {n} says that pump {n} is serviced every {n} hundred hours by the third shift." for n in range(40)]
TEXT = " ".join(SENTENCES).encode()
LARGE = b"# Handbook\n\n" + TEXT


async def until_index(house: IngestHouse, state: str = "ready", wait_s: float = 25.0) -> dict[str, Any]:
    async with asyncio.timeout(wait_s):
        while True:
            shown = await house.meaning.indexing.get(EVERYTHING, WORKSPACE)
            if shown["state"] == state:
                return shown
            await asyncio.sleep(0.02)


async def no_ghosts(house: IngestHouse) -> dict[str, Any]:
    counted = await house.statistics()
    kinds = ("orphan_chunks", "stale_chunks", "ghost_rows", "unindexed_chunks", "orphan_vectors")
    assert {name: counted[name] for name in kinds} == dict.fromkeys(kinds, 0)
    return counted


async def spaces(house: IngestHouse) -> list[SpaceRow]:
    return await house.store.read(lambda tx: tx.find(SPACES, EVERYTHING, order="created_at"))


def embedders(**given: WordEmbedder) -> Embedders:
    return Embedders(given, system_runtime())


async def test_other_chunk_sizes_are_cut_from_the_stored_pages_while_the_old_index_serves(tmp_path: Path) -> None:
    async with IngestHouse.open(tmp_path, embedders=embedders(server=WordEmbedder())) as house:
        rows = [await house.add(TEXT + str(n).encode(), f"{n}.txt") for n in range(6)]
        rows.append(await house.add(LARGE, "handbook.md"))
        await house.settled()
        before = await no_ghosts(house)
        for row in rows:  # read again they could not be
            house.blobs.local_path(row.sha256).unlink()
        shown = await house.meaning.indexing.change(EVERYTHING, WORKSPACE, chunk_characters=200)
        assert shown["state"] == "indexing"
        assert shown["chunk_characters"] == 200
        misses = 0
        while (await house.meaning.indexing.get(EVERYTHING, WORKSPACE))["state"] == "indexing":
            misses += not await house.search("pump serviced third shift")
        assert misses == 0
        await until_index(house)
        await house.settled()
        after = await no_ghosts(house)
        assert after["chunks"] > 3 * before["chunks"]
        assert after["vectors"] == after["chunks"]
        for row in rows:
            now = await house.until(row.id, "ready")
            assert now.version == 2
            assert now.passages > 10
        (passage, *_) = await house.search("pump 17 serviced every 17 hundred hours")
        assert len(passage.text) < 700
        told = [event for _, event in house.events if isinstance(event, IndexProgress)]
        assert told[-1].stage == "ready"
        assert {"cutting"} <= {event.stage for event in told}
        page = await house.store.read(lambda tx: tx.get(PAGES, EVERYTHING, f"{passage.document_id}:2:1"))
        assert page is not None
        assert page.text[passage.start : passage.end] == passage.text


async def test_a_changed_tokeniser_leaves_no_ghost(tmp_path: Path) -> None:
    """As if the documents had been made by an older one: other tokens in the index, another recipe."""
    async with IngestHouse.open(tmp_path) as house:
        row = await house.add(TEXT, "a.txt")
        gone = await house.add(b"Another pump in the yard.", "b.txt")
        await house.settled()

        def older(tx: SqliteTransaction) -> None:
            chunks = house.index.chunks_of(tx, EVERYTHING, row.id) + house.index.chunks_of(tx, EVERYTHING, gone.id)
            for document_id in (row.id, gone.id):
                house.index.remove(tx, document_id)
            house.index.add(tx, [_with_old_tokens(chunk) for chunk in chunks])
            for document_id in (row.id, gone.id):
                tx.update(RECIPES, EVERYTHING, document_id, recipe="1/0/1/900/0")

        await house.store.write(older)
        assert not await house.search("serviced")
        await house.delete(gone.id)  # with the tokens of its own version
        assert await house.meaning.indexing.look_after() == 1
        await until_index(house)
        await house.settled()
        assert await house.search("serviced")
        await no_ghosts(house)
        postings, _ = await house.store.read(lambda tx: house.index.postings(tx, WORKSPACE, ["zserviced", "zpump"]))
        assert postings == {"zserviced": 0, "zpump": 0}


def _with_old_tokens(chunk: Any) -> Any:
    from msgspec import structs

    return structs.replace(
        chunk, chunk_id=0, tokeniser_version="0", tokens=" ".join("z" + word for word in chunk.text.lower().split())
    )


async def test_another_embedder_is_built_beside_the_one_that_serves_and_takes_its_place_whole(tmp_path: Path) -> None:
    old, new = WordEmbedder(), WordEmbedder(model="other", dimension=32)
    async with IngestHouse.open(tmp_path, embedders=embedders(server=old, local=new)) as house:
        await house.add(b"The car needs oil.", "car.txt")
        await house.settled()
        new.gate = asyncio.Event()
        shown = await house.meaning.indexing.change(EVERYTHING, WORKSPACE, embedder="local")
        assert {space["label"]: space["state"] for space in shown["spaces"]}["words of the tests"] == "serving"
        await asyncio.sleep(0.3)
        found = await house.meaning.retriever.retrieve(EVERYTHING, [WORKSPACE], "automobile", k=3)
        assert found.index["embedder"] == "words of the tests"
        added = await house.add(b"A physician drives.", "doctor.txt")  # goes into both
        new.gate.set()
        await house.until(added.id, "ready")
        await until_index(house)
        await house.settled()
        (left,) = await spaces(house)
        assert (left.state, left.embedder, left.dimension) == ("serving", "local", 32)
        assert await house.store.read(lambda tx: house.vectors.counts(tx, left.id, WORKSPACE)) == (2, 2)
        found = await house.meaning.retriever.retrieve(EVERYTHING, [WORKSPACE], "automobile", k=3)
        assert found.index["embedder"] == "other of the tests"
        assert found.passages
        assert left.id in house.meaning.cache.kinds
        await no_ghosts(house)


async def test_switched_off_it_goes_by_words_and_on_again_it_fills_what_is_missing(tmp_path: Path) -> None:
    embedder = WordEmbedder()
    async with IngestHouse.open(tmp_path, embedders=embedders(server=embedder)) as house:
        await house.add(b"The car needs oil.", "car.txt")
        await house.settled()
        await house.meaning.indexing.change(EVERYTHING, WORKSPACE, embedder="none")
        await house.add(b"A vehicle of the doctor.", "doctor.txt")
        await house.settled()
        assert len(embedder.documents) == 1
        assert (await house.meaning.retriever.retrieve(EVERYTHING, [WORKSPACE], "car", k=3)).mode == "lexical"
        await house.meaning.indexing.change(EVERYTHING, WORKSPACE, embedder=None)
        await until_index(house)
        await house.settled()
        assert len(embedder.documents) == 2
        assert (await house.meaning.retriever.retrieve(EVERYTHING, [WORKSPACE], "car", k=3)).mode == "hybrid"
        with pytest.raises(BadRequest, match="Known are 'none', 'server'"):
            await house.meaning.indexing.change(EVERYTHING, WORKSPACE, embedder="nobody")


async def test_cancelled_it_stays_so_until_it_is_started_again(tmp_path: Path) -> None:
    old, new = WordEmbedder(), WordEmbedder(model="other")
    async with IngestHouse.open(tmp_path, embedders=embedders(server=old, local=new)) as house:
        await house.add(TEXT, "a.txt")
        await house.settled()
        new.gate = asyncio.Event()
        await house.meaning.indexing.change(EVERYTHING, WORKSPACE, embedder="local")
        await asyncio.sleep(0.2)
        shown = await house.meaning.indexing.cancel(EVERYTHING, WORKSPACE)
        assert shown["state"] == "halted"
        new.gate.set()
        await house.settled()
        assert await house.meaning.indexing.look_after() == 0, "it began again by itself"
        assert [space.state for space in await spaces(house) if space.embedder == "server"] == ["serving"]
        found = await house.meaning.retriever.retrieve(EVERYTHING, [WORKSPACE], "pump", k=3)
        assert found.index["embedder"] == "words of the tests"
        await house.meaning.indexing.start(EVERYTHING, WORKSPACE)
        await until_index(house)
        await house.settled()
        (left,) = await spaces(house)
        assert left.embedder == "local"
        await no_ghosts(house)
