"""`recipe_of`: what the chunks of a document are made by: versions of our code, and the sizes its workspace wants.

A document whose recipe differs from its workspace's is re-indexed (reindexing.py). Tests: tests/integration/test_reindexing.py.
"""

from __future__ import annotations

from antiphon.access.scope import Scope
from antiphon.config.settings import Ingest
from antiphon.ingest.chunker import CHUNKER_VERSION, ChunkRules
from antiphon.ingest.pdf_text_version import MENDING_VERSION
from antiphon.storage.lexical import tokens
from antiphon.storage.records.contract import Transaction
from antiphon.storage.records.rows import INDEX_SETTINGS, IndexSettingsRow


def recipe_of(rules: ChunkRules) -> str:
    return f"{CHUNKER_VERSION}/{tokens.TOKENISER_VERSION}/{MENDING_VERSION}/{rules.characters}/{rules.overlap_characters}"


def index_settings(transaction: Transaction, scope: Scope, workspace_id: str) -> IndexSettingsRow:
    """The workspace's own; all None when nothing was set."""
    row = transaction.get(INDEX_SETTINGS, scope, workspace_id)
    return row or IndexSettingsRow(id=workspace_id, workspace_id=workspace_id)


def rules_of(settings: IndexSettingsRow, shipped: Ingest) -> ChunkRules:
    """The workspace's sizes, the server's where it has none. An overlap is less than half of a chunk."""
    characters = settings.chunk_characters or shipped.chunk_characters
    overlap = shipped.overlap_characters if settings.overlap_characters is None else settings.overlap_characters
    return ChunkRules(characters=characters, overlap_characters=min(overlap, characters // 2))
