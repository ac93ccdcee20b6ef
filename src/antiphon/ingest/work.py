"""`Work`: one run of an ingestion job on one version of a document, and whether that version is still wanted.

Used by pipeline.py and light.py. Tests: tests/integration/test_ingest_versions.py.
"""

from __future__ import annotations

from pathlib import PurePath

from msgspec import Struct

from antiphon.ingest.chunker import ChunkRules
from antiphon.ingest.recipes import recipe_of
from antiphon.storage.jobs.contract import Job
from antiphon.storage.records.rows import DocumentRow, ReplacementRow


class DocumentGone(Exception):
    """The document was deleted, or its version overtaken, while the job ran: nothing is left to do, and nothing to tell."""


class Work(Struct, kw_only=True):
    """What a run carries from step to step. `fresh`: the version is the document's own, shown while it grows. `copies`: the
    version whose stored pages it is made from again (re-indexing); None: from the file."""

    job: Job
    document: DocumentRow
    version: int
    sha256: str
    rules: ChunkRules
    replacement: ReplacementRow | None = None

    @property
    def recipe(self) -> str:
        """What its chunks are made by."""
        return recipe_of(self.rules)

    @property
    def copies(self) -> int | None:
        version = self.job.payload.get("copies")
        return None if version is None else int(version)

    @property
    def fresh(self) -> bool:
        return self.version == self.document.version

    @property
    def name(self) -> str:
        return self.document.name if self.fresh or self.replacement is None else self.replacement.name

    @property
    def stem(self) -> str:
        """The title of a document that has none."""
        return PurePath(self.name).stem

    def demand_current(self, row: DocumentRow | None, replacement: ReplacementRow | None) -> None:
        """Raises DocumentGone for a deleted document and for a version that is not the one wanted now."""
        if row is None or row.deleted_at is not None:
            raise DocumentGone
        wanted = row.version if replacement is None else replacement.version
        if self.version != wanted:
            raise DocumentGone


def version_of(job: Job, row: DocumentRow) -> int:
    """The version that the job makes."""
    return int(job.payload.get("version") or row.version)
