"""Recall of the lexical retriever on public question sets, through LexicalRetriever with shipped settings.

    python bench/retrieval.py /path/to/data [--sets xquad-en,xquad-zh,cmrc2018,drcd] [--questions N] [--refusal]

Each passage becomes a document of its own (chunked by the product's chunker), indexed in a fresh folder. recall@5: the
question's passage is among the documents of the first five passages.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from antiphon.access.scope import system_scope
from antiphon.core.runtime import system_runtime
from antiphon.ingest.chunker import ChunkRules, chunks_of
from antiphon.ingest.document import ParsedDocument, ParsedPage
from antiphon.retrieve.lexical import LexicalRetriever
from antiphon.storage.lexical.contract import Chunk
from antiphon.storage.lexical.sqlite import SqliteLexicalIndex
from antiphon.storage.lexical.tokens import TOKENISER_VERSION
from antiphon.storage.records.contract import Urgency
from antiphon.storage.records.rows import DOCUMENTS, PAGES, DocumentRow, PageRow
from antiphon.storage.records.sqlite import SqliteStore
from antiphon.storage.sqlite.database import Database

SETS = {
    "xquad-en": ("xquad/passages.en.jsonl", "xquad/qa.en.jsonl"),
    "xquad-zh": ("xquad/passages.zh.jsonl", "xquad/qa.zh.jsonl"),
    "cmrc2018": ("cmrc2018/passages.jsonl", "cmrc2018/qa.jsonl"),
    "drcd": ("drcd/dev.passages.jsonl", "drcd/dev.qa.jsonl"),
}
WORKSPACE = "ws_bench"
EVERYTHING = system_scope("bench")


def rows(path: Path) -> list[dict[str, Any]]:
    with path.open(encoding="utf-8") as file:
        return [json.loads(line) for line in file]


def batches(items: Sequence[Any], size: int) -> Iterator[Sequence[Any]]:
    for start in range(0, len(items), size):
        yield items[start : start + size]


async def load(store: SqliteStore, index: SqliteLexicalIndex, passages: list[dict[str, Any]], rules: ChunkRules) -> int:
    """Indexes the passages; the number of chunks."""
    total = 0

    def insert(tx: Any, group: Sequence[dict[str, Any]]) -> int:
        count = 0
        for passage in group:
            document, text, title = passage["doc_id"], passage["text"], passage["title"]
            tx.insert(
                DOCUMENTS,
                DocumentRow(
                    id=document, workspace_id=WORKSPACE, name=title, title=title, state="ready", searchable=True,
                    media_type="text/plain", created_at=0.0, updated_at=0.0,
                ),
            )  # fmt: skip
            tx.insert(
                PAGES, PageRow(id=f"{document}:1:1", document_id=document, workspace_id=WORKSPACE, version=1, number=1, text=text)
            )
            parsed = ParsedDocument(media_type="text/plain", title=title, paged=False, pages=[ParsedPage(number=1, text=text)])
            drafts = chunks_of(parsed, rules, title=title)
            chunks = [
                Chunk(
                    document_id=document, workspace_id=WORKSPACE, version=1, ordinal=d.ordinal, page=1, anchor=d.anchor,
                    start=d.start, end=d.end, text=d.text, tokeniser_version=TOKENISER_VERSION, tokens=d.tokens,
                )
                for d in drafts
            ]  # fmt: skip
            index.add(tx, chunks)
            count += len(chunks)
        return count

    for group in batches(passages, 100):
        total += await store.write(lambda tx, group=group: insert(tx, group), Urgency.INGEST)
    return total


async def measure(
    folder: Path, passages: list[dict[str, Any]], questions: list[dict[str, Any]], *, k: int = 5, chunk_characters: int = 900
) -> dict[str, Any]:  # fmt: skip
    """`coverages`: (coverage, whether the question's passage is in the haystack) of each question."""
    runtime = system_runtime()
    store = SqliteStore(Database.open(folder / "bench.db", runtime=runtime))
    index = SqliteLexicalIndex()
    chunks = await load(store, index, passages, ChunkRules(characters=chunk_characters))
    retriever = LexicalRetriever(store, index, runtime)
    present = {passage["doc_id"] for passage in passages}
    hits, took, coverages = 0, [], []
    for question in questions:
        gold = question["doc_id"]
        wanted = {gold} if isinstance(gold, str) else set(gold)
        start = time.perf_counter()
        result = await retriever.retrieve(EVERYTHING, [WORKSPACE], question["question"], k=k)
        took.append((time.perf_counter() - start) * 1000)
        hits += bool(wanted & {passage.document_id for passage in result.passages})
        coverages.append((result.coverage, bool(wanted & present)))
    await store.close()
    took.sort()
    return {
        "passages": len(passages), "chunks": chunks, "questions": len(questions), "recall": round(hits / max(1, len(questions)), 4),
        "p50_ms": round(took[len(took) // 2], 2), "p99_ms": round(took[int(len(took) * 0.99)], 2), "coverages": coverages,
    }  # fmt: skip


def refusal(coverages: list[tuple[float, bool]], false_refusals: float = 0.05) -> tuple[float, float]:
    """(share of unanswerable questions refused, threshold) where that share of the answerable ones is refused."""
    answerable = sorted(coverage for coverage, there in coverages if there)
    unanswerable = [coverage for coverage, there in coverages if not there]
    threshold = answerable[int(len(answerable) * false_refusals)]
    return sum(coverage < threshold for coverage in unanswerable) / max(1, len(unanswerable)), threshold


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--sets", default=",".join(SETS))
    parser.add_argument("--questions", type=int, default=0, help="0: all")
    parser.add_argument("--refusal", action="store_true", help="remove half of the passages and measure the coverage")
    given = parser.parse_args()
    for name in given.sets.split(","):
        passage_file, question_file = SETS[name]
        if not (given.data / passage_file).exists():
            print(f"{name}: skipped, {given.data / passage_file} is not there", file=sys.stderr)
            continue
        passages, questions = rows(given.data / passage_file), rows(given.data / question_file)
        if given.questions:
            questions = questions[:: max(1, len(questions) // given.questions)]
        if given.refusal:
            passages = random.Random(7).sample(passages, len(passages) // 2)
        with tempfile.TemporaryDirectory() as folder:
            found = asyncio.run(measure(Path(folder), passages, questions))
        coverages = found.pop("coverages")
        if given.refusal:
            share, threshold = refusal(coverages)
            found = {"refused_at_5_percent_false": round(share, 3), "threshold": threshold}
        print(name, json.dumps(found))


if __name__ == "__main__":
    main()
