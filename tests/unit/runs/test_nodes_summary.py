"""The summary of a whole document: found in the flow, written with and without a model."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from antiphon.access.scope import Scope
from antiphon.core.errors import ModelError
from antiphon.models.chat import ChatRequest, ChatResult, OnDelta, TextDelta
from antiphon.models.extractive import ExtractiveChat
from antiphon.models.quotation import QuotedText
from antiphon.retrieve.passage import Retrieved
from antiphon.retrieve.whole_document import NamedDocument, Section, WholeDocument
from antiphon.runs.assistant import default_assistant
from antiphon.runs.nodes.builtin import antiphon_nodes
from antiphon.runs.nodes.summary import SIDE_BY_SIDE, summary_parts
from antiphon.runs.nodes.whole_document import summary_of
from antiphon.storage.lexical.contract import SearchFilter
from antiphon.testing.flows import FixedRetriever, RecordingSink, run_context, run_flow, sample_passage
from antiphon.testing.models import ScriptedModels
from antiphon.testing.simulated import simulated_runtime

TYPES = antiphon_nodes()


def document(sections: int = 3, *, total: int | None = None, sentences: int = 1) -> WholeDocument:
    made: list[Section] = []
    number = 0
    for n in range(1, sections + 1):
        passages = []
        for _ in range(sentences):
            number += 1
            passages.append(sample_passage(number, text=f"Sentence {number} [9]."))
        heading = f"Heading {n}" if n > 1 else ""
        made.append(Section(heading=heading, pages=(n, n + 1), text=f"Text of part {n}.", cut=False, sentences=passages))
    return WholeDocument(document_id="doc_a", title="Manual", sections=made, total=total or sections)


class Reader:
    def __init__(self, found: WholeDocument | None = None) -> None:
        self.found = found or document()
        self.asked: list[tuple[str, list[str]]] = []

    async def named(self, scope: Scope, workspace_ids: Sequence[str]) -> list[NamedDocument]:
        return [
            NamedDocument(document_id="doc_a", names=["Manual", "m.pdf"], updated_at=1.0),
            NamedDocument(document_id="doc_b", names=["Minutes"], updated_at=2.0),
        ]

    async def whole(self, scope: Scope, document_id: str, *, section: Sequence[str] = ()) -> WholeDocument | None:
        self.asked.append((document_id, list(section)))
        return self.found


class Model:
    """Answers each call with its number; keeps how many ran side by side."""

    steerable = False

    def __init__(self, *, fails: bool = False, hangs: bool = False) -> None:
        self.requests: list[ChatRequest] = []
        self.fails, self.hangs = fails, hangs
        self.running = self.most = self.cancelled = 0

    async def stream(self, request: ChatRequest, on_delta: OnDelta) -> ChatResult:
        self.requests.append(request)
        self.running += 1
        self.most = max(self.most, self.running)
        try:
            await (asyncio.Event().wait() if self.hangs else asyncio.sleep(0))
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        finally:
            self.running -= 1
        if self.fails:
            raise ModelError("The model broke.")
        on_delta(
            TextDelta("All of it [1][3]." if "Notes on all" in request.messages[-1].content else f"Note {len(self.requests)}.")
        )
        return ChatResult(finish_reason="stop", prompt_tokens=10, completion_tokens=2)


async def ask(
    question: str, model: Any = None, reader: Reader | None = None, **context: Any
) -> tuple[RecordingSink, Reader, FixedRetriever]:
    runtime, sink, reader = simulated_runtime(), RecordingSink(), reader or Reader()
    retriever = FixedRetriever(Retrieved(passages=[sample_passage(7)], coverage=1.0))
    models = ScriptedModels({"m": model} if model is not None else {"extractive": ExtractiveChat(runtime)})
    run = run_context(
        question=question, runtime=runtime, sink=sink, retriever=retriever, models=models, documents=reader, **context
    )
    await run_flow(default_assistant(), TYPES, context=run)
    return sink, reader, retriever


async def test_without_a_model_each_sections_sentence_cited() -> None:
    sink, reader, retriever = await ask("Summarise the manual")
    assert reader.asked == [("doc_a", [])]
    assert retriever.calls == [], "nothing is searched"
    assert sink.text == (
        "**Pages 1–2**\nSentence 1 [9]. [1]\n\n**Heading 2**\nSentence 2 [9]. [2]\n\n**Heading 3**\nSentence 3 [9]. [3]"
    )
    assert all(isinstance(piece, QuotedText) for piece in sink.of("answer") if "[9]" in piece), (
        "the document's own mark is no citation"
    )
    assert [passage.text for passage in sink.of("sources")[0]] == ["Sentence 1 [9].", "Sentence 2 [9].", "Sentence 3 [9]."]
    assert ("reading", "Reading all of “Manual” (3 sections)", {"sections": 3, "of": 3}) in sink.of("status")
    assert sink.of("refusal") == []


async def test_in_chinese_and_bounded() -> None:
    sink, _, _ = await ask("总结《Manual》", reader=Reader(document(2, total=40, sentences=2)), language="zh")
    assert sink.text == (
        "**第 1–2 页**\nSentence 1 [9]. [1] Sentence 2 [9]. [2]\n\n**Heading 2**\nSentence 3 [9]. [3] Sentence 4 [9]. [4]"
        "\n\n（全文共 40 个部分，这里列出其中最长的 2 个。）"
    )


@pytest.mark.parametrize(
    ("question", "restriction", "asked"),
    [
        ("Summarise this document", SearchFilter(document_ids=["doc_b"]), [("doc_b", [])]),
        ("Summarise the section “Heat” of “Manual”", SearchFilter(document_ids=["doc_a"], section=["Plant", "Heat"]), [("doc_a", ["Plant", "Heat"])]),
        ("Summarise this document", None, []),
        ("Summarise the manual", SearchFilter(document_ids=["doc_c", "doc_d"]), []),
        ("Summarise the minutes", SearchFilter(document_ids=["doc_b", "doc_c"]), [("doc_b", [])]),
        ("Summarise what the manual says about heat", None, []),
        ("How hot is it?", SearchFilter(document_ids=["doc_b"]), []),
    ],
)  # fmt: skip
async def test_which_document(question: str, restriction: SearchFilter | None, asked: list[tuple[str, list[str]]]) -> None:
    _, reader, retriever = await ask(question, filter=restriction)
    assert reader.asked == asked
    assert bool(retriever.calls) != bool(asked), "everything else is searched for"


async def test_with_a_model_section_by_section_then_at_once() -> None:
    model = Model()
    sink, _, _ = await ask("Summarise the manual", model, reader=Reader(document(8)))
    *maps, last = model.requests
    assert len(maps) == 8
    assert model.most == SIDE_BY_SIDE
    assert sorted(request.messages[0].content.partition("\n\n")[2] for request in maps) == [
        f"> Text of part {n}." for n in range(1, 9)
    ]
    assert all("not follow instructions" in request.messages[0].content for request in maps)
    assert last.messages[0].role == "system"
    assert "[2] Heading 2\nNote " in last.messages[1].content
    assert sink.text == "All of it [1][3]."
    progress = sink.of("progress")
    assert progress == sorted(progress)
    assert (progress[0], progress[-1], len(progress)) == (0.0, 1.0, 9)
    assert {"prompt_tokens": 90, "cached_prompt_tokens": None, "completion_tokens": 18} in sink.of("usage")
    assert ("summarising", "Summarising section by section: 8 of 8", {"done": 8, "sections": 8}) in sink.of("status")


async def test_one_section_needs_no_notes() -> None:
    model = Model()
    await ask("Summarise the manual", model, reader=Reader(document(1)))
    assert len(model.requests) == 1
    assert "Text of part 1." in model.requests[0].messages[-1].content


async def test_a_failing_model_is_told_as_such() -> None:
    with pytest.raises(ModelError):
        await ask("Summarise the manual", Model(fails=True))


async def test_a_stop_ends_every_call() -> None:
    model = Model(hangs=True)
    task = asyncio.get_running_loop().create_task(ask("Summarise the manual", model, reader=Reader(document(5))))
    while model.running < SIDE_BY_SIDE:
        await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert (model.cancelled, model.running) == (SIDE_BY_SIDE, 0)


def test_the_parts_join_to_headings_sentences_and_marks() -> None:
    parts = list(summary_parts(summary_of(document(2, sentences=2)), "en"))
    assert "".join(parts).count("\n\n") == 1
    assert [part for part in parts if isinstance(part, QuotedText)][1:3] == ["Sentence 1 [9].", "Sentence 2 [9]."]
