"""What is said when the documents do not answer: `Evidence` of the retrieving node, and the words of a refusal.

A refusal is an answer of its own kind: the message has the field `refusal` (nearest documents, what was searched), and the
session's topic an event `refusal`. Used by runs/nodes/retrieve.py and chat_model.py. Tests: tests/unit/runs/test_refusal.py.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final, cast

from msgspec import Struct

from antiphon.models.extractive import REFUSALS
from antiphon.models.quotation import QuotedText
from antiphon.retrieve.passage import Passage, Retrieved

MOST_NEAREST: Final = 3


class Finding(Struct, frozen=True, kw_only=True):
    """What a retrieval says about itself. `nearest`: [{document_id, title}], best first. `documents`: the number chosen by
    the asker; None: no selection. `value` None: not measured."""

    low: bool
    value: float | None
    coverage: float
    nearest: list[dict[str, str]]
    searched: int
    workspaces: int
    documents: int | None = None


def finding_of(result: Retrieved, *, workspaces: int, documents: int | None) -> Finding:
    return Finding(
        low=result.low_evidence, value=result.evidence, coverage=result.coverage, nearest=nearest_of(result.passages),
        searched=result.searched, workspaces=workspaces, documents=documents,
    )  # fmt: skip


def nearest_of(passages: list[Passage]) -> list[dict[str, str]]:
    """The documents of the passages, each once, best first."""
    found: dict[str, dict[str, str]] = {}
    for passage in passages:
        found.setdefault(passage.document_id, {"document_id": passage.document_id, "title": passage.title})
    return list(found.values())[:MOST_NEAREST]


def refusal_of(finding: Finding) -> dict[str, Any]:
    """The field and the event's body: why, what was searched, and what came nearest."""
    return {
        "reason": "low_evidence" if finding.nearest else "nothing_found", "nearest": finding.nearest, "searched": finding.searched,
        "workspaces": finding.workspaces, **({} if finding.documents is None else {"documents": finding.documents}),
    }  # fmt: skip


def refusal_text(finding: Finding, language: str) -> Iterator[str]:
    """The pieces of the answer; titles are quoted text."""
    chinese = language == "zh"
    yield REFUSALS["zh" if chinese else "en"]
    yield f"\n\n{_searched(finding, chinese=chinese)}"
    if not finding.nearest:
        return
    yield "最接近的文档：" if chinese else " The nearest documents: "
    for number, document in enumerate(finding.nearest):
        if number:
            yield "、" if chinese else ", "
        yield "《" if chinese else "“"
        yield QuotedText(document["title"])
        yield "》" if chinese else "”"
    yield "。" if chinese else "."


def _searched(finding: Finding, *, chinese: bool) -> str:
    searched = f"{finding.searched:,}"
    if chinese:
        where = f"{finding.workspaces} 个工作区" if finding.documents is None else f"所选的 {finding.documents} 份文档"
        return f"已检索{where}{'' if finding.documents is not None else f'的 {searched} 个段落'}。"
    if finding.documents is not None:
        return f"Searched: {finding.documents} chosen document{'' if finding.documents == 1 else 's'}."
    of = f"{finding.workspaces} workspace{'' if finding.workspaces == 1 else 's'}"
    return f"Searched: {searched} passage{'' if finding.searched == 1 else 's'} of {of}."


def as_finding(value: Any) -> Finding | None:
    """What came through a port of kind json."""
    if isinstance(value, Finding):
        return value
    if isinstance(value, dict):
        return Finding(**cast("dict[str, Any]", value))
    return None
