"""`VectorStore`: contract for the vectors of chunks, as float16, in the store of record. Backends: sqlite.py, memory.py.

Vectors belong to a space (one embedder's, in one workspace; rows of `SPACES`). They are written behind the lexical index, in the
transaction that looks whether their chunks are still wanted, and removed before the chunks are. What searches them is derived
from here (retrieve/dense) and joined to the live chunks. Conformance: antiphon.testing.conformance.vectors.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from msgspec import Struct

from antiphon.access.scope import Scope
from antiphon.storage.lexical.contract import Chunk, SearchFilter
from antiphon.storage.records.contract import Transaction


class StoredVector(Struct, frozen=True, kw_only=True):
    """`id`: rises with every vector of the store, never used again. `half`: `dimension` float16, little-endian."""

    id: int
    chunk_id: int
    document_id: str
    half: bytes


class SpaceState(Struct, frozen=True, kw_only=True):
    """`last_id`: of its newest vector (0: none). `removals` rises whenever some of its vectors were removed."""

    last_id: int
    removals: int


class Missing(Struct, frozen=True, kw_only=True):
    """A live chunk without a vector in the space. `text` is what is to be embedded: headings, then the text itself."""

    chunk_id: int
    document_id: str
    version: int
    text: str


class VectorStore(Protocol):
    def add(self, transaction: Transaction, space_id: str, vectors: Sequence[tuple[int, bytes]]) -> int:
        """(chunk id, float16 bytes) each. Passed over: chunks that are gone, or have a vector in the space; the number added."""
        ...

    def remove(self, transaction: Transaction, document_id: str, *, version: int | None = None, limit: int | None = None) -> int:
        """Up to `limit` vectors of the document's chunks, of one version or of all, in all spaces; the number removed."""
        ...

    def remove_space(self, transaction: Transaction, space_id: str, *, limit: int) -> int:
        """Up to `limit` vectors of the space; the number removed."""
        ...

    def missing(
        self,
        transaction: Transaction,
        space_id: str,
        workspace_id: str,
        *,
        document_id: str | None = None,
        after: int = 0,
        limit: int,
    ) -> list[Missing]:
        """Live chunks of the workspace (or of one document) without a vector there, by chunk id, from behind `after` on."""
        ...

    def load(self, transaction: Transaction, space_id: str, *, after: int, limit: int) -> list[StoredVector]:
        """Vectors of the space by id, from behind `after` on, those of chunks that are not live any more included."""
        ...

    def ids(self, transaction: Transaction, space_id: str) -> list[int]:
        """The ids of all its vectors, rising."""
        ...

    def state(self, transaction: Transaction, space_id: str) -> SpaceState: ...

    def counts(self, transaction: Transaction, space_id: str, workspace_id: str) -> tuple[int, int]:
        """(vectors of the space, live chunks of the workspace)."""
        ...

    def documents(
        self,
        transaction: Transaction,
        scope: Scope,
        workspace_id: str,
        filter: SearchFilter | None,  # noqa: A002
    ) -> list[str]:
        """The live documents that the filter lets through. [] for a workspace out of scope."""
        ...

    def live(self, transaction: Transaction, scope: Scope, workspace_id: str, chunk_ids: Sequence[int]) -> dict[int, Chunk]:
        """Those of the chunks that are live, by id: what a search in memory found becomes visible through this only."""
        ...

    def statistics(self, transaction: Transaction) -> dict[str, Any]:
        """Counts for `doctor --storage`, orphans included."""
        ...
