"""The suites of `Embedder` and `Reranker`. Fixtures: `embedder`, `reranker`, of any model."""

from __future__ import annotations

import math
import struct

from antiphon.models.embedding import Embedder, Reranker, Vectors

_TEXTS = [
    "The car is in the garage.",
    "产品的保修期是两年。",
    "A",
    "The doctor writes a long report about " + "the patient, " * 40,
]


def rows_of(vectors: Vectors) -> list[tuple[float, ...]]:
    size = 4 * vectors.dimension
    return [struct.unpack(f"<{vectors.dimension}f", vectors.data[n : n + size]) for n in range(0, len(vectors.data), size)]


def cosine(a: tuple[float, ...], b: tuple[float, ...]) -> float:
    return sum(x * y for x, y in zip(a, b, strict=True))


class EmbedderSuite:
    async def test_a_vector_for_each_text_in_order_of_length_one(self, embedder: Embedder) -> None:
        space = await embedder.open()
        vectors = await embedder.embed_documents(_TEXTS)
        assert (vectors.count, vectors.dimension) == (len(_TEXTS), space.dimension)
        assert all(math.isclose(cosine(row, row), 1.0, abs_tol=1e-4) for row in rows_of(vectors))
        alone = [rows_of(await embedder.embed_documents([text]))[0] for text in _TEXTS]
        assert all(cosine(*pair) > 0.9999 for pair in zip(rows_of(vectors), alone, strict=True)), "it depends on its batch mates"

    async def test_many_texts_come_back_in_order(self, embedder: Embedder) -> None:
        await embedder.open()
        texts = [f"number {n} of the list" for n in range(150)]
        rows = rows_of(await embedder.embed_documents(texts))
        assert len(rows) == 150
        (last,) = rows_of(await embedder.embed_documents([texts[149]]))
        assert cosine(rows[149], last) > 0.9999

    async def test_a_question_has_one_vector_of_the_same_space(self, embedder: Embedder) -> None:
        space = await embedder.open()
        vectors = await embedder.embed_query("Where is the car?")
        assert (vectors.count, vectors.dimension) == (1, space.dimension)

    async def test_opening_twice_gives_the_same_space(self, embedder: Embedder) -> None:
        first = await embedder.open()
        assert (await embedder.open()).fingerprint == first.fingerprint
        assert embedder.space == first
        assert embedder.name

    async def test_no_text_at_all_is_no_vector(self, embedder: Embedder) -> None:
        await embedder.open()
        assert (await embedder.embed_documents([])).count == 0

    async def test_odd_texts_have_vectors_too(self, embedder: Embedder) -> None:
        await embedder.open()
        vectors = await embedder.embed_documents(["   ", "\u0000\ufeff", "😀" * 2000, "x" * 50_000])
        assert vectors.count == 4


class RerankerSuite:
    async def test_a_score_for_each_text_in_order(self, reranker: Reranker) -> None:
        texts = ["the cat sat", "where is the red car", "nothing of it"]
        scores = await reranker.scores("where is the red car", texts)
        assert len(scores) == 3
        assert max(range(3), key=scores.__getitem__) == 1
        backwards = await reranker.scores("where is the red car", texts[::-1])
        assert all(math.isclose(a, b, abs_tol=1e-4) for a, b in zip(scores, backwards[::-1], strict=True))

    async def test_no_text_needs_no_score(self, reranker: Reranker) -> None:
        assert await reranker.scores("anything", []) == []
