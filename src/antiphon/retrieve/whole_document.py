"""`DocumentReader`: a whole document as its sections, each with its most central sentences at their exact places.

What "summarise this document" is answered from, with and without a model; also which documents there are to be named.
Sections are runs of chunks under the same headings, as deep as MOST_SECTIONS allows; a document without headings falls into
parts of equal length. Reads on the store's threads. Used by runs/nodes/whole_document.py. Tests:
tests/unit/retrieve/test_whole_document.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from typing import Final, Protocol

from msgspec import Struct

from antiphon.access.scope import Scope
from antiphon.retrieve.central import central_sentences
from antiphon.retrieve.passage import Passage
from antiphon.storage.lexical.anchor_ranges import keeps_page
from antiphon.storage.lexical.contract import Chunk, LexicalIndex
from antiphon.storage.records.contract import Store, Transaction
from antiphon.storage.records.rows import DOCUMENTS, DocumentRow

MOST_SECTIONS: Final = 12
MOST_PARTS: Final = 6
MOST_SECTION_CHARACTERS: Final = 6_000
"""Of a section's text: what a model is given of it."""
MOST_NAMED: Final = 5_000
_PAGE_OF_ROWS: Final = 500


class NamedDocument(Struct, frozen=True, kw_only=True):
    """`names`: title and file name, as people may write them."""

    document_id: str
    names: list[str]
    updated_at: float


class Section(Struct, frozen=True, kw_only=True):
    """`heading` "" for the text above the first heading. `pages`: the first and last; None where they mean nothing.
    `text`: its beginning, MOST_SECTION_CHARACTERS at most; `cut` says that there is more."""

    heading: str
    pages: tuple[int, int] | None
    text: str
    cut: bool
    sentences: list[Passage]


class WholeDocument(Struct, frozen=True, kw_only=True):
    """`total`: how many sections there are; `sections` are the longest ones of them, in reading order."""

    document_id: str
    title: str
    sections: list[Section]
    total: int


class DocumentReader(Protocol):
    async def named(self, scope: Scope, workspace_ids: Sequence[str]) -> list[NamedDocument]:
        """The searchable documents of the workspaces, newest first, MOST_NAMED at most."""
        ...

    async def whole(self, scope: Scope, document_id: str, *, section: Sequence[str] = ()) -> WholeDocument | None:
        """The document, or what stands below the headings `section` in it; None where there is nothing to read."""
        ...


class StoredDocuments:
    """See `DocumentReader`."""

    def __init__(self, store: Store, index: LexicalIndex) -> None:
        self._store = store
        self._index = index

    async def named(self, scope: Scope, workspace_ids: Sequence[str]) -> list[NamedDocument]:
        seen = [workspace_id for workspace_id in workspace_ids if scope.sees(workspace_id)]
        return await self._store.read(lambda tx: _named(tx, scope, seen))

    async def whole(self, scope: Scope, document_id: str, *, section: Sequence[str] = ()) -> WholeDocument | None:
        def read(tx: Transaction) -> WholeDocument | None:
            row = tx.get(DOCUMENTS, scope, document_id)
            if row is None or row.deleted_at is not None or not row.searchable:
                return None
            chunks = self._index.chunks_of(tx, scope, document_id)
            inside = [chunk for chunk in chunks if chunk.heading_path[: len(section)] == list(section)]
            return whole_document(row, inside, depth_above=max(0, len(section) - 1)) if inside else None

        return await self._store.read(read)


def _named(tx: Transaction, scope: Scope, workspace_ids: Sequence[str]) -> list[NamedDocument]:
    found: list[NamedDocument] = []
    where = {"workspace_id": ("in", list(workspace_ids)), "deleted_at": None, "searchable": True}
    after: tuple[float, str] | None = None
    while len(found) < MOST_NAMED:
        rows = tx.find(DOCUMENTS, scope, where, order="created_at", descending=True, after=after, limit=_PAGE_OF_ROWS)
        found += [
            NamedDocument(document_id=row.id, names=[name for name in (row.title, row.name) if name], updated_at=row.updated_at)
            for row in rows
        ]
        if len(rows) < _PAGE_OF_ROWS:
            break
        after = (rows[-1].created_at, rows[-1].id)
    return found


def whole_document(row: DocumentRow, chunks: Sequence[Chunk], *, depth_above: int = 0) -> WholeDocument:
    """`chunks` in reading order, not empty. `depth_above`: headings that all of them share and that need not be said."""
    groups = sections_of_chunks(chunks)
    longest = sorted(range(len(groups)), key=lambda number: -sum(len(chunk.text) for chunk in groups[number][1]))[:MOST_SECTIONS]
    shown = [groups[number] for number in sorted(longest)]
    per_section = 3 if len(shown) <= 2 else 2 if len(shown) <= 5 else 1
    title = row.title or row.name
    sections: list[Section] = []
    for path, group in shown:
        text = "\n".join(chunk.text for chunk in group)
        found = central_sentences(group, all_chunks=chunks, most=per_section)
        sections.append(Section(
            heading=" › ".join(path[depth_above:]), pages=_pages(group), text=text[:MOST_SECTION_CHARACTERS],
            cut=len(text) > MOST_SECTION_CHARACTERS,
            sentences=[_passage(row, title, chunk, start, end) for chunk, start, end in found],
        ))  # fmt: skip
    return WholeDocument(
        document_id=row.id, title=title, sections=[section for section in sections if section.sentences], total=len(groups)
    )


def sections_of_chunks(chunks: Sequence[Chunk]) -> list[tuple[list[str], list[Chunk]]]:
    """(headings, chunks) in reading order: under the deepest headings that give no more than MOST_SECTIONS, or else under the
    first ones; parts of equal length where there are no headings."""
    deepest = max((len(chunk.heading_path) for chunk in chunks), default=0)
    if not deepest:
        size = max(1, -(-len(chunks) // MOST_PARTS))
        return [([], list(chunks[start : start + size])) for start in range(0, len(chunks), size)]
    groups: list[tuple[list[str], list[Chunk]]] = []
    for depth in range(deepest, 0, -1):
        grouped = groupby(chunks, key=lambda chunk: tuple(chunk.heading_path[:depth]))
        groups = [(list(path), list(group)) for path, group in grouped]
        # A heading that the whole document stands under (its title) says nothing about a section.
        if len(groups) <= MOST_SECTIONS:
            break
    return groups


def _pages(chunks: Sequence[Chunk]) -> tuple[int, int] | None:
    return (chunks[0].page, chunks[-1].page) if all(keeps_page(chunk.anchor) for chunk in chunks) else None


def _passage(row: DocumentRow, title: str, chunk: Chunk, start: int, end: int) -> Passage:
    """A part of a chunk's text: `start`, `end` count within it."""
    return Passage(
        chunk_id=chunk.chunk_id, workspace_id=row.workspace_id, document_id=row.id, version=chunk.version, title=title,
        media_type=row.media_type, page=chunk.page if keeps_page(chunk.anchor) else None, anchor=chunk.anchor,
        start=chunk.start + start, end=chunk.start + end, score=1.0, text=chunk.text[start:end], heading_path=chunk.heading_path,
    )  # fmt: skip
