"""The hooks a plug-in may implement. Every hook here is called; the kinds that are planned are listed in
docs/subsystems/plugins.md and get their specification together with their caller.

Tests: tests/unit/plugins/test_manager.py (each hook is implemented by a plug-in and seen to be called).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from pluggy import HookimplMarker, HookspecMarker

from antiphon.core.runtime import Runtime
from antiphon.models.chat import ChatModel
from antiphon.runs.node import NodeType

PROJECT: Final = "antiphon"
"""Name of the markers and of the entry point group."""

hookspec: Final = HookspecMarker(PROJECT)
hookimpl: Final = HookimplMarker(PROJECT)


@hookspec
def antiphon_nodes() -> list[NodeType]:  # pyright: ignore[reportReturnType] - a specification has no body
    """The node types of this plug-in. Called once, at start; (type, version) must be free. Own types are best prefixed with
    the name of the plug-in (`acme_word_count`), so that they do not meet those of others."""


@hookspec
def antiphon_chat_models(runtime: Runtime) -> Mapping[str, ChatModel]:  # pyright: ignore[reportReturnType]
    """Chat models of this plug-in, by the id people choose them by; called once, at start. An id that is taken, or empty, is
    left out. For a LangChain model: `antiphon.models.langchain_chat.LangChainChat`."""
