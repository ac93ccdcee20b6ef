"""`EndpointEmbedder`: vectors from an OpenAI-compatible `POST {base}/embeddings`, in batches, with back-off.

Made by embedders.py. Tests: tests/unit/models/test_embedding_endpoint.py, tests/integration/test_embedding_endpoint.py,
tests/conformance/test_embedder.py.
"""

from __future__ import annotations

import asyncio
import base64
import struct
from collections.abc import Sequence
from typing import Any, Final

import msgspec
from msgspec import Struct

from antiphon.core.errors import ModelError
from antiphon.models.embedding import FLOAT32_BYTES, EmbeddingSpace, Vectors, batched, joined, unit_vectors
from antiphon.models.json_endpoint import JsonEndpoint

_PROBE: Final = "Antiphon asks how long a vector is."
_QUERY_RETRIES: Final = 0
"""A question is not kept waiting: without its vector it is searched by words."""


class EmbedRules(Struct, frozen=True, kw_only=True):
    """How an endpoint wants its texts. `languages` None: any."""

    model: str
    batch: int = 64
    batch_characters: int = 60_000
    query_prefix: str = ""
    document_prefix: str = ""
    languages: list[str] | None = None


class _Row(Struct):
    embedding: list[float] | str
    index: int = -1


class _Answer(Struct):
    data: list[_Row]


_DECODER: Final = msgspec.json.Decoder(_Answer)


class EndpointEmbedder:
    """See models.embedding.Embedder. The dimension is asked for once, and every later vector must have it."""

    def __init__(self, endpoint: JsonEndpoint, rules: EmbedRules) -> None:
        self._endpoint = endpoint
        self._rules = rules
        self._space: EmbeddingSpace | None = None

    @property
    def name(self) -> str:
        return f"{self._rules.model} at {self._endpoint.server_name}"

    @property
    def space(self) -> EmbeddingSpace | None:
        return self._space

    async def open(self) -> EmbeddingSpace:
        if self._space is None:
            probe = await self._request([_PROBE], dimension=None, retries=_QUERY_RETRIES)
            rules = self._rules
            self._space = EmbeddingSpace(
                model=rules.model, dimension=probe.dimension, languages=rules.languages, query_prefix=rules.query_prefix,
                document_prefix=rules.document_prefix,
            )  # fmt: skip
        return self._space

    async def embed_documents(self, texts: Sequence[str]) -> Vectors:
        space = await self.open()
        given = [self._rules.document_prefix + text for text in texts]
        batches = batched(given, most=self._rules.batch, characters=self._rules.batch_characters)
        return joined([await self._request(batch, dimension=space.dimension, retries=None) for batch in batches])

    async def embed_query(self, text: str) -> Vectors:
        space = await self.open()
        return await self._request([self._rules.query_prefix + text], dimension=space.dimension, retries=_QUERY_RETRIES)

    async def close(self) -> None:
        await self._endpoint.close()

    async def _request(self, texts: list[str], *, dimension: int | None, retries: int | None) -> Vectors:
        server = self._endpoint.server_name
        # An empty text is refused by most servers; a chunk is never empty, but may be white space once its marks are gone.
        body: dict[str, Any] = {"model": self._rules.model, "input": [text if text.strip() else "-" for text in texts]}
        content = await self._endpoint.post("/embeddings", body, model=self._rules.model, retries=retries)
        # 64 vectors of 1,536 numbers take 20 ms to read: not in the loop's thread
        return await asyncio.to_thread(_vectors, content, len(texts), server, dimension)


def _vectors(content: bytes, count: int, server: str, dimension: int | None) -> Vectors:
    try:
        rows = _DECODER.decode(content).data
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise ModelError(f"The model server at {server} gave no readable embeddings. Is its address right?") from None
    if len(rows) != count:
        raise ModelError(f"The model server at {server} gave {len(rows)} embeddings for {count} texts.")
    if sorted(row.index for row in rows) == list(range(len(rows))):
        rows.sort(key=lambda row: row.index)
    elif any(row.index >= 0 for row in rows):
        raise ModelError(f"The model server at {server} numbered its embeddings in a way that fits no order.")
    numbers = [_numbers(row.embedding, server) for row in rows]
    return unit_vectors(numbers, source=f"The model server at {server}", dimension=dimension)


def _numbers(embedding: list[float] | str, server: str) -> Sequence[float]:
    """Numbers, or base64 of float32 (what some servers send whatever they are asked for)."""
    if not isinstance(embedding, str):
        return embedding
    try:
        raw = base64.b64decode(embedding, validate=True)
        return struct.unpack(f"<{len(raw) // FLOAT32_BYTES}f", raw)
    except (ValueError, struct.error):
        raise ModelError(f"The model server at {server} gave an embedding that is neither numbers nor base64 of them.") from None
