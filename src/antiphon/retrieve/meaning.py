"""`Meaning`: a question's vectors, one for each embedder whose spaces are to be searched; and why there are none.

Before the store is read, for it waits: for the embedder, never longer than `query_timeout_s`. Used by hybrid.py.
Tests: tests/unit/retrieve/test_hybrid.py.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence

from msgspec import Struct

from antiphon.access.scope import Scope
from antiphon.core.errors import AntiphonError
from antiphon.models.embedders import NO_EMBEDDER, Embedders, OpenEmbedder
from antiphon.models.embedding import Vectors
from antiphon.storage.records.contract import Store, Transaction
from antiphon.storage.records.rows import INDEX_SETTINGS, SPACES, SpaceRow


class Asked(Struct, kw_only=True):
    """`spaces`: what to search, with the question's vector there. `notes`: what is left out, and why."""

    spaces: list[tuple[SpaceRow, Vectors]] = []
    notes: list[str] = []
    labels: list[str] = []


class Meaning:
    def __init__(self, store: Store, embedders: Embedders, *, query_timeout_s: float) -> None:
        self._store = store
        self._embedders = embedders
        self._query_timeout_s = query_timeout_s

    async def ask(self, scope: Scope, workspaces: Sequence[str], query: str) -> Asked:
        """Never raises for an embedder's failure: words are enough."""
        asked = Asked()
        if not self._embedders.ids or not workspaces:
            return asked
        serving = await self._store.read(lambda tx: _serving(tx, scope, workspaces))
        chosen: list[tuple[SpaceRow, OpenEmbedder]] = []
        for row in serving:
            opened = self._embedders.with_fingerprint(row.fingerprint.partition(".")[0])
            if opened is None:
                asked.notes.append(
                    f"The embedder of these vectors ({row.label}) does not answer; this search went by words only."
                )
            elif opened.space.covers(query):
                chosen.append((row, opened))
        vectors = await self._vectors({opened.id: opened for _, opened in chosen}, query, asked)
        for row, opened in chosen:
            vector = vectors.get(opened.id)
            if vector is not None and vector.dimension == row.dimension:
                asked.spaces.append((row, vector))
        asked.notes = list(dict.fromkeys(asked.notes))
        asked.labels = list(dict.fromkeys(row.label for row, _ in asked.spaces))
        return asked

    async def _vectors(self, embedders: Mapping[str, OpenEmbedder], query: str, asked: Asked) -> dict[str, Vectors]:
        async def one(opened: OpenEmbedder) -> Vectors | None:
            try:
                async with asyncio.timeout(self._query_timeout_s):
                    return await opened.embedder.embed_query(query)
            except TimeoutError:
                words = f"took longer than {self._query_timeout_s:g} s"
            except AntiphonError as error:
                words = error.message.rstrip(".")
            asked.notes.append(f"{opened.embedder.name} gave no vector for the question ({words}); words alone decided.")
            return None

        found = await asyncio.gather(*(one(opened) for opened in embedders.values()))
        return {key: vector for key, vector in zip(embedders, found, strict=True) if vector is not None}


def _serving(tx: Transaction, scope: Scope, workspaces: Sequence[str]) -> list[SpaceRow]:
    rows = tx.find(SPACES, scope, {"workspace_id": ("in", list(workspaces)), "state": "serving"})
    return [row for row in rows if not _is_off(tx, scope, row.workspace_id)]


def _is_off(tx: Transaction, scope: Scope, workspace_id: str) -> bool:
    row = tx.get(INDEX_SETTINGS, scope, workspace_id)
    return row is not None and row.embedder == NO_EMBEDDER
