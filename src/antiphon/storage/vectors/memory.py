"""Vectors in memory, in the transactions of the MemoryStore: a public test double. Tests: tests/conformance/test_vectors.py.

There is no lexical index in memory: `put_chunks` is what stands for one.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

from msgspec import structs

from antiphon.access.scope import Scope
from antiphon.core.errors import Internal
from antiphon.storage.lexical.contract import Chunk, SearchFilter
from antiphon.storage.records.contract import Transaction
from antiphon.storage.records.memory import MemoryTransaction
from antiphon.storage.records.rows import DOCUMENTS, SPACES, DocumentRow, SpaceRow
from antiphon.storage.vectors.contract import Missing, SpaceState, StoredVector
from antiphon.storage.vectors.embedded_text import embedded_text

_CHUNKS: Final = "chunks"
_VECTORS: Final = "vectors"
_LAST: Final = "vectors_last"


class MemoryVectorStore:
    """See vectors.contract.VectorStore."""

    def put_chunks(self, transaction: Transaction, chunks: Sequence[Chunk]) -> list[int]:
        """Stores chunks without indexing them; their ids."""
        ours = _ours(transaction)
        first = len(ours.shelf(_CHUNKS)) + 1
        for chunk_id, chunk in enumerate(chunks, first):
            ours.put(_CHUNKS, str(chunk_id), structs.replace(chunk, chunk_id=chunk_id))
        return list(range(first, first + len(chunks)))

    def add(self, transaction: Transaction, space_id: str, vectors: Sequence[tuple[int, bytes]]) -> int:
        ours = _ours(transaction)
        if space_id not in ours.shelf(SPACES.name):
            return 0
        present = {chunk_id for _, chunk_id, _ in _in_space(ours, space_id)}
        added = 0
        for chunk_id, half in vectors:
            chunk = ours.shelf(_CHUNKS).get(str(chunk_id))
            if chunk is None or chunk_id in present:
                continue
            number = ours.shelf(_LAST).get("last", 0) + 1
            ours.put(_LAST, "last", number)
            ours.put(_VECTORS, str(number), (space_id, chunk_id, half))
            present.add(chunk_id)
            added += 1
        return added

    def remove(self, transaction: Transaction, document_id: str, *, version: int | None = None, limit: int | None = None) -> int:
        ours = _ours(transaction)
        wanted = [
            (number, space_id)
            for number, (space_id, chunk_id, _) in _vectors(ours)
            if (chunk := ours.shelf(_CHUNKS)[str(chunk_id)]).document_id == document_id and version in {None, chunk.version}
        ]
        return _remove(ours, wanted[:limit])

    def remove_space(self, transaction: Transaction, space_id: str, *, limit: int) -> int:
        ours = _ours(transaction)
        return _remove(ours, [(number, space_id) for number, _, _ in _in_space(ours, space_id)][:limit])

    def missing(
        self, transaction: Transaction, space_id: str, workspace_id: str, *, document_id: str | None = None, after: int = 0, limit: int
    ) -> list[Missing]:  # fmt: skip
        ours = _ours(transaction)
        present = {chunk_id for _, chunk_id, _ in _in_space(ours, space_id)}
        found = [
            Missing(
                chunk_id=chunk.chunk_id, document_id=row.id, version=chunk.version,
                text=embedded_text(chunk.text, chunk.heading_path, row.title or row.name),
            )
            for chunk, row in _live(ours, workspace_id)
            if chunk.chunk_id > after and chunk.chunk_id not in present and document_id in {None, row.id}
        ]  # fmt: skip
        return found[:limit]

    def load(self, transaction: Transaction, space_id: str, *, after: int, limit: int) -> list[StoredVector]:
        ours = _ours(transaction)
        chunks = ours.shelf(_CHUNKS)
        return [
            StoredVector(id=number, chunk_id=chunk_id, document_id=chunks[str(chunk_id)].document_id, half=half)
            for number, chunk_id, half in _in_space(ours, space_id)
            if number > after
        ][:limit]

    def ids(self, transaction: Transaction, space_id: str) -> list[int]:
        return [number for number, _, _ in _in_space(_ours(transaction), space_id)]

    def state(self, transaction: Transaction, space_id: str) -> SpaceState:
        ours = _ours(transaction)
        row: SpaceRow | None = ours.shelf(SPACES.name).get(space_id)
        return SpaceState(
            last_id=max((number for number, _, _ in _in_space(ours, space_id)), default=0), removals=row.removals if row else 0
        )

    def counts(self, transaction: Transaction, space_id: str, workspace_id: str) -> tuple[int, int]:
        ours = _ours(transaction)
        return len(list(_in_space(ours, space_id))), len(list(_live(ours, workspace_id)))

    def documents(
        self, transaction: Transaction, scope: Scope, workspace_id: str, filter: SearchFilter | None  # noqa: A002
    ) -> list[str]:  # fmt: skip
        if not scope.sees(workspace_id):
            return []
        rows: list[DocumentRow] = list(_ours(transaction).shelf(DOCUMENTS.name).values())
        return [
            row.id
            for row in rows
            if row.workspace_id == workspace_id and row.deleted_at is None and row.searchable and _passes(row, filter)
        ]

    def live(self, transaction: Transaction, scope: Scope, workspace_id: str, chunk_ids: Sequence[int]) -> dict[int, Chunk]:
        if not scope.sees(workspace_id):
            return {}
        wanted = set(chunk_ids)
        return {chunk.chunk_id: chunk for chunk, _ in _live(_ours(transaction), workspace_id) if chunk.chunk_id in wanted}

    def statistics(self, transaction: Transaction) -> dict[str, Any]:
        ours = _ours(transaction)
        chunks, spaces = ours.shelf(_CHUNKS), ours.shelf(SPACES.name)
        found = list(_vectors(ours))
        orphans = sum(1 for _, (space_id, chunk_id, _) in found if str(chunk_id) not in chunks or space_id not in spaces)
        return {"vectors": len(found), "orphan_vectors": orphans}


def _ours(transaction: Transaction) -> MemoryTransaction:
    if not isinstance(transaction, MemoryTransaction):
        raise Internal(f"The vectors in memory were given a {type(transaction).__name__}, not a transaction of their store.")
    return transaction


def _vectors(ours: MemoryTransaction) -> Iterator[tuple[int, tuple[str, int, bytes]]]:
    yield from sorted((int(number), value) for number, value in ours.shelf(_VECTORS).items())


def _in_space(ours: MemoryTransaction, space_id: str) -> Iterator[tuple[int, int, bytes]]:
    return ((number, chunk_id, half) for number, (space, chunk_id, half) in _vectors(ours) if space == space_id)


def _live(ours: MemoryTransaction, workspace_id: str) -> Iterator[tuple[Chunk, DocumentRow]]:
    documents: dict[str, DocumentRow] = ours.shelf(DOCUMENTS.name)
    chunks: list[Chunk] = sorted(ours.shelf(_CHUNKS).values(), key=lambda chunk: chunk.chunk_id)
    for chunk in chunks:
        row = documents.get(chunk.document_id)
        if row is None or row.workspace_id != workspace_id or chunk.workspace_id != workspace_id:
            continue
        if row.deleted_at is None and row.searchable and row.version == chunk.version:
            yield chunk, row


def _passes(row: DocumentRow, given: SearchFilter | None) -> bool:
    if given is None:
        return True
    if given.document_ids is not None and row.id not in given.document_ids:
        return False
    if given.tags is not None and not set(given.tags) & set(row.tags):
        return False
    paths = None if given.paths is None else [path.rstrip("/") for path in given.paths]
    return paths is None or any(not path or row.path == path or row.path.startswith(path + "/") for path in paths)


def _remove(ours: MemoryTransaction, wanted: Sequence[tuple[int, str]]) -> int:
    for number, _ in wanted:
        ours.put(_VECTORS, str(number), None)
    for space_id in {space_id for _, space_id in wanted}:
        row: SpaceRow | None = ours.shelf(SPACES.name).get(space_id)
        if row is not None:
            ours.put(SPACES.name, space_id, structs.replace(row, removals=row.removals + 1))
    return len(wanted)
