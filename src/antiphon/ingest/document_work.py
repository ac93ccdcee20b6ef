"""`DocumentWork`: everything that works on a document, as the library stops it: reading it, and making its vectors.

Tests: tests/integration/test_dense_ingestion.py.
"""

from __future__ import annotations

from antiphon.ingest.embedding_workers import EmbeddingWorkers
from antiphon.ingest.workers import IngestWorkers


class DocumentWork:
    """See library.documents.IngestControl."""

    def __init__(self, reading: IngestWorkers, embedding: EmbeddingWorkers) -> None:
        self._reading = reading
        self._embedding = embedding

    def use_password(self, document_id: str, password: str) -> None:
        self._reading.use_password(document_id, password)

    async def cancel(self, document_id: str) -> int:
        self._embedding.stop(document_id)
        return await self._reading.cancel(document_id)

    def stop(self, document_id: str) -> None:
        self._embedding.stop(document_id)
        self._reading.stop(document_id)

    async def overtaken(self, document_id: str, version: int) -> None:
        await self._reading.overtaken(document_id, version)
