"""What the lexical retriever finds, refuses and costs, through LexicalRetriever with shipped settings.

    python bench/retrieval.py DATA                                  recall@5 on public question sets, each its own haystack
    python bench/retrieval.py DATA --refusal [--seed 7]             half of the passages removed: who is refused, who should not be
    python bench/retrieval.py DATA --followups                      mtrag: hit@5 of the last turn alone, with the turns before, rewritten
    python bench/retrieval.py DATA --scale FOLDER [--chunks 100000] CPU time of a question among many chunks (made once, in FOLDER)
    [--sets xquad-en,xquad-zh,cmrc2018,drcd,drcd-simplified] [--questions N]

Each passage becomes a document of its own (chunked by the product's chunker), indexed in a fresh folder. recall@5: the
question's passage is among the documents of the first five passages. Times are CPU times of the whole process.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from opencc import OpenCC
from scale_corpus import WORKSPACE, build, rows

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
from antiphon.storage.sqlite.database import FILE_NAME, Database

SETS = {
    "xquad-en": ("xquad/passages.en.jsonl", "xquad/qa.en.jsonl"),
    "xquad-zh": ("xquad/passages.zh.jsonl", "xquad/qa.zh.jsonl"),
    "cmrc2018": ("cmrc2018/passages.jsonl", "cmrc2018/qa.jsonl"),
    "drcd": ("drcd/dev.passages.jsonl", "drcd/dev.qa.jsonl"),
    "drcd-simplified": ("drcd/dev.passages.jsonl", "drcd/dev.qa.jsonl"),
}
EVERYTHING = system_scope("bench")


def questions_of(data: Path, name: str, most: int = 0) -> list[dict[str, Any]]:
    """`drcd-simplified`: the traditional questions as OpenCC writes them in simplified characters, words included (tw2sp)."""
    questions = rows(data / SETS[name][1])
    if most:
        questions = questions[:: max(1, len(questions) // most)]
    if name.endswith("-simplified"):
        simplified = OpenCC("tw2sp")
        questions = [{**question, "question": simplified.convert(question["question"])} for question in questions]
    return questions


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


@asynccontextmanager
async def retriever_of(folder: Path) -> AsyncIterator[LexicalRetriever]:
    """Of what the folder's database holds."""
    runtime = system_runtime()
    store = SqliteStore(Database.open(folder / FILE_NAME, runtime=runtime))
    try:
        yield LexicalRetriever(store, SqliteLexicalIndex(), runtime)
    finally:
        await store.close()


async def index(folder: Path, passages: list[dict[str, Any]], *, chunk_characters: int = 900) -> int:
    """The number of chunks."""
    store = SqliteStore(Database.open(folder / FILE_NAME, runtime=system_runtime()))
    chunks = await load(store, SqliteLexicalIndex(), passages, ChunkRules(characters=chunk_characters))
    await store.close()
    return chunks


async def ask(
    retriever: LexicalRetriever, questions: list[dict[str, Any]], *, k: int = 5, earlier: bool = False
) -> dict[str, Any]:  # fmt: skip
    """`hits`: whether a gold document is among those of the first `k` passages. `low`: refused. `cpu_ms`."""
    hits, low, cpu_ms = list[bool](), list[bool](), list[float]()
    for question in questions:
        gold = question["doc_id"]
        before = [turn["text"] for turn in reversed(question.get("history", ())) if turn["role"] == "user"] if earlier else []
        start = time.process_time()
        result = await retriever.retrieve(EVERYTHING, [WORKSPACE], question["question"], k=k, earlier=before)
        cpu_ms.append((time.process_time() - start) * 1000)
        wanted = {gold} if isinstance(gold, str) else set(gold)
        hits.append(not wanted.isdisjoint(passage.document_id for passage in result.passages))
        low.append(result.low_evidence)
    return {"hits": hits, "low": low, "cpu_ms": cpu_ms}


def share(values: Sequence[bool]) -> float:
    return round(sum(values) / max(1, len(values)), 4)


def percentiles(values: Sequence[float]) -> dict[str, float]:
    ordered = sorted(values)
    return {f"p{p}_cpu_ms": round(ordered[min(int(len(ordered) * p / 100), len(ordered) - 1)], 2) for p in (50, 99)}


async def measure(
    folder: Path, passages: list[dict[str, Any]], questions: list[dict[str, Any]], *, k: int = 5
) -> dict[str, Any]:  # fmt: skip
    """`refused`: of the questions whose passage is not in the haystack; `falsely`: of the others."""
    chunks = await index(folder, passages)
    async with retriever_of(folder) as retriever:
        found = await ask(retriever, questions, k=k)
    present = {passage["doc_id"] for passage in passages}
    there = [question["doc_id"] in present for question in questions]
    return {
        "passages": len(passages), "chunks": chunks, "questions": len(questions), "recall": share(found["hits"]),
        "refused": share([low for low, known in zip(found["low"], there, strict=True) if not known]),
        "falsely": share([low for low, known in zip(found["low"], there, strict=True) if known]), **percentiles(found["cpu_ms"]),
    }  # fmt: skip


async def follow_ups(folder: Path, data: Path) -> dict[str, dict[str, float]]:
    """hit@5 on the turns of the mtrag conversations that have a gold passage, by what is asked with."""
    questions = [question for question in rows(data / "mtrag_human/qa.jsonl") if question["doc_id"]]
    await index(folder, rows(data / "mtrag_human/passages.jsonl"))
    rewritten = [{**question, "question": question["rewrite"]} for question in questions]
    first = [question["turn"] == 1 for question in questions]
    results: dict[str, dict[str, float]] = {}
    async with retriever_of(folder) as retriever:
        for name, asked, earlier in (
            ("alone", questions, False),
            ("with turns before", questions, True),
            ("rewrite", rewritten, False),
        ):
            found = await ask(retriever, asked, earlier=earlier)
            hits = found["hits"]
            results[name] = {
                "turns": len(hits), "all": share(hits), "first": share([hit for hit, one in zip(hits, first, strict=True) if one]),
                "later": share([hit for hit, one in zip(hits, first, strict=True) if not one]), **percentiles(found["cpu_ms"]),
            }  # fmt: skip
    return results


async def at_scale(folder: Path, data: Path, chunks: int, most: int) -> dict[str, dict[str, Any]]:
    """The CPU time of each set's questions among `chunks` recombined ones; made first where the folder is empty."""
    if not (folder / FILE_NAME).exists():
        folder.mkdir(parents=True, exist_ok=True)
        await build(folder, data, chunks)
    results: dict[str, dict[str, Any]] = {}
    async with retriever_of(folder) as retriever:
        for name in ("xquad-en", "xquad-zh", "cmrc2018"):
            questions = questions_of(data, name, most)
            await ask(retriever, questions[:20])  # the connection's cache and prepared statements
            found = await ask(retriever, questions, k=6)
            results[name] = {
                "questions": len(questions),
                "recall_among_noise": share(found["hits"]),
                **percentiles(found["cpu_ms"]),
            }
    return results


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--sets", default=",".join(SETS))
    parser.add_argument("--questions", type=int, default=0, help="0: all")
    parser.add_argument("--refusal", action="store_true", help="remove half of the passages")
    parser.add_argument("--seed", type=int, default=7, help="of the half that is removed")
    parser.add_argument("--followups", action="store_true")
    parser.add_argument("--scale", type=Path, metavar="FOLDER")
    parser.add_argument("--chunks", type=int, default=100_000)
    given = parser.parse_args()
    if given.scale:
        for name, found in asyncio.run(at_scale(given.scale, given.data, given.chunks, given.questions)).items():
            print(name, json.dumps(found))
        return
    if given.followups:
        with tempfile.TemporaryDirectory() as folder:
            for name, found in asyncio.run(follow_ups(Path(folder), given.data)).items():
                print(name, json.dumps(found))
        return
    for name in given.sets.split(","):
        passage_file = SETS[name][0]
        if not (given.data / passage_file).exists():
            print(f"{name}: skipped, {given.data / passage_file} is not there", file=sys.stderr)
            continue
        passages, questions = rows(given.data / passage_file), questions_of(given.data, name, given.questions)
        if given.refusal:
            passages = random.Random(given.seed).sample(passages, len(passages) // 2)
        with tempfile.TemporaryDirectory() as folder:
            found = asyncio.run(measure(Path(folder), passages, questions))
        print(name, json.dumps(found))


if __name__ == "__main__":
    main()
