"""Every built-in node against the suite that plug-in authors use."""

from __future__ import annotations

from typing import Any, ClassVar

from antiphon.retrieve.passage import Retrieved
from antiphon.runs.node import NodeType, RunContext
from antiphon.runs.nodes.builtin import antiphon_nodes
from antiphon.testing.conformance.node import NodeSuite
from antiphon.testing.flows import FixedRetriever, run_context, sample_passage

BUILTIN = {node.descriptor.type: node for node in antiphon_nodes()}
PASSAGES = [sample_passage(1), sample_passage(2)]


class TestQuestion(NodeSuite):
    node_type: ClassVar[NodeType] = BUILTIN["question"]


class TestHistory(NodeSuite):
    node_type: ClassVar[NodeType] = BUILTIN["history"]


class TestCondense(NodeSuite):
    node_type: ClassVar[NodeType] = BUILTIN["condense"]
    inputs: ClassVar[dict[str, Any]] = {"question": "And then?", "history": []}


class TestRetrieve(NodeSuite):
    node_type: ClassVar[NodeType] = BUILTIN["retrieve"]
    inputs: ClassVar[dict[str, Any]] = {"query": "leave"}

    def context(self) -> RunContext:
        return run_context(retriever=FixedRetriever(Retrieved(passages=PASSAGES, coverage=0.5)))


class TestDecompose(NodeSuite):
    node_type: ClassVar[NodeType] = BUILTIN["decompose"]
    inputs: ClassVar[dict[str, Any]] = {"question": "Compare the two plans"}


class TestWholeDocument(NodeSuite):
    node_type: ClassVar[NodeType] = BUILTIN["whole_document"]
    inputs: ClassVar[dict[str, Any]] = {"question": "Summarise this document"}


class TestTemplate(NodeSuite):
    node_type: ClassVar[NodeType] = BUILTIN["template"]
    inputs: ClassVar[dict[str, Any]] = {"question": "Why?", "passages": PASSAGES, "texts": "a"}
    settings: ClassVar[dict[str, Any]] = {"template": "{{#each passages}}{{text}}{{/each}}{{question}}{{text}}"}


class TestChatModel(NodeSuite):
    node_type: ClassVar[NodeType] = BUILTIN["chat_model"]
    inputs: ClassVar[dict[str, Any]] = {"question": "Why?", "passages": PASSAGES}


class TestFit(NodeSuite):
    node_type: ClassVar[NodeType] = BUILTIN["fit"]
    inputs: ClassVar[dict[str, Any]] = {"question": "Why?", "passages": PASSAGES, "history": []}


class TestOutput(NodeSuite):
    node_type: ClassVar[NodeType] = BUILTIN["output"]
    inputs: ClassVar[dict[str, Any]] = {"answer": "So."}


def test_none_is_left_out() -> None:
    tested = {suite.node_type.descriptor.type for suite in NodeSuite.__subclasses__() if suite.__module__ == __name__}
    assert tested == set(BUILTIN)
