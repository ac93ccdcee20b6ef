"""Large corpora for measurements: chunks recombined from the sentences of the public data, half Chinese and half English.

    chunks = recombined(Path("/path/to/data"), 100_000)          # an iterator; equal seeds give equal chunks
    python bench/scale_corpus.py DATA FOLDER [--chunks 100000]   # indexes them into FOLDER/antiphon.db, once

Each chunk is of sentences that were drawn one by one, so it holds the words of the data in their own frequencies, and says
nothing. The passages that questions are asked about can be put in front (`--passages`, on by default): then recall can be
measured among the noise. Used by bench/retrieval.py; anything else that needs many chunks may use it as well.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import re
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from antiphon.core.runtime import system_runtime
from antiphon.storage.lexical.contract import Chunk
from antiphon.storage.lexical.sentences import sentences
from antiphon.storage.lexical.sqlite import SqliteLexicalIndex
from antiphon.storage.lexical.tokens import TOKENISER_VERSION, index_tokens
from antiphon.storage.records.contract import Urgency
from antiphon.storage.records.rows import DOCUMENTS, PAGES, DocumentRow, PageRow
from antiphon.storage.records.sqlite import SqliteStore
from antiphon.storage.sqlite.database import FILE_NAME, Database

WORKSPACE = "ws_bench"
CHUNK_CHARACTERS = 900
CHUNKS_A_DOCUMENT = 20
SEED = 20261120
FILES = {
    "zh": ("cmrc2018/passages.jsonl", "xquad/passages.zh.jsonl", "drcd/dev.passages.jsonl", "crud_news/passages.jsonl", "docsites/vue.zh.jsonl"),
    "en": ("xquad/passages.en.jsonl", "mtrag_human/passages.jsonl", "tatqa/dev.passages.jsonl", "docsites/vue.en.jsonl"),
}  # fmt: skip
ASKED = ("cmrc2018/passages.jsonl", "xquad/passages.zh.jsonl", "xquad/passages.en.jsonl", "drcd/dev.passages.jsonl")
"""Passages that the questions of the same sets are about."""
_WORDS = re.compile(r"\w")


class Text(NamedTuple):
    """A document of one or more chunks."""

    document_id: str
    title: str
    chunks: list[str]


def rows(path: Path) -> list[dict[str, Any]]:
    with path.open(encoding="utf-8") as file:
        return [json.loads(line) for line in file]


def sentence_pool(data: Path, language: str) -> list[str]:
    """Every sentence of the language's files that are there, in their order; short and wordless ones left out."""
    found: list[str] = []
    for name in FILES[language]:
        if (data / name).exists():
            for row in rows(data / name):
                text = row["text"]
                found += [
                    text[start:end] for start, end in sentences(text) if end - start >= 8 and _WORDS.search(text, start, end)
                ]
    return found


def recombined(data: Path, count: int, *, seed: int = SEED, characters: int = CHUNK_CHARACTERS) -> Iterator[str]:
    """`count` texts of about `characters` characters, Chinese and English in turn."""
    pools = [sentence_pool(data, language) for language in ("zh", "en")]
    chance = random.Random(seed)
    for number in range(count):
        pool, separator = pools[number % 2], "" if number % 2 == 0 else " "
        parts, length = [], 0
        while length < characters * 0.9:
            sentence = pool[chance.randrange(len(pool))]
            parts.append(sentence)
            length += len(sentence)
        yield separator.join(parts)


def documents(data: Path, count: int, *, passages: bool = True, seed: int = SEED) -> Iterator[Text]:
    """The asked passages as documents of their own, then the recombined chunks, `CHUNKS_A_DOCUMENT` a document."""
    if passages:
        for name in ASKED:
            for row in rows(data / name):
                yield Text(row["doc_id"], row["title"], [row["text"]])
    group: list[str] = []
    for number, text in enumerate(recombined(data, count, seed=seed), start=1):
        group.append(text)
        if len(group) == CHUNKS_A_DOCUMENT or number == count:
            yield Text(f"noise-{number}", f"{group[0][:12]}", group)
            group = []


async def build(folder: Path, data: Path, count: int, *, passages: bool = True, workspace: str = WORKSPACE) -> int:
    """Indexes them into the folder's database; the number of chunks."""
    store = SqliteStore(Database.open(folder / FILE_NAME, runtime=system_runtime()))
    index = SqliteLexicalIndex()
    total = 0

    def insert(tx: Any, group: Sequence[Text]) -> int:
        written = 0
        for text in group:
            tx.insert(
                DOCUMENTS,
                DocumentRow(id=text.document_id, workspace_id=workspace, name=text.title, title=text.title, state="ready",
                            searchable=True, media_type="text/plain", created_at=0.0, updated_at=0.0),
            )  # fmt: skip
            chunks = []
            for number, body in enumerate(text.chunks, start=1):
                tx.insert(PAGES, PageRow(id=f"{text.document_id}:1:{number}", document_id=text.document_id, workspace_id=workspace,
                                         version=1, number=number, text=body))  # fmt: skip
                chunks.append(Chunk(
                    document_id=text.document_id, workspace_id=workspace, version=1, ordinal=number - 1, page=number, start=0,
                    end=len(body), text=body, tokeniser_version=TOKENISER_VERSION, tokens=index_tokens(body, text.title),
                ))  # fmt: skip
            index.add(tx, chunks)
            written += len(chunks)
        return written

    group: list[Text] = []
    for text in documents(data, count, passages=passages):
        group.append(text)
        if len(group) >= 50:
            total += await store.write(lambda tx, group=group: insert(tx, group), Urgency.INGEST)
            group = []
    if group:
        total += await store.write(lambda tx: insert(tx, group), Urgency.INGEST)
    await store.close()
    return total


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--chunks", type=int, default=100_000)
    parser.add_argument("--no-passages", action="store_true")
    given = parser.parse_args()
    if (given.folder / FILE_NAME).exists():
        sys.exit(f"{given.folder / FILE_NAME} is there already; name another folder.")
    given.folder.mkdir(parents=True, exist_ok=True)
    start_s = time.process_time()
    chunks = asyncio.run(build(given.folder, given.data, given.chunks, passages=not given.no_passages))
    print(
        json.dumps(
            {
                "chunks": chunks,
                "cpu_s": round(time.process_time() - start_s, 1),
                "bytes": (given.folder / FILE_NAME).stat().st_size,
            }
        )
    )


if __name__ == "__main__":
    main()
