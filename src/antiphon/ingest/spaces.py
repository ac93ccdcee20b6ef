"""`VectorSpaces`: which spaces a workspace has, and which one its embedder needs. Inside transactions of the caller's.

One space serves; when another embedder is chosen, its space is built beside it and takes its place whole. Used by embedding.py,
reindexing.py. Tests: tests/integration/test_reindexing.py, test_dense_ingestion.py.
"""

from __future__ import annotations

from typing import NamedTuple

from msgspec import to_builtins

from antiphon.access.scope import Scope
from antiphon.core.runtime import Runtime
from antiphon.ingest.recipes import index_settings
from antiphon.models.embedders import NO_EMBEDDER, Embedders, OpenEmbedder
from antiphon.storage.records.contract import Transaction
from antiphon.storage.records.rows import SPACES, SpaceRow
from antiphon.storage.vectors.embedded_text import space_key


class Target(NamedTuple):
    """A space that takes new vectors, and who makes them."""

    space: SpaceRow
    opened: OpenEmbedder


class VectorSpaces:
    """Without state."""

    def __init__(self, embedders: Embedders, runtime: Runtime, scope: Scope) -> None:
        self._embedders = embedders
        self._runtime = runtime
        self._scope = scope

    def ensure(self, tx: Transaction, workspace_id: str) -> SpaceRow | None:
        """The space of the workspace's embedder, made when it is not there; None: no embedder, or it does not answer yet.

        The first one serves at once; a later one is `building`, and so is one that was left and is wanted again."""
        setting = index_settings(tx, self._scope, workspace_id).embedder
        opened = self._embedders.choose(setting)
        if opened is None:
            return None
        key = space_key(opened.space.fingerprint)
        rows = self.rows(tx, workspace_id)
        serving = any(row.state == "serving" for row in rows)
        present = next((row for row in rows if row.fingerprint == key), None)
        if present is None:
            present = SpaceRow(
                id=self._runtime.ids.new("space"), workspace_id=workspace_id, embedder=opened.id, label=opened.embedder.name,
                fingerprint=key, dimension=opened.space.dimension, embedding=to_builtins(opened.space),
                state="building" if serving else "serving", created_at=self._runtime.clock.now(),
            )  # fmt: skip
            tx.insert(SPACES, present)
        elif present.state == "leaving":
            tx.update(SPACES, self._scope, present.id, state="building" if serving else "serving")
        return tx.get(SPACES, self._scope, present.id)

    def wanted(self, tx: Transaction, workspace_id: str) -> SpaceRow | None:
        """As `ensure`, making nothing."""
        opened = self._embedders.choose(index_settings(tx, self._scope, workspace_id).embedder)
        if opened is None:
            return None
        key = space_key(opened.space.fingerprint)
        return next((row for row in self.rows(tx, workspace_id) if row.fingerprint == key), None)

    def is_wanting(self, tx: Transaction, workspace_id: str) -> bool:
        """Whether an embedder answers whose space is not there yet."""
        opened = self._embedders.choose(index_settings(tx, self._scope, workspace_id).embedder)
        return opened is not None and self.wanted(tx, workspace_id) is None

    def targets(self, tx: Transaction, workspace_id: str) -> list[Target]:
        """Spaces that new chunks go into: the serving one, and the one that is being built; those whose embedder answers."""
        found: list[Target] = []
        if self.is_off(tx, workspace_id):
            return found
        for row in self.rows(tx, workspace_id):
            opened = self.embedder_of(row)
            if row.state != "leaving" and opened is not None:
                found.append(Target(row, opened))
        return found

    def embedder_of(self, row: SpaceRow) -> OpenEmbedder | None:
        return self._embedders.with_fingerprint(row.fingerprint.partition(".")[0])

    def is_off(self, tx: Transaction, workspace_id: str) -> bool:
        return index_settings(tx, self._scope, workspace_id).embedder == NO_EMBEDDER

    def rows(self, tx: Transaction, workspace_id: str) -> list[SpaceRow]:
        return tx.find(SPACES, self._scope, {"workspace_id": workspace_id}, order="created_at")
