"""`WordEmbedder` and `WordReranker`: fakes that keep their contracts, for tests of what stands on them and for plug-in authors.

A text's vector is made of its words and, in Chinese, its characters; words of one meaning (`SAME`) have one place in it, so that a
test can ask by meaning what is not there by word. Conformance: tests/conformance/test_embedder.py, test_reranker.py.
"""

from __future__ import annotations

import asyncio
import re
import zlib
from collections.abc import Sequence
from typing import Final

from antiphon.core.errors import AntiphonError
from antiphon.models.embedding import EmbeddingSpace, Vectors, unit_vectors

SAME: Final = {"automobile": "car", "vehicle": "car", "physician": "doctor", "轿": "车", "医": "大"}
_WORDS: Final = re.compile(r"[a-z0-9]+|[\u4e00-\u9fff]")


def word_vector(text: str, dimension: int = 64) -> list[float]:
    """Never zero."""
    values = [0.0] * dimension
    values[0] = 0.05
    words: list[str] = _WORDS.findall(text.lower())
    for word in words:
        values[zlib.crc32(SAME.get(word, word).encode()) % dimension] += 1.0
    return values


class WordEmbedder:
    """See models.embedding.Embedder. `failing`: what every call raises while it is set. `gate`: documents wait for it."""

    def __init__(self, *, model: str = "words", dimension: int = 64, languages: list[str] | None = None) -> None:
        self._space = EmbeddingSpace(model=model, dimension=dimension, languages=languages)
        self.failing: AntiphonError | None = None
        self.gate: asyncio.Event | None = None
        self.documents: list[str] = []
        self.queries: list[str] = []
        self.closed = False

    @property
    def name(self) -> str:
        return f"{self._space.model} of the tests"

    @property
    def space(self) -> EmbeddingSpace | None:
        return self._space

    async def open(self) -> EmbeddingSpace:
        self._demand()
        return self._space

    async def embed_documents(self, texts: Sequence[str]) -> Vectors:
        if self.gate is not None:
            await self.gate.wait()
        self._demand()
        self.documents += texts
        return self._vectors(texts)

    async def embed_query(self, text: str) -> Vectors:
        self._demand()
        self.queries.append(text)
        return self._vectors([text])

    async def close(self) -> None:
        self.closed = True

    def _demand(self) -> None:
        if self.failing is not None:
            raise self.failing

    def _vectors(self, texts: Sequence[str]) -> Vectors:
        dimension = self._space.dimension
        if not texts:
            return Vectors(dimension=dimension, data=b"")
        return unit_vectors([word_vector(text, dimension) for text in texts], source=self.name)


class WordReranker:
    """See models.embedding.Reranker: a text scores by the share of the question's words it holds. `failing` as above; `gate`: every
    call waits for it."""

    def __init__(self) -> None:
        self.failing: AntiphonError | None = None
        self.gate: asyncio.Event | None = None

    @property
    def name(self) -> str:
        return "reranker of the tests"

    async def scores(self, query: str, texts: Sequence[str]) -> list[float]:
        if self.gate is not None:
            await self.gate.wait()
        if self.failing is not None:
            raise self.failing
        words = set(_WORDS.findall(query.lower()))
        return [len(words & set(_WORDS.findall(text.lower()))) / max(1, len(words)) for text in texts]

    async def close(self) -> None:
        return
