"""Loading plug-ins: all through one hook, broken ones named and survived."""

from __future__ import annotations

import sys
import types
from importlib.metadata import EntryPoint
from typing import Any

import pytest
from structlog.testing import capture_logs

from antiphon.flows.descriptor import NodeDescriptor, Port
from antiphon.flows.validate import validate
from antiphon.plugins import Plugins, hookimpl, hooks, load_plugins, manager
from antiphon.runs.assistant import default_assistant
from antiphon.runs.node import NodeType
from antiphon.runs.nodes import builtin
from antiphon.testing.flows import function_node
from antiphon.testing.models import ScriptedChat
from antiphon.testing.simulated import simulated_runtime


async def _nothing(context: object, inputs: object) -> None:
    return


def node(type_: str, **more: Any) -> NodeType:
    return function_node(_nothing, type_, **more)


def plugin(monkeypatch: pytest.MonkeyPatch, name: str, **functions: Any) -> str:
    """A module that can be imported under `name`."""
    module = types.ModuleType(name)
    for key, value in functions.items():
        setattr(module, key, value)
    monkeypatch.setitem(sys.modules, name, module)
    return name


def giving(*nodes: Any) -> Any:
    def antiphon_nodes() -> list[Any]:
        return list(nodes)

    return hookimpl(antiphon_nodes)


def load(*names: str, **more: Any) -> Plugins:
    return load_plugins(names, **{"builtin": [builtin], "entry_points": False, **more})


def test_the_built_in_nodes_come_through_the_hook() -> None:
    plugins = load()
    assert plugins.names == [builtin.__name__]
    assert plugins.problems == []
    assert [t.descriptor for t in plugins.node_types] == [t.descriptor for t in builtin.antiphon_nodes()]
    assert validate(default_assistant(), plugins.catalogue()) == []
    assert set(plugins.implementations()) == {(t.descriptor.type, 1) for t in plugins.node_types}


def test_nothing_is_there_without_the_built_in_plugin() -> None:
    """There is no second road for the nodes of the house."""
    assert load_plugins([], entry_points=False).node_types == []


def test_every_specified_hook_is_called(monkeypatch: pytest.MonkeyPatch) -> None:
    called: list[str] = []
    specified = [name for name in vars(hooks) if name.startswith("antiphon_")]

    def answering(name: str) -> Any:
        def hook() -> list[Any]:
            called.append(name)
            return []

        hook.__name__ = name
        return hookimpl(hook)

    loaded = load(plugin(monkeypatch, "all_hooks", **{name: answering(name) for name in specified}))
    loaded.chat_models(simulated_runtime())
    assert called == specified


def test_a_named_plugin(monkeypatch: pytest.MonkeyPatch) -> None:
    plugins = load(plugin(monkeypatch, "acme", antiphon_nodes=giving(node("acme_a"), node("acme_b"))))
    assert plugins.names == [builtin.__name__, "acme"]
    assert plugins.catalogue().find("acme_b", 1) is not None
    assert plugins.problems == []


def raising(error: BaseException) -> Any:
    def antiphon_nodes() -> list[Any]:
        raise error

    return hookimpl(antiphon_nodes)


def with_arguments() -> Any:
    def antiphon_nodes(server: object) -> list[Any]:
        return []

    return hookimpl(antiphon_nodes)


@pytest.mark.parametrize(
    ("hook", "words"),
    [
        (raising(OSError("disk")), "could not be loaded: OSError: disk"),
        (raising(SystemExit(1)), "could not be loaded: SystemExit: 1"),
        (with_arguments(), "could not be loaded: PluginValidationError"),
        (hookimpl(lambda: 5), "could not be loaded: TypeError"),
        (giving("no node"), "'no node' was left out: It is not a NodeType"),
        (giving(NodeType(descriptor=NodeDescriptor(type="x"), implementation=None)), "'x' was left out: Its implementation has no `run`"),
        (giving(node("question")), "'question' was left out: The type is taken by 'antiphon.runs.nodes.builtin'"),
        (giving(node("two words")), "is not a name of letters"),
        (giving(node("x", settings_schema={"$ref": "x"})), "'$ref' is not supported"),
        (giving(node("x", inputs=[Port(name="a", type="video")])), "Its descriptor is wrong: Invalid enum value 'video'"),
        (giving(NodeType(descriptor=NodeDescriptor(type=5), implementation=node("y").implementation)), "Its descriptor is wrong"),
        (giving(node("x", inputs=[Port(name="a", type="text"), Port(name="a", type="text")])), "Two inputs have the same name"),
    ],
)  # fmt: skip
def test_a_broken_plugin_is_named_and_the_rest_goes_on(monkeypatch: pytest.MonkeyPatch, hook: Any, words: str) -> None:
    names = [
        plugin(monkeypatch, "broken", antiphon_nodes=hook),
        plugin(monkeypatch, "whole", antiphon_nodes=giving(node("fine"))),
    ]
    with capture_logs() as logs:
        plugins = load(*names)
    assert [problem.plugin for problem in plugins.problems] == ["broken"]
    assert words in plugins.problems[0].message
    assert plugins.problems[0].message.startswith("The plug-in 'broken' ")
    assert [entry["plugin"] for entry in logs if entry["event"] == "plugin_problem"] == ["broken"]
    assert plugins.catalogue().find("fine", 1) is not None
    assert plugins.catalogue().find("question", 1) is not None


def test_one_wrong_node_does_not_take_the_others_of_its_plugin_along(monkeypatch: pytest.MonkeyPatch) -> None:
    with capture_logs():
        plugins = load(plugin(monkeypatch, "half", antiphon_nodes=giving(node("good"), node("question"))))
    assert plugins.catalogue().find("good", 1) is not None
    assert len(plugins.problems) == 1


def test_a_plugin_that_cannot_be_imported() -> None:
    with capture_logs():
        plugins = load("there_is_no_such_module")
    assert [problem.plugin for problem in plugins.problems] == ["there_is_no_such_module"]
    assert "ModuleNotFoundError" in plugins.problems[0].message


def test_a_hook_of_a_later_version_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def antiphon_telepathy() -> list[Any]:
        return []

    name = plugin(monkeypatch, "future", antiphon_telepathy=hookimpl(antiphon_telepathy), antiphon_nodes=giving(node("now")))
    with capture_logs():
        plugins = load(name)
    assert [problem.message for problem in plugins.problems] == [
        "The plug-in 'future' implements 'antiphon_telepathy', which this version does not call."
    ]
    assert plugins.catalogue().find("now", 1) is not None


def test_two_plugins_with_the_same_node(monkeypatch: pytest.MonkeyPatch) -> None:
    names = [plugin(monkeypatch, name, antiphon_nodes=giving(node("same"))) for name in ("first", "second")]
    with capture_logs():
        plugins = load(*names)
    assert [problem.message for problem in plugins.problems] == [
        "The plug-in 'second' its node 'same' was left out: The type is taken by 'first'."
    ]


def test_installed_ones_come_by_name_and_once(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("zeta", "alpha"):
        plugin(monkeypatch, name, antiphon_nodes=giving(node(f"{name}_node")))
    installed = [EntryPoint(name=name, value=name, group="antiphon") for name in ("zeta", "alpha")]
    monkeypatch.setattr(manager, "entry_points", lambda group: installed if group == "antiphon" else [])
    plugins = load("zeta", entry_points=True)
    assert plugins.names == [builtin.__name__, "alpha", "zeta"]
    assert plugins.problems == []


def test_two_installed_ones_under_one_name(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("one", "two"):
        plugin(monkeypatch, name, antiphon_nodes=giving(node(f"{name}_node")))
    installed = [EntryPoint(name="twin", value=value, group="antiphon") for value in ("one", "two")]
    monkeypatch.setattr(manager, "entry_points", lambda group: installed)
    with capture_logs():
        plugins = load(entry_points=True)
    assert plugins.names == [builtin.__name__, "twin"]
    assert "another plug-in has the name 'twin'" in plugins.problems[0].message
    assert plugins.catalogue().find("one_node", 1) is not None


def test_a_fault_in_our_own_plugin_is_no_silent_gap() -> None:
    class Wrong:
        @hookimpl
        def antiphon_nodes(self) -> list[NodeType]:
            return [node("x", settings_schema={"$ref": "x"})]

    with pytest.raises(ValueError, match=r"\$ref"):
        load_plugins([], builtin=[Wrong()], entry_points=False)


def _with_models(give):
    class Plugin:
        @hookimpl
        def antiphon_chat_models(self, runtime):
            return give(runtime)

    return Plugin()


def test_chat_models_are_asked_for_and_wrong_ones_are_named(monkeypatch):
    runtime = simulated_runtime()
    good = ScriptedChat(runtime)
    modules = {
        "first": _with_models(lambda _: {"house": good, "extractive": good, "": good, "none": 7}),
        "second": _with_models(lambda _: {"house": good, "other": good}),
        "broken": _with_models(lambda _: 1 / 0),
    }
    monkeypatch.setattr(manager.importlib, "import_module", lambda name: modules[name])
    plugins = load_plugins(list(modules), entry_points=False)
    assert plugins.problems == []
    assert plugins.chat_models(runtime) == {"house": good, "other": good}
    told = [(problem.plugin, problem.message) for problem in plugins.problems]
    assert [name for name, _ in told] == ["first", "first", "first", "second", "broken"]
    assert "ZeroDivisionError" in told[-1][1]
