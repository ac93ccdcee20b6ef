"""The node retrieve: what it asks, what it tells and in which order."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec import structs

from antiphon.core.errors import RetrievalFailed
from antiphon.flows.definition import NodeDefinition, Retry
from antiphon.flows.descriptor import Port
from antiphon.retrieve.evidence import LEAST_EVIDENCE
from antiphon.retrieve.passage import Retrieved
from antiphon.runs.nodes.builtin import antiphon_nodes
from antiphon.storage.lexical.contract import SearchFilter
from antiphon.testing.flows import FixedRetriever, RecordingSink, flow, function_node, run_context, run_flow, sample_passage
from antiphon.testing.simulated import simulated_runtime

FOUND = Retrieved(
    passages=[sample_passage(7), sample_passage(3), sample_passage(5, document="doc_b")],
    coverage=0.75, nearest=["Handbook"], searched=1234, mode="lexical",
)  # fmt: skip


async def retrieve(
    node: NodeDefinition | str = "retrieve", **context: Any
) -> tuple[RecordingSink, FixedRetriever, dict[str, Any]]:
    sink, retriever = RecordingSink(), context.setdefault("retriever", FixedRetriever(FOUND))
    got: dict[str, Any] = {}

    async def keep(context: object, inputs: dict[str, Any]) -> None:
        got.update(inputs)

    ports = [Port(name="passages", type="passages"), Port(name="coverage", type="number"), Port(name="nearest", type="json")]
    types = [*antiphon_nodes(), function_node(keep, "keep", inputs=ports, output=True)]
    edges = [("q.question", "r.query"), *((f"r.{port.name}", f"keep.{port.name}") for port in ports)]
    await run_flow(flow({"q": "question", "r": node, "keep": "keep"}, edges), types, context=run_context(sink=sink, **context))
    return sink, retriever, got


async def test_asks_within_the_scope_and_gives_the_passages() -> None:
    restriction = SearchFilter(document_ids=["doc_a", "doc_b"])
    context = run_context()
    _, retriever, got = await retrieve(scope=context.scope, workspace_ids=["ws_1", "ws_2"], filter=restriction, question="Leave?")
    assert retriever.calls == [
        {"scope": context.scope, "workspace_ids": ["ws_1", "ws_2"], "query": "Leave?", "k": 6, "filter": restriction}
    ]
    assert got == {"passages": FOUND.passages, "coverage": 0.75, "nearest": ["Handbook"]}


async def test_says_how_much_the_passages_say() -> None:
    for value, low in ((None, False), (LEAST_EVIDENCE, False), (LEAST_EVIDENCE - 0.001, True)):
        result = structs.replace(FOUND, evidence=value)
        got = await evidence_of_node(FixedRetriever(result), filter=SearchFilter(document_ids=["a", "b"]))
        assert got == {
            "low": low, "value": value, "coverage": 0.75, "searched": 1234, "workspaces": 1, "documents": 2,
            "nearest": [{"document_id": "doc_a", "title": "Title of doc_a"}, {"document_id": "doc_b", "title": "Title of doc_b"}],
        }  # fmt: skip
    assert (await evidence_of_node(FixedRetriever(Retrieved(passages=[], coverage=0.0))))["low"], "nothing was found"


async def evidence_of_node(retriever: FixedRetriever, **context: Any) -> dict[str, Any]:
    got: dict[str, Any] = {}

    async def keep(context: object, inputs: dict[str, Any]) -> None:
        got.update(inputs["evidence"])

    types = [*antiphon_nodes(), function_node(keep, "keep", inputs=[Port(name="evidence", type="json")], output=True)]
    definition = flow(
        {"q": "question", "r": "retrieve", "keep": "keep"}, [("q.question", "r.query"), ("r.evidence", "keep.evidence")]
    )
    await run_flow(definition, types, context=run_context(retriever=retriever, **context))
    return got


async def test_tells_before_and_after_and_the_sources_once() -> None:
    sink, _, _ = await retrieve()
    assert [name for name, _ in sink.events] == ["status", "sources", "status", "usage", "record"]
    assert sink.of("status") == [
        ("retrieving", "Searching the documents of 1 workspace", {"workspaces": 1}),
        ("retrieving", "Found 3 passages in 2 documents (of 1,234 searched)", {"passages": 3, "documents": 2, "searched": 1234}),
    ]
    assert sink.of("sources") == [FOUND.passages]
    assert sink.of("usage") == [{"retrieval_ms": 0}]
    record = sink.of("record")[0]["retrieval"]
    assert record["chunk_ids"] == [7, 3, 5]
    assert record["query"] == "What is it?"


async def test_tells_it_in_chinese() -> None:
    sink, _, _ = await retrieve(language="zh", filter=SearchFilter(document_ids=["a", "b"]))
    assert [content for _, content, _ in sink.of("status")] == [
        "正在检索所选的 2 份文档",
        "检索了 1234 个段落，在 2 份文档中找到 3 个相关段落",
    ]


@pytest.mark.parametrize(
    ("language", "words"), [("en", "Searched 9 passages and found nothing on this"), ("zh", "检索了 9 个段落，没有找到相关内容")]
)
async def test_nothing_found_is_told_too(language: str, words: str) -> None:
    sink, _, _ = await retrieve(language=language, retriever=FixedRetriever(Retrieved(passages=[], coverage=0.0, searched=9)))
    assert sink.of("sources") == [[]], "exactly one, also when it is empty"
    assert sink.of("status")[1][1] == words


async def test_k_is_the_nodes_or_else_the_workspaces() -> None:
    _, retriever, _ = await retrieve(NodeDefinition(id="r", type="retrieve", settings={"k": 3}))
    assert retriever.calls[0]["k"] == 3


async def test_the_time_is_measured_on_the_runs_clock() -> None:
    runtime = simulated_runtime()

    class Slow(FixedRetriever):
        async def retrieve(self, *args: Any, **more: Any) -> Retrieved:
            runtime.clock.pass_time(0.25)
            return FOUND

    sink, _, _ = await retrieve(runtime=runtime, retriever=Slow())
    assert sink.of("usage") == [{"retrieval_ms": 250}]


async def test_sources_are_told_once_also_after_a_retry() -> None:
    runtime = simulated_runtime()
    tries: list[int] = []

    class Flaky(FixedRetriever):
        async def retrieve(self, *args: Any, **more: Any) -> Retrieved:
            tries.append(1)
            if len(tries) == 1:
                raise RetrievalFailed("Busy.")
            return FOUND

    node = NodeDefinition(id="r", type="retrieve", retry=Retry(attempts=2, pause_s=0.0))
    sink, _, _ = await retrieve(node, runtime=runtime, retriever=Flaky())
    assert len(tries) == 2
    assert len(sink.of("sources")) == 1
