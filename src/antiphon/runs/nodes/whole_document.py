"""Node `whole_document`: notices that a whole document is to be summed up, and brings it: its sections with their most
central sentences. For every other question it gives nothing, and the flow goes on searching.

Which document: the only one that is selected or attached, the one the question names, or the only one there is.
Rules: runs/summary_request.py. Tests: tests/unit/runs/test_nodes_whole_document.py.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from antiphon.flows.descriptor import NodeDescriptor, Port
from antiphon.retrieve.passage import Passage
from antiphon.retrieve.whole_document import DocumentReader, WholeDocument
from antiphon.runs.node import NodeContext, RunContext
from antiphon.runs.nodes import phrases
from antiphon.runs.summary_request import asks_for_summary, asks_only_for_summary, named_document

WHOLE_DOCUMENT: Final = NodeDescriptor(
    type="whole_document",
    label="Whole document",
    description="When the question asks for a summary of a document, gives that document section by section.",
    inputs=[Port(name="question", type="text", description="The question as asked.")],
    outputs=[
        Port(name="passages", type="passages", description="The most central sentences; none when nothing is to be summed up."),
        Port(name="summary", type="json", description="The sections, for the node that writes the answer; null else."),
    ],
)


class WholeDocumentNode:
    async def run(self, context: NodeContext, inputs: Mapping[str, Any]) -> Mapping[str, Any]:
        run, question = context.run, str(inputs["question"])
        reader = run.documents
        document_id = None if reader is None or not asks_for_summary(question) else await _target(run, reader, question)
        if reader is None or document_id is None:
            return {"passages": [], "summary": None}
        section = (run.filter.section or []) if run.filter is not None else []
        document = await reader.whole(run.scope, document_id, section=section)
        if document is None or not document.sections:
            return {"passages": [], "summary": None}
        counts = {"sections": len(document.sections), "of": document.total}
        run.sink.status("reading", phrases.reading(run.language, title=document.title, **counts), counts=counts)
        passages = [passage for each in document.sections for passage in each.sentences]
        run.sink.record(
            whole_document={"document_id": document_id, "version": passages[0].version, "section": list(section), **counts}
        )
        return {"passages": passages, "summary": summary_of(document)}


async def _target(run: RunContext, reader: DocumentReader, question: str) -> str | None:
    """The document that is to be summed up; None: that is not what is asked."""
    chosen = run.filter.document_ids if run.filter is not None else None
    if run.filter is not None and run.filter.section and chosen:
        return chosen[0]
    if chosen is not None and len(chosen) == 1:
        return chosen[0] if asks_only_for_summary(question) else await _named(run, reader, question, chosen)
    return await _named(run, reader, question, chosen)


async def _named(run: RunContext, reader: DocumentReader, question: str, chosen: Sequence[str] | None) -> str | None:
    documents = await reader.named(run.scope, run.workspace_ids)
    if chosen is not None:
        documents = [document for document in documents if document.document_id in chosen]
    found = named_document(question, documents)
    if found is not None and asks_only_for_summary(question, name=found[1]):
        return found[0]
    if len(documents) == 1 and asks_only_for_summary(question):
        return documents[0].document_id
    return None


def summary_of(document: WholeDocument) -> dict[str, Any]:
    """As plain data; `numbers` are those of the sentences among the sources."""
    number = 0
    sections: list[dict[str, Any]] = []
    for section in document.sections:
        numbers = list(range(number + 1, number + 1 + len(section.sentences)))
        number += len(section.sentences)
        sections.append({
            "heading": section.heading, "pages": list(section.pages) if section.pages else None, "text": section.text,
            "cut": section.cut, "numbers": numbers, "sentences": [_text(passage) for passage in section.sentences],
        })  # fmt: skip
    return {"document_id": document.document_id, "title": document.title, "total": document.total, "sections": sections}


def _text(passage: Passage) -> str:
    return passage.text
