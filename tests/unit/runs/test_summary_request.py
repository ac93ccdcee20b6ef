"""Whether a whole document is asked for, and which one."""

from __future__ import annotations

import pytest

from antiphon.retrieve.whole_document import NamedDocument
from antiphon.runs.summary_request import asks_for_summary, asks_only_for_summary, named_document

WHOLE = [
    "Summarise this document", "Please summarize the document in five bullet points.", "Can you give me a summary of this report?",
    "TL;DR", "tldr please", "What is this document about?", "What's this about?", "Give me an overview", "What are the main points?",
    "What are the key takeaways of the attached file?", "Sum up the paper for me", "Sum it up", "Write a short summary in Chinese.",
    "What does the report say?", "Give me the gist.", "Brief me on this document", "Could you outline the contents of this PDF?",
    "I need a recap of the slides", "Summary?", "List the key findings of the paper", "What is in this file?",
    "总结这份文档", "请帮我概括一下这篇文章的主要内容", "这份文件讲了什么？", "这个文档主要讲什么", "给我一个摘要", "用三句话总结一下",
    "归纳要点", "請總結這份文件", "这篇报告说了些什么？", "文档的主要内容是什么？", "帮我提炼重点内容", "全文大意", "概述一下本文",
    "这份材料是关于什么的？", "总结一下附件", "请用英文总结这份文档的要点。", "列出各章要点",
]  # fmt: skip
OTHER = [
    "What does the contract say about termination?", "Summarise the leave policy for contractors", "Who wrote the summary?",
    "How many days of leave do I have?", "What is the main entrance code?", "Summarise the differences between plan A and plan B",
    "When is the executive summary due?", "What is photosynthesis about?", "年假有几天？", "总结一下年假的规定", "合同里关于违约金的要点是什么？",
    "停车收费标准是什么？", "水泵的主要参数是什么？", "谁写的总结？", "hello", "你好", "",
]  # fmt: skip


@pytest.mark.parametrize("question", WHOLE)
def test_a_whole_document_is_asked_for(question: str) -> None:
    assert asks_only_for_summary(question)


@pytest.mark.parametrize("question", OTHER)
def test_something_else_is_asked(question: str) -> None:
    assert not asks_only_for_summary(question)


DOCUMENTS = [
    NamedDocument(document_id="plan", names=["Annual Plan", "annual_plan-2025.pdf"], updated_at=1.0),
    NamedDocument(document_id="plan2", names=["Annual Plan 2026", "b.docx"], updated_at=2.0),
    NamedDocument(document_id="zh", names=["员工手册（2026版）", "handbook_zh.docx"], updated_at=3.0),
    NamedDocument(document_id="art", names=["art"], updated_at=4.0),
    NamedDocument(document_id="old", names=["minutes.md"], updated_at=1.0),
    NamedDocument(document_id="new", names=["Minutes.md"], updated_at=9.0),
]


@pytest.mark.parametrize(
    ("question", "document"),
    [
        ("Summarise the annual plan", "plan"), ("Summarise Annual Plan 2026.", "plan2"), ("Summarise annual_plan-2025.pdf", "plan"),
        ("summarise annual plan 2025", "plan"), ("总结《员工手册（2026版）》", "zh"), ("總結員工手冊（2026版）", "zh"), ("Sum up handbook_zh", "zh"),
        ("Summarise the article", None), ("Summarise art", "art"), ("Summary of minutes.md", "new"), ("Summarise this", None),
    ],
)  # fmt: skip
def test_a_document_is_named(question: str, document: str | None) -> None:
    found = named_document(question, DOCUMENTS)
    assert (found[0] if found else None) == document
    if found:
        assert asks_for_summary(question)
        assert asks_only_for_summary(question, name=found[1])
