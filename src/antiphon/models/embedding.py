"""`Embedder` and `Reranker`: contracts for what turns text into vectors, and for what orders passages anew. Pure.

Backends: embedding_endpoint.py, rerank_endpoint.py (HTTP), onnx/ (a folder on this machine). Used by ingest (documents) and
retrieve (questions). Conformance: antiphon.testing.conformance.embedder, .reranker. Subsystem: docs/subsystems/retrieval.md.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from hashlib import sha256
from typing import TYPE_CHECKING, Final, Protocol

import msgspec
from msgspec import Struct

from antiphon.core.errors import ModelError
from antiphon.core.lazy_module import LazyModule

if TYPE_CHECKING:
    import numpy as np
else:
    np = LazyModule("numpy")  # takes 0.1 s to load; a server without an embedder never does

FLOAT32_BYTES: Final = 4
MOST_DIMENSIONS: Final = 8192
_CJK: Final = re.compile("[\u3040-\u30ff\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7a3\uf900-\ufaff\U00020000-\U0003134f]")
_LETTER: Final = re.compile(r"[^\W\d_]")
_CJK_LANGUAGES: Final = frozenset({"zh", "ja", "ko", "yue", "wuu"})
_CJK_SHARE: Final = 0.3
"""A text is CJK from this share of its letters on: a Chinese sentence with an English product name is one."""


class EmbeddingSpace(Struct, frozen=True, kw_only=True):
    """What makes vectors comparable: two texts may be compared only when all of this is equal. `languages`: codes of those the
    model knows; None: any. `revision`: hash of a local model's files."""

    model: str
    dimension: int
    languages: list[str] | None = None
    pooling: str = ""
    query_prefix: str = ""
    document_prefix: str = ""
    revision: str = ""

    @property
    def fingerprint(self) -> str:
        return sha256(msgspec.json.encode(self, order="sorted")).hexdigest()[:32]

    def covers(self, text: str) -> bool:
        """Whether the model may say anything about the text: one that never learnt Chinese must not vote on it."""
        if self.languages is None:
            return True
        known = {language.partition("-")[0].lower() for language in self.languages}
        return bool(known & _CJK_LANGUAGES) if is_cjk(text) else bool(known - _CJK_LANGUAGES)


class Vectors(Struct, frozen=True, kw_only=True):
    """`data`: `count` rows of `dimension` float32, little-endian, each of length 1."""

    dimension: int
    data: bytes

    @property
    def count(self) -> int:
        return len(self.data) // (FLOAT32_BYTES * self.dimension) if self.dimension else 0

    def halves(self) -> list[bytes]:
        """Each row as float16, little-endian: what storage/vectors keeps."""
        packed = np.frombuffer(self.data, dtype="<f4").astype("<f2").tobytes()
        size = 2 * self.dimension
        return [packed[start : start + size] for start in range(0, len(packed), size)]


class Embedder(Protocol):
    @property
    def name(self) -> str:
        """For people: model and where it runs. Never holds a key."""
        ...

    @property
    def space(self) -> EmbeddingSpace | None:
        """None until `open` has succeeded once."""
        ...

    async def open(self) -> EmbeddingSpace:
        """Finds out what the vectors are (asks the server, reads the folder). May be called again after a failure."""
        ...

    async def embed_documents(self, texts: Sequence[str]) -> Vectors:
        """One vector for each text, in order; of any number of texts. Does not depend on which texts come together.

        Raises ModelUnavailable, ModelError, RateLimited, Timeout; cancelling ends the request."""
        ...

    async def embed_query(self, text: str) -> Vectors:
        """One vector. Goes before waiting documents. Raises as `embed_documents`."""
        ...

    async def close(self) -> None: ...


class Reranker(Protocol):
    @property
    def name(self) -> str: ...

    async def scores(self, query: str, texts: Sequence[str]) -> list[float]:
        """How well each text answers the query, in the order of the texts; higher is better. Raises as an embedder."""
        ...

    async def close(self) -> None: ...


def is_cjk(text: str) -> bool:
    """Whether the text is written in Chinese, Japanese or Korean, mainly."""
    letters = len(_LETTER.findall(text))
    return bool(letters) and len(_CJK.findall(text)) >= _CJK_SHARE * letters


def unit_vectors(rows: Sequence[Sequence[float]], *, source: str, dimension: int | None = None) -> Vectors:
    """Rows as they came from a model, made length 1. Raises ModelError for other dimensions, rows of nothing, or no numbers."""
    wanted = dimension or (len(rows[0]) if rows else 0)
    wrong = next((len(row) for row in rows if len(row) != wanted), None)
    if wrong is not None or (rows and not 0 < wanted <= MOST_DIMENSIONS):
        raise ModelError(
            f"{source} gave a vector of {wanted if wrong is None else wrong} numbers where {dimension or 'some'} were expected. "
            "Was its model changed? Restart the server, and the documents are embedded anew."
        )
    values = np.asarray(rows, dtype=np.float64).reshape(len(rows), wanted)
    norms = np.linalg.norm(values, axis=1, keepdims=True)
    if not np.isfinite(norms).all() or (norms == 0.0).any():
        raise ModelError(f"{source} gave a vector that is zero, or holds something that is no number.")
    return Vectors(dimension=wanted, data=(values / norms).astype("<f4").tobytes())


def joined(parts: Sequence[Vectors]) -> Vectors:
    """All rows in order; the parts have one dimension."""
    return Vectors(dimension=parts[0].dimension if parts else 0, data=b"".join(part.data for part in parts))


def batched(texts: Sequence[str], *, most: int, characters: int) -> list[list[str]]:
    """In order, at most `most` texts and about `characters` characters together; a longer text goes alone."""
    batches: list[list[str]] = []
    size = 0
    for text in texts:
        if not batches or len(batches[-1]) >= most or size + len(text) > characters:
            batches.append([])
            size = 0
        batches[-1].append(text)
        size += len(text)
    return batches
