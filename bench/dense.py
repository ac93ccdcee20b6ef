"""Search by meaning at scale: memory, building, and the time of a question, words and vectors together.

    python bench/dense.py DATA FOLDER [--chunks 100000]     # hybrid: the corpus of bench/scale_corpus.py with vectors beside it
    python bench/dense.py - FOLDER --vectors 1000000         # vectors only

FOLDER keeps what was made, for the next time. Vectors are structured (2,000 topics and noise) and seeded; the question's embedding is
not counted: it is the operator's model's. Wall-clock and CPU times are both printed: on a busy machine only the latter mean something.
"""

from __future__ import annotations

import argparse
import asyncio
import importlib
import json
import random
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import scale_corpus

from antiphon.access.scope import system_scope
from antiphon.core.runtime import system_runtime
from antiphon.models.embedders import Embedders
from antiphon.models.embedding import EmbeddingSpace, Vectors
from antiphon.retrieve.dense.cache import DenseCache
from antiphon.retrieve.hybrid import HybridRetriever
from antiphon.retrieve.lexical import LexicalRetriever
from antiphon.retrieve.meaning import Meaning
from antiphon.storage.lexical.sqlite import SqliteLexicalIndex
from antiphon.storage.records.rows import SPACES, SpaceRow
from antiphon.storage.records.sqlite import SqliteStore
from antiphon.storage.sqlite.database import FILE_NAME, Database
from antiphon.storage.vectors.embedded_text import space_key
from antiphon.storage.vectors.sqlite import SqliteVectorStore

DIMENSION = 384
TOPICS = 2_000
NOISE = 0.7
EVERYTHING = system_scope("bench")
SPACE = EmbeddingSpace(model="bench", dimension=DIMENSION)
QUESTIONS = ("cmrc2018/qa.jsonl", "xquad/qa.zh.jsonl", "xquad/qa.en.jsonl")


class Topics:
    """`rows(numbers)`: the same number always has the same vector."""

    def __init__(self) -> None:
        self.centres = np.random.default_rng(7).standard_normal((TOPICS, DIMENSION), dtype=np.float32)
        self.centres /= np.linalg.norm(self.centres, axis=1, keepdims=True)

    def rows(self, first: int, count: int) -> np.ndarray[Any, np.dtype[np.float32]]:
        chance = np.random.default_rng(first)
        noise = chance.standard_normal((count, DIMENSION), dtype=np.float32)
        noise *= NOISE / np.linalg.norm(noise, axis=1, keepdims=True)
        rows = self.centres[chance.integers(0, TOPICS, count)] + noise
        return rows / np.linalg.norm(rows, axis=1, keepdims=True)


class Instant:
    """An embedder whose vectors cost nothing."""

    def __init__(self, topics: Topics) -> None:
        self._topics = topics
        self._asked = 0
        self.name, self.space = "instant", SPACE

    async def open(self) -> EmbeddingSpace:
        return SPACE

    async def embed_documents(self, texts: Sequence[str]) -> Vectors:
        raise NotImplementedError

    async def embed_query(self, text: str) -> Vectors:
        self._asked += 1
        return Vectors(dimension=DIMENSION, data=self._topics.rows(10**9 + self._asked, 1).tobytes())

    async def close(self) -> None:
        return


def space_row(vectors: int) -> SpaceRow:
    return SpaceRow(
        id="space_bench", workspace_id=scale_corpus.WORKSPACE, embedder="server", label=f"bench {vectors}",
        fingerprint=space_key(SPACE.fingerprint), dimension=DIMENSION, embedding={}, state="serving", created_at=0.0,
    )  # fmt: skip


def rss_bytes() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096


async def add_vectors(store: SqliteStore, topics: Topics) -> None:
    """To every chunk of the workspace, once."""

    def fill(connection: Any) -> int:
        (there,) = connection.execute("SELECT count(*) FROM vectors").fetchone()
        (last,) = connection.execute("SELECT coalesce(max(chunk_id), 0) FROM vectors").fetchone()
        chunks = connection.execute(
            "SELECT chunk_id, document_id FROM chunks WHERE chunk_id > ? ORDER BY chunk_id LIMIT 10000", (last,)
        ).fetchall()
        halves = topics.rows(there, len(chunks)).astype("<f2") if chunks else []
        connection.executemany(
            "INSERT INTO vectors (space_id, chunk_id, document_id, version, half) VALUES ('space_bench', ?, ?, 1, ?)",
            [(chunk[0], chunk[1], half.tobytes()) for chunk, half in zip(chunks, halves, strict=True)],
        )
        return len(chunks)

    while await store.database.submit(fill):
        pass

    def space(tx: Any) -> None:
        if tx.get(SPACES, EVERYTHING, "space_bench") is None:
            tx.insert(SPACES, space_row(0))

    await store.write(space)


async def bare_chunks(store: SqliteStore, count: int) -> None:
    """Chunks of a few bytes without lexical rows, for vectors alone."""

    def fill(connection: Any) -> bool:
        (there,) = connection.execute("SELECT count(*) FROM chunks").fetchone()
        if there >= count:
            return False
        document = f"doc-{there}"
        connection.execute(
            "INSERT INTO documents (id, workspace_id, name, path, tags, state, searchable, media_type, bytes, sha256, version, "
            "pages_ready, passages, title, outline, created_at, updated_at) "
            "VALUES (?, ?, 'd', '', '[]', 'ready', 1, 'text/plain', 1, '', 1, 1, 1, 'd', '[]', 0, 0)",
            (document, scale_corpus.WORKSPACE),
        )
        connection.executemany(
            'INSERT INTO chunks (document_id, workspace_id, version, ordinal, page, start, "end", text, heading_path, '
            "tokeniser_version, tokens) VALUES (?, ?, 1, ?, 1, 0, 1, 'x', '[]', '1', '')",
            [(document, scale_corpus.WORKSPACE, n) for n in range(5_000)],
        )
        return True

    while await store.database.submit(fill):
        pass


async def timed(questions: int, ask: Callable[[int], Any]) -> dict[str, float]:
    wall, cpu = [], []
    for n in range(questions):
        wall_s, cpu_s = time.perf_counter(), time.process_time()
        await ask(n)
        wall.append((time.perf_counter() - wall_s) * 1000)
        cpu.append((time.process_time() - cpu_s) * 1000)
    wall.sort()
    cpu.sort()
    return {
        "p50_ms": round(wall[len(wall) // 2], 2), "p99_ms": round(wall[int(len(wall) * 0.99)], 2),
        "cpu_p50_ms": round(cpu[len(cpu) // 2], 2), "cpu_p99_ms": round(cpu[int(len(cpu) * 0.99)], 2),
    }  # fmt: skip


async def loaded(store: SqliteStore) -> tuple[DenseCache, SpaceRow, dict[str, Any]]:
    cache = DenseCache(store, SqliteVectorStore(), system_runtime(), idle_s=0)
    cache.start()
    space = await store.read(lambda tx: tx.get(SPACES, EVERYTHING, "space_bench"))
    assert space is not None
    bare = rss_bytes()
    importlib.import_module("faiss")
    before, wall_s, cpu_s = rss_bytes(), time.perf_counter(), time.process_time()
    await cache.load(space)
    grown = rss_bytes() - before
    (kind, count) = cache.kinds[space.id]
    return cache, space, {
        "vectors": count, "kind": kind, "build_s": round(time.perf_counter() - wall_s, 1),
        "build_cpu_s": round(time.process_time() - cpu_s, 1), "rss_bytes_a_vector": round(grown / count), "library_bytes": before - bare,
    }  # fmt: skip


async def recall(store: SqliteStore, cache: DenseCache, space: SpaceRow, topics: Topics, total: int, k: int = 10) -> float:
    """Share of the true ten nearest that the matrix gives."""
    queries = topics.rows(2 * 10**9, 50)
    best: list[list[tuple[float, int]]] = [[] for _ in queries]
    position = 0
    while position < total:
        count = min(10_000, total - position)
        rows = topics.rows(position, count).astype(np.float16).astype(np.float32)
        scores = queries @ rows.T
        for n, line in enumerate(scores):
            nearest = np.argpartition(-line, k)[:k]
            best[n] = sorted([*best[n], *((float(line[i]), position + int(i)) for i in nearest)], reverse=True)[:k]
        position += count
    found = 0
    for n, query in enumerate(queries):
        asked = Vectors(dimension=DIMENSION, data=query.tobytes())
        ranking = await store.read(lambda tx, asked=asked: cache.search(tx, EVERYTHING, space, asked, k=k))
        numbers = await store.database.read(
            lambda c, ranking=ranking: [
                c.execute("SELECT id FROM vectors WHERE chunk_id = ?", (s.chunk.chunk_id,)).fetchone()[0] - 1
                for s in ranking.ranking
            ]
        )
        found += len({number for _, number in best[n]} & set(numbers))
    return round(found / (len(queries) * k), 4)


async def hybrid(data: Path, folder: Path, chunks: int, asked: int) -> dict[str, Any]:
    if not (folder / FILE_NAME).exists():
        folder.mkdir(parents=True, exist_ok=True)
        await scale_corpus.build(folder, data, chunks)
    runtime, topics = system_runtime(), Topics()
    store = SqliteStore(Database.open(folder / FILE_NAME, runtime=runtime))
    await add_vectors(store, topics)
    texts = [row["question"] for name in QUESTIONS for row in scale_corpus.rows(data / name)]
    texts = random.Random(7).sample(texts, asked)
    lexical = LexicalRetriever(store, SqliteLexicalIndex(), runtime)
    words = await timed(asked, lambda n: lexical.retrieve(EVERYTHING, [scale_corpus.WORKSPACE], texts[n], k=6))
    cache, space, built = await loaded(store)
    embedders = Embedders({"server": Instant(topics)}, runtime)
    await embedders.open_now()
    retriever = HybridRetriever(lexical, Meaning(store, embedders, query_timeout_s=5), cache, runtime)
    modes: set[str] = set()

    async def ask(n: int) -> None:
        modes.add((await retriever.retrieve(EVERYTHING, [scale_corpus.WORKSPACE], texts[n], k=6)).mode)

    both = await timed(asked, ask)

    async def dense(n: int) -> None:
        vector = Vectors(dimension=DIMENSION, data=topics.rows(3 * 10**9 + n, 1).tobytes())
        await store.read(lambda tx: cache.search(tx, EVERYTHING, space, vector, k=12))

    alone = await timed(asked, dense)
    result = {**built, "lexical": words, "hybrid": both, "dense": alone, "modes": sorted(modes), "questions": asked}
    result["recall@10"] = await recall(store, cache, space, topics, built["vectors"])
    await cache.close()
    await store.close()
    return result


async def vectors_only(folder: Path, count: int, asked: int) -> dict[str, Any]:
    folder.mkdir(parents=True, exist_ok=True)
    topics = Topics()
    store = SqliteStore(Database.open(folder / FILE_NAME, runtime=system_runtime()))
    await bare_chunks(store, count)
    await add_vectors(store, topics)
    cache, space, built = await loaded(store)

    async def ask(n: int) -> None:
        vector = Vectors(dimension=DIMENSION, data=topics.rows(3 * 10**9 + n, 1).tobytes())
        await store.read(lambda tx: cache.search(tx, EVERYTHING, space, vector, k=12))

    result = {**built, "dense": await timed(asked, ask), "questions": asked}
    result["recall@10"] = await recall(store, cache, space, topics, count)
    await cache.close()
    await store.close()
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--chunks", type=int, default=100_000)
    parser.add_argument("--vectors", type=int, default=0, help="vectors alone, so many")
    parser.add_argument("--questions", type=int, default=500)
    given = parser.parse_args()
    if given.vectors:
        print(json.dumps(asyncio.run(vectors_only(given.folder, given.vectors, given.questions))))
    elif given.data.is_dir():
        print(json.dumps(asyncio.run(hybrid(given.data, given.folder, given.chunks, given.questions))))
    else:
        sys.exit(f"There is no folder {given.data}.")


if __name__ == "__main__":
    main()
