"""The default assistant: a valid flow, and what its prompt says in each mode and language."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec import structs

from antiphon.flows.codec import load_definition, save_definition
from antiphon.flows.definition import FlowDefinition
from antiphon.flows.validate import validate
from antiphon.models.chat import ChatMessage
from antiphon.models.extractive import ExtractiveChat
from antiphon.retrieve.evidence import LEAST_EVIDENCE
from antiphon.retrieve.passage import Retrieved
from antiphon.runs.assistant import default_assistant
from antiphon.runs.nodes.builtin import antiphon_nodes
from antiphon.storage.records.rows import WorkspaceRow
from antiphon.testing.flows import (
    FixedRetriever,
    RecordingObserver,
    RecordingSink,
    catalogue_of,
    run_context,
    run_flow,
    sample_passage,
)
from antiphon.testing.models import ScriptedChat, ScriptedModels
from antiphon.testing.simulated import simulated_runtime

TYPES = antiphon_nodes()
PASSAGES = Retrieved(passages=[sample_passage(1), sample_passage(2, document="doc_b")], coverage=1.0, searched=9)


def test_it_is_valid_and_can_be_saved() -> None:
    assert validate(default_assistant(), catalogue_of(TYPES)) == []
    assert load_definition(save_definition(default_assistant())) == default_assistant()


def test_every_built_in_node_is_used() -> None:
    assert {node.type for node in default_assistant().nodes} == {node.descriptor.type for node in TYPES}


async def ask(
    mode: str = "documents_only", result: Retrieved = PASSAGES, definition: FlowDefinition | None = None, **context: Any
) -> tuple[ScriptedChat, RecordingSink]:
    runtime = simulated_runtime()
    model = ScriptedChat(runtime, ("It is ", "so [1]."))
    sink = RecordingSink()
    workspace = WorkspaceRow(id="ws_1", slug="h", name="Handbook", mode=mode, instructions="Be brief.", created_at=0.0)
    run = run_context(
        models=ScriptedModels({"m": model}),
        runtime=runtime,
        sink=sink,
        retriever=FixedRetriever(result),
        workspace=workspace,
        **context,
    )
    execution = await run_flow(definition or default_assistant(), TYPES, context=run)
    if model.requests:
        assert execution.result == {"text": "It is so [1]."}
    return model, sink


async def test_order_of_what_is_told() -> None:
    _, sink = await ask()
    told = [name for name, _ in sink.events]
    assert told == [
        "status", "sources", "status", "usage", "record", "record", "status", "answer", "answer", "usage", "finish",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("mode", "language", "rule", "unwanted"),
    [
        ("documents_only", "en", "Answer only from these passages", "general knowledge"),
        ("open", "en", "you may use general knowledge", "Answer only from"),
        ("documents_only", "zh", "只依据这些段落回答", "可以使用常识"),
        ("open", "zh", "可以使用常识", "只依据这些段落"),
    ],
)
async def test_the_rules(mode: str, language: str, rule: str, unwanted: str) -> None:
    model, _ = await ask(mode, language=language)
    system = model.requests[0].messages[0]
    assert system.role == "system"
    assert rule in system.content
    assert unwanted not in system.content
    assert "[1]" in system.content
    assert "Handbook" in system.content
    assert system.content.rstrip().endswith("Be brief.")
    assert "{{" not in system.content


async def test_passages_stand_numbered_in_the_users_message_only() -> None:
    model, _ = await ask(question="Why?")
    system, user = model.requests[0].messages
    assert user.content == (
        "[1] Title of doc_a (page 1)\n\n> Passage number 1.\n\n[2] Title of doc_b (page 1)\n\n> Passage number 2.\n\nQuestion: Why?"
    )
    assert "Passage number" not in system.content
    assert [evidence.n for evidence in model.requests[0].evidence] == [1, 2]


async def test_chinese_prompt() -> None:
    model, _ = await ask(question="年假多少天？", language="zh")
    assert "[1] Title of doc_a (第 1 页)" in model.requests[0].messages[-1].content
    assert model.requests[0].messages[-1].content.endswith("问题：年假多少天？")


@pytest.mark.parametrize(("language", "words"), [("en", "(No passages were found.)"), ("zh", "（没有检索到相关段落。）")])
async def test_nothing_found_is_told_to_the_model(language: str, words: str) -> None:
    model, sink = await ask(result=Retrieved(passages=[], coverage=0.0), language=language)
    assert model.requests[0].messages[-1].content.startswith(words)
    assert sink.of("sources") == [[]]


LOW = structs.replace(PASSAGES, evidence=LEAST_EVIDENCE - 0.01, searched=1234)


def refusing() -> FlowDefinition:
    """The assistant with a chat model that refuses."""
    definition = default_assistant()
    nodes = [structs.replace(n, settings={"low_evidence": "refuse"}) if n.id == "answer" else n for n in definition.nodes]
    return structs.replace(definition, nodes=nodes)


async def test_documents_only_refuses_without_asking_the_model_where_the_flow_wants_it() -> None:
    model, sink = await ask(result=LOW, definition=refusing())
    assert model.requests == []
    assert sink.of("sources") == [LOW.passages], "the nearest passages can be looked at"
    nearest = [{"document_id": "doc_a", "title": "Title of doc_a"}, {"document_id": "doc_b", "title": "Title of doc_b"}]
    assert sink.of("refusal") == [{"reason": "low_evidence", "nearest": nearest, "searched": 1234, "workspaces": 1}]
    assert sink.text == (
        "Nothing in these documents says anything about this.\n\nSearched: 1,234 passages of 1 workspace. "
        "The nearest documents: “Title of doc_a”, “Title of doc_b”."
    )
    assert sink.of("finish") == ["refusal"]


async def test_a_refusal_in_chinese() -> None:
    _, sink = await ask(result=LOW, language="zh", definition=refusing())
    assert sink.text == (
        "这些文档里没有提到相关的内容。\n\n已检索1 个工作区的 1,234 个段落。最接近的文档：《Title of doc_a》、《Title of doc_b》。"
    )


@pytest.mark.parametrize(
    ("mode", "definition", "result"),
    [
        ("open", refusing(), LOW), ("open", default_assistant(), LOW), ("documents_only", default_assistant(), LOW),
        ("documents_only", refusing(), Retrieved(passages=[], coverage=0.0, searched=0)),
    ],
)  # fmt: skip
async def test_otherwise_the_model_is_asked_and_a_warning_told(mode: str, definition: FlowDefinition, result: Retrieved) -> None:
    model, sink = await ask(mode, result=result, definition=definition)
    assert len(model.requests) == 1
    assert [phase for phase, *_ in sink.of("status")] == ["retrieving", "retrieving", "low_evidence", "generating"]
    assert sink.of("refusal") == []


async def test_in_a_conversation_the_model_is_asked_and_the_warning_told() -> None:
    """ "Shorter, please" is about what was said, not about the documents."""
    runtime = simulated_runtime()
    model, sink = ScriptedChat(runtime), RecordingSink()
    history = [ChatMessage(role="user", content="How long is the leave?"), ChatMessage(role="assistant", content="20 days [1].")]
    context = run_context(
        question="Shorter, please", history=history, retriever=FixedRetriever(LOW), runtime=runtime, sink=sink,
        models=ScriptedModels({"m": model}),
    )  # fmt: skip
    await run_flow(refusing(), TYPES, context=context)
    assert len(model.requests) == 1
    assert "low_evidence" in [phase for phase, *_ in sink.of("status")]


async def test_without_a_model_little_evidence_is_refused_in_every_mode() -> None:
    runtime = simulated_runtime()
    sink = RecordingSink()
    workspace = WorkspaceRow(id="ws_1", slug="d", name="D", mode="open", created_at=0.0)
    context = run_context(
        question="Passage number?", retriever=FixedRetriever(LOW), runtime=runtime, sink=sink, workspace=workspace,
        models=ScriptedModels({"extractive": ExtractiveChat(runtime)}),
    )  # fmt: skip
    await run_flow(default_assistant(), TYPES, context=context)
    assert sink.text.startswith("Nothing in these documents")
    assert len(sink.of("refusal")) == 1


async def test_a_follow_up_is_searched_with_what_came_before() -> None:
    retriever = FixedRetriever(PASSAGES)
    history = [ChatMessage(role="user", content="How long is the leave?"), ChatMessage(role="assistant", content="20 days [1].")]
    runtime = simulated_runtime()
    context = run_context(
        question="Why?", history=history, retriever=retriever, runtime=runtime,
        models=ScriptedModels({"m": (model := ScriptedChat(runtime))}),
    )  # fmt: skip
    await run_flow(default_assistant(), TYPES, context=context)
    assert (retriever.calls[0]["query"], retriever.calls[0]["earlier"]) == ("Why?", ["How long is the leave?"])
    assert [message.role for message in model.requests[0].messages] == ["system", "user", "assistant", "user"]


async def test_retrieval_does_not_wait_for_the_rules() -> None:
    observer = RecordingObserver()
    await run_flow(default_assistant(), TYPES, context=run_context(), observer=observer)
    started = observer.of("started")
    assert started.index("rules") < started.index("retrieve")
    assert set(started) == {node.id for node in default_assistant().nodes}
