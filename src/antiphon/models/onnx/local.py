"""`LocalEmbedder` and `LocalReranker`: the contracts of models/embedding.py over a model's folder and its process.

Made by embedder_choice.py. Tests: tests/integration/test_local_models.py, tests/conformance/test_embedder.py, test_reranker.py.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Final

from antiphon.core.errors import Internal
from antiphon.core.runtime import Runtime
from antiphon.models.embedding import EmbeddingSpace, Vectors, batched, joined
from antiphon.models.onnx.folder import ModelFolder, read_model_folder
from antiphon.models.onnx.process import ModelProcess
from antiphon.models.onnx.wire import Open, Rank, Scored, Vectorise, Vectorised

DOCUMENTS_AT_ONCE: Final = 8
"""A question waits for one such request at most."""
_CHARACTERS_AT_ONCE: Final = 16_000

Find = Callable[[], Awaitable[Path]]
"""Where the folder is; may fetch it first. Raises BadRequest, ModelUnavailable when it is nowhere."""


class LocalEmbedder:
    """See models.embedding.Embedder."""

    def __init__(
        self, find: Find, runtime: Runtime, *, memory_bytes: int, timeout_s: float = 60.0, label: str = "local model"
    ) -> None:
        self._find = find
        self._runtime = runtime
        self._memory_bytes = memory_bytes
        self._timeout_s = timeout_s
        self._label = label
        self._folder: ModelFolder | None = None
        self._space: EmbeddingSpace | None = None
        self.process: ModelProcess | None = None

    @property
    def name(self) -> str:
        return f"{self._folder.name if self._folder else self._label} on this machine"

    @property
    def space(self) -> EmbeddingSpace | None:
        return self._space

    async def open(self) -> EmbeddingSpace:
        if self._space is None:
            path = await self._find()
            self._folder = folder = await asyncio.to_thread(read_model_folder, path)
            order = Open(folder=folder, memory_bytes=self._memory_bytes, pooled=True)
            if self.process is not None:
                await self.process.close()
            self.process = ModelProcess(order, self._runtime, timeout_s=self._timeout_s)
            opened = await self.process.open()
            self._space = EmbeddingSpace(
                model=folder.name, dimension=opened.dimension, languages=opened.languages, pooling=folder.pooling,
                query_prefix=folder.query_prefix, document_prefix=folder.document_prefix, revision=folder.revision,
            )  # fmt: skip
        return self._space

    async def embed_documents(self, texts: Sequence[str]) -> Vectors:
        space = await self.open()
        given = [space.document_prefix + text for text in texts]
        batches = batched(given, most=DOCUMENTS_AT_ONCE, characters=_CHARACTERS_AT_ONCE)
        return joined([await self._vectors(batch, urgent=False) for batch in batches])

    async def embed_query(self, text: str) -> Vectors:
        space = await self.open()
        return await self._vectors([space.query_prefix + text], urgent=True)

    async def close(self) -> None:
        if self.process is not None:
            await self.process.close()

    async def _vectors(self, texts: list[str], *, urgent: bool) -> Vectors:
        assert self.process is not None
        reply = await self.process.ask(Vectorise(texts=texts), urgent=urgent)
        if not isinstance(reply, Vectorised):
            raise Internal("The process of the local model gave scores for vectors.")
        return Vectors(dimension=reply.dimension, data=reply.data)


class LocalReranker:
    """See models.embedding.Reranker. Its process starts with the first question."""

    def __init__(self, folder: Path, runtime: Runtime, *, memory_bytes: int, timeout_s: float = 30.0) -> None:
        self._path = folder
        self._runtime = runtime
        self._memory_bytes = memory_bytes
        self._timeout_s = timeout_s
        self._process: ModelProcess | None = None

    @property
    def name(self) -> str:
        return f"{self._path.name} on this machine"

    async def scores(self, query: str, texts: Sequence[str]) -> list[float]:
        if not texts:
            return []
        if self._process is None:
            folder = await asyncio.to_thread(read_model_folder, self._path, pooled=False)
            order = Open(folder=folder, memory_bytes=self._memory_bytes, pooled=False)
            self._process = self._process or ModelProcess(order, self._runtime, timeout_s=self._timeout_s)
        reply = await self._process.ask(Rank(query=query, texts=list(texts)), urgent=True)
        if not isinstance(reply, Scored):
            raise Internal("The process of the local model gave vectors for scores.")
        return reply.scores

    async def close(self) -> None:
        if self._process is not None:
            await self._process.close()
