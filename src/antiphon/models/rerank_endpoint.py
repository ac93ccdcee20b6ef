"""`EndpointReranker`: scores from `POST {base}/rerank`, in the shapes of Cohere, Jina, vLLM and text-embeddings-inference.

Made by embedders.py. Tests: tests/unit/models/test_rerank_endpoint.py, tests/conformance/test_reranker.py.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Final

import msgspec
from msgspec import Struct

from antiphon.core.errors import ModelError
from antiphon.models.json_endpoint import JsonEndpoint


class _Row(Struct):
    index: int
    relevance_score: float | None = None
    score: float | None = None


class _Answer(Struct):
    results: list[_Row] | None = None
    data: list[_Row] | None = None


_DECODER: Final[msgspec.json.Decoder[_Answer | list[_Row]]] = msgspec.json.Decoder(_Answer | list[_Row])


class EndpointReranker:
    """See models.embedding.Reranker. One request, no second try: a person is waiting."""

    def __init__(self, endpoint: JsonEndpoint, *, model: str | None) -> None:
        self._endpoint = endpoint
        self._model = model
        self._field = "documents"  # Cohere's and Jina's word; text-embeddings-inference says `texts`

    @property
    def name(self) -> str:
        return f"{self._model or 'reranker'} at {self._endpoint.server_name}"

    async def scores(self, query: str, texts: Sequence[str]) -> list[float]:
        if not texts:
            return []
        server = self._endpoint.server_name
        try:
            content = await self._post(query, texts)
        except ModelError as error:
            if self._field == "texts" or "texts" not in error.message:
                raise
            self._field = "texts"
            content = await self._post(query, texts)
        try:
            answer: _Answer | list[_Row] = _DECODER.decode(content)
        except (msgspec.DecodeError, UnicodeDecodeError):
            raise ModelError(f"The model server at {server} gave no readable ranking. Is its address right?") from None
        rows = answer if isinstance(answer, list) else answer.results or answer.data or []
        found: list[float | None] = [None] * len(texts)
        for row in rows:
            score = row.relevance_score if row.relevance_score is not None else row.score
            if 0 <= row.index < len(texts) and score is not None and math.isfinite(score):
                found[row.index] = score
        if None in found:
            raise ModelError(f"The model server at {server} ranked {len(texts) - found.count(None)} of {len(texts)} texts.")
        return [score for score in found if score is not None]

    async def _post(self, query: str, texts: Sequence[str]) -> bytes:
        body: dict[str, Any] = {"query": query, self._field: list(texts)}
        if self._model:
            body["model"] = self._model
        return await self._endpoint.post("/rerank", body, model=self._model or "", retries=0)

    async def close(self) -> None:
        await self._endpoint.close()
