"""A whole document as sections with their most central sentences."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from antiphon.access.scope import system_scope
from antiphon.retrieve.central import central_sentences
from antiphon.retrieve.whole_document import (
    MOST_PARTS,
    MOST_SECTION_CHARACTERS,
    MOST_SECTIONS,
    StoredDocuments,
    sections_of_chunks,
)
from antiphon.storage.lexical.contract import Chunk
from antiphon.storage.lexical.sqlite import SqliteLexicalIndex
from antiphon.storage.lexical.tokens import index_tokens
from antiphon.storage.records.rows import DOCUMENTS, DocumentRow
from antiphon.storage.records.sqlite import SqliteStore
from antiphon.storage.sqlite.database import Database
from antiphon.testing import simulated_runtime

EVERYTHING = system_scope("test")
PUMP = "The pump is serviced every 500 hours. Lunch is at noon. A pump that leaks is serviced at once by the pump team."


def chunk(text: str, *path: str, number: int = 0, page: int = 1, anchor: str | None = None) -> Chunk:
    return Chunk(
        chunk_id=number + 1, document_id="doc", workspace_id="ws", version=1, ordinal=number, page=page, anchor=anchor, start=100,
        end=100 + len(text), text=text, heading_path=list(path), tokeniser_version="1", tokens=index_tokens(text),
    )  # fmt: skip


class House:
    def __init__(self, store: SqliteStore) -> None:
        self.store, self.index = store, SqliteLexicalIndex()
        self.reader = StoredDocuments(store, self.index)

    async def add(self, document_id: str, *chunks: Chunk, **fields: Any) -> None:
        def insert(tx: Any) -> None:
            given = {
                "name": f"{document_id}.md",
                "searchable": True,
                "created_at": float(len(document_id)),
                "updated_at": 0.0,
                **fields,
            }
            tx.insert(DOCUMENTS, DocumentRow(id=document_id, workspace_id="ws", **given))
            self.index.add(tx, chunks)

        await self.store.write(insert)


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    store = SqliteStore(Database.open(tmp_path / "antiphon.db", runtime=simulated_runtime()))
    yield House(store)
    await store.close()


def test_the_most_central_sentences_at_their_places() -> None:
    one = chunk(PUMP)
    found = central_sentences([one], all_chunks=[one], most=2)
    assert [one.text[start:end] for _, start, end in found] == [
        "The pump is serviced every 500 hours.",
        "A pump that leaks is serviced at once by the pump team.",
    ]


def test_headings_questions_and_lines_are_taken_only_for_want_of_better() -> None:
    one = chunk("Pump care and pump service\n\nWho serves the pump?\n\nPump service is done by the team.")
    assert [one.text[start:end] for _, start, end in central_sentences([one], all_chunks=[one], most=3)] == [
        "Pump service is done by the team."
    ]
    table = chunk("pump | 500 hours\nvalve | 900 hours")
    assert central_sentences([table], all_chunks=[table], most=1), "a table says something as well"


def test_chinese() -> None:
    one = chunk("水泵每500小时维护一次。中午吃饭。水泵漏水时由水泵维护组立即维护。")
    (only,) = central_sentences([one], all_chunks=[one], most=1)
    assert "水泵" in one.text[only[1] : only[2]]


def test_sections_as_deep_as_there_is_room_for() -> None:
    few = [chunk("a", "T", "A"), chunk("b", "T", "A"), chunk("c", "T", "B"), chunk("d", "T", "B", "X")]
    assert [(path, len(group)) for path, group in sections_of_chunks(few)] == [
        (["T", "A"], 2),
        (["T", "B"], 1),
        (["T", "B", "X"], 1),
    ]
    many = [chunk("a", f"H{n // 4}", f"S{n}") for n in range(16)]
    assert [path for path, _ in sections_of_chunks(many)] == [["H0"], ["H1"], ["H2"], ["H3"]]
    plain = [chunk("a") for _ in range(20)]
    assert len(sections_of_chunks(plain)) == MOST_PARTS - 1
    assert sum(len(group) for _, group in sections_of_chunks(plain)) == 20


async def test_a_document_section_by_section(house: House) -> None:
    await house.add(
        "doc", chunk(PUMP, "Plant", "Pump", number=0), chunk("The valve is closed. The valve is red.", "Plant", "Valve", number=1, page=2),
        title="Manual",
    )  # fmt: skip
    document = await house.reader.whole(EVERYTHING, "doc")
    assert document is not None
    assert (document.title, document.total) == ("Manual", 2)
    assert [section.heading for section in document.sections] == ["Plant › Pump", "Plant › Valve"]
    assert [section.pages for section in document.sections] == [(1, 1), (2, 2)]
    for section in document.sections:
        for passage in section.sentences:
            assert passage.text in section.text
            assert passage.end - passage.start == len(passage.text)
    first = document.sections[0].sentences[0]
    assert (first.start, first.text, first.page, first.chunk_id) == (100, "The pump is serviced every 500 hours.", 1, 1)


async def test_one_section_of_it(house: House) -> None:
    await house.add(
        "doc",
        chunk(PUMP, "Plant", "Pump"),
        chunk("The valve is closed.", "Plant", "Valve", number=1),
        chunk("Oil it.", "Plant", "Valve", "Oil", number=2),
    )
    document = await house.reader.whole(EVERYTHING, "doc", section=["Plant", "Valve"])
    assert document is not None
    assert [section.heading for section in document.sections] == ["Valve", "Valve › Oil"][: len(document.sections)]
    assert await house.reader.whole(EVERYTHING, "doc", section=["Valve"]) is None


async def test_a_long_document_is_bounded(house: House) -> None:
    chunks = [chunk(f"Section {n} speaks of thing{n}. " * (n + 1), f"H{n:02}", number=n) for n in range(30)]
    chunks.append(chunk("A very long section of words. " * 600, "Z", number=30))
    await house.add("doc", *chunks)
    document = await house.reader.whole(EVERYTHING, "doc")
    assert document is not None
    assert (len(document.sections), document.total) == (MOST_SECTIONS, 31)
    assert [section.heading for section in document.sections] == [f"H{n}" for n in range(19, 30)] + ["Z"], "the longest, in order"
    assert (len(document.sections[-1].text), document.sections[-1].cut) == (MOST_SECTION_CHARACTERS, True)


async def test_what_is_gone_or_elsewhere_is_not_read(house: House) -> None:
    await house.add("doc", chunk(PUMP), deleted_at=1.0)
    assert await house.reader.whole(EVERYTHING, "doc") is None
    assert await house.reader.whole(EVERYTHING, "doc_none") is None
    await house.add("doc_a", title="A")
    await house.add("doc_bb", searchable=False)
    named = await house.reader.named(EVERYTHING, ["ws"])
    assert [(document.document_id, document.names) for document in named] == [("doc_a", ["A", "doc_a.md"])]
    assert await house.reader.named(EVERYTHING, ["ws_other"]) == []
