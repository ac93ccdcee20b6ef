"""The plug-in of the house itself: registers the built-in nodes through the hook that every plug-in uses.

Given to `antiphon.plugins.load_plugins(builtin=[...])` by the composition root. The hook's specification is
antiphon.plugins.hooks; the marker is made here, because runs may not import plugins. Tests: tests/unit/plugins/test_manager.py.
"""

from __future__ import annotations

from typing import Final

from pluggy import HookimplMarker

from antiphon.runs.node import NodeType
from antiphon.runs.nodes.chat_model import CHAT_MODEL, ChatModelNode
from antiphon.runs.nodes.condense import CONDENSE, CondenseNode
from antiphon.runs.nodes.decompose import DECOMPOSE, DecomposeNode
from antiphon.runs.nodes.fit import FIT, FitNode
from antiphon.runs.nodes.history import HISTORY, HistoryNode
from antiphon.runs.nodes.output import OUTPUT, OutputNode
from antiphon.runs.nodes.question import QUESTION, QuestionNode
from antiphon.runs.nodes.retrieve import RETRIEVE, RetrieveNode
from antiphon.runs.nodes.template import TEMPLATE, TemplateNode
from antiphon.runs.nodes.whole_document import WHOLE_DOCUMENT, WholeDocumentNode

_hookimpl: Final = HookimplMarker("antiphon")


@_hookimpl
def antiphon_nodes() -> list[NodeType]:
    return [
        NodeType(descriptor=QUESTION, implementation=QuestionNode()),
        NodeType(descriptor=HISTORY, implementation=HistoryNode()),
        NodeType(descriptor=CONDENSE, implementation=CondenseNode()),
        NodeType(descriptor=DECOMPOSE, implementation=DecomposeNode()),
        NodeType(descriptor=WHOLE_DOCUMENT, implementation=WholeDocumentNode()),
        NodeType(descriptor=RETRIEVE, implementation=RetrieveNode()),
        NodeType(descriptor=FIT, implementation=FitNode()),
        NodeType(descriptor=TEMPLATE, implementation=TemplateNode()),
        NodeType(descriptor=CHAT_MODEL, implementation=ChatModelNode()),
        NodeType(descriptor=OUTPUT, implementation=OutputNode()),
    ]
