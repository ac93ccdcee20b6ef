"""`load_plugins`: finds, loads and asks the plug-ins, once, at start. A broken one is named and left out; the rest goes on.

Called by the composition root (server/), which also hands over the built-in plug-in. Loading a plug-in runs its code with
all rights of the server: only packages that the operator installed or named are loaded, nothing that a user can upload.
Tests: tests/unit/plugins/test_manager.py, tests/integration/test_sample_plugin.py.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from importlib.metadata import EntryPoint, entry_points
from typing import Any, Final

import msgspec
import structlog
from pluggy import PluginManager

from antiphon.core.runtime import Runtime
from antiphon.flows.descriptor import Catalogue, NodeDescriptor
from antiphon.flows.settings_schema import schema_faults
from antiphon.models.chat import ChatModel
from antiphon.plugins import hooks
from antiphon.runs.node import NodeImplementation, NodeType

TAKEN_MODELS: Final = frozenset({"extractive", "default"})
_log = structlog.get_logger(__name__)


@dataclass(frozen=True, kw_only=True, slots=True)
class PluginProblem:
    """`plugin` is the name of the entry point, or the import name from the settings."""

    plugin: str
    message: str


@dataclass(kw_only=True, slots=True)
class Plugins:
    """What was loaded. `names` in the order of loading; `problems` for `doctor` and the log."""

    names: list[str] = field(default_factory=list[str])
    node_types: list[NodeType] = field(default_factory=list[NodeType])
    problems: list[PluginProblem] = field(default_factory=list[PluginProblem])
    sources: list[tuple[str, Callable[[Runtime], list[Any]]]] = field(
        default_factory=list[tuple[str, Callable[[Runtime], list[Any]]]]
    )
    """(plug-in, what asks it for chat models)."""

    def chat_models(self, runtime: Runtime) -> dict[str, ChatModel]:
        """Of all plug-ins. One whose hook raises, or gives what is none, is named and left out."""
        found: dict[str, ChatModel] = {}
        for name, ask in self.sources:
            try:
                models = {ident: model for answer in ask(runtime) for ident, model in answer.items()}
            except Exception as error:  # noqa: BLE001 - the boundary of foreign code: becomes a named problem
                self.tell(name, f"gives no chat models: {type(error).__name__}: {error}", error)
                continue
            for ident, model in models.items():
                fit = isinstance(ident, str) and 0 < len(ident) <= 200 and callable(getattr(model, "stream", None))  # pyright: ignore[reportUnnecessaryIsInstance] - from foreign code
                if not fit or ident in found or ident in TAKEN_MODELS:
                    self.tell(name, f"its chat model {ident!r} was left out: the id is taken or wrong, or it has no `stream`.")
                else:
                    found[ident] = model
        return found

    def tell(self, name: str, message: str, error: BaseException | None = None) -> None:
        self.problems.append(PluginProblem(plugin=name, message=f"The plug-in {name!r} {message}"))
        _log.error("plugin_problem", plugin=name, problem=message, exc_info=error)

    def catalogue(self) -> Catalogue:
        return Catalogue([node.descriptor for node in self.node_types])

    def implementations(self) -> dict[tuple[str, int], NodeImplementation]:
        """For the executor: (type, version) -> implementation."""
        return {(node.descriptor.type, node.descriptor.version): node.implementation for node in self.node_types}


def load_plugins(
    names: Sequence[str] = (),
    *,
    builtin: Sequence[object] = (),
    entry_points: bool = True,
) -> Plugins:
    """Loads `builtin` (modules or objects; a fault in one is ours and raises), then the installed plug-ins of the entry
    point group `antiphon` by name, then the modules in `names`. Never raises for a plug-in of others."""
    loader = _Loader()
    for plugin in builtin:
        loader.add_builtin(plugin)
    if entry_points:
        for entry_point in _installed():
            loader.add(entry_point.name, entry_point.load)
    for name in names:
        loader.add(name, lambda name=name: importlib.import_module(name))
    return loader.plugins


def _installed() -> list[EntryPoint]:
    return sorted(entry_points(group=hooks.PROJECT), key=lambda entry_point: (entry_point.name, entry_point.value))


class _Loader:
    def __init__(self) -> None:
        self._manager = PluginManager(hooks.PROJECT)
        self._manager.add_hookspecs(hooks)
        self._owners: dict[tuple[str, int], str] = {}
        self.plugins = Plugins()

    def add_builtin(self, plugin: object) -> None:
        name = self._manager.register(plugin)
        assert name is not None, "no name is ever blocked here"
        self.plugins.names.append(name)
        for node in self._nodes_of(plugin):
            faults = self._faults(node)
            if faults:
                raise ValueError(f"The built-in node {node!r}: {' '.join(faults)}")
            self._take(name, node)

    def add(self, name: str, load: Callable[[], object]) -> None:
        """Loads, registers and asks one plug-in; whatever goes wrong becomes a problem under its name."""
        try:
            plugin = load()
            if self._manager.is_registered(plugin):  # installed and named in the settings as well
                return
            self._demand_free_name(name)
            self._manager.register(plugin, name=name)
            nodes = self._nodes_of(plugin)
        except (Exception, SystemExit) as error:  # noqa: BLE001 - the boundary of foreign code: becomes a named problem
            self._problem(name, f"could not be loaded: {type(error).__name__}: {error}", error)
            if self._manager.has_plugin(name) and name not in self.plugins.names:
                self._manager.unregister(name=name)
            return
        self.plugins.names.append(name)
        self.plugins.sources.append((name, lambda runtime: self._models_of(plugin, runtime)))
        self._tell_unknown_hooks(name, plugin)
        for node in nodes:
            faults = self._faults(node)
            if faults:
                self._problem(name, f"its node {_shown(node)} was left out: {' '.join(faults)}")
            else:
                self._take(name, node)

    def _demand_free_name(self, name: str) -> None:
        if self._manager.has_plugin(name):
            raise ValueError(f"another plug-in has the name {name!r}")

    def _nodes_of(self, plugin: object) -> list[Any]:
        """What the plug-in's own `antiphon_nodes` gives; each is asked alone, so that one that raises stops no other."""
        others = [other for other in self._manager.get_plugins() if other is not plugin]
        answers: list[Any] = self._manager.subset_hook_caller("antiphon_nodes", remove_plugins=others)()
        return [node for answer in answers for node in answer]

    def _models_of(self, plugin: object, runtime: Runtime) -> list[Any]:
        others = [other for other in self._manager.get_plugins() if other is not plugin]
        return self._manager.subset_hook_caller("antiphon_chat_models", remove_plugins=others)(runtime=runtime)

    def _faults(self, node: Any) -> list[str]:
        if not isinstance(node, NodeType) or not isinstance(node.descriptor, NodeDescriptor):  # pyright: ignore[reportUnnecessaryIsInstance] - from foreign code
            return ["It is not a NodeType."]
        faults = _descriptor_faults(node.descriptor)
        if faults:
            return faults
        owner = self._owners.get((node.descriptor.type, node.descriptor.version))
        if owner is not None:
            faults.append(f"The type is taken by {owner!r}.")
        if not callable(getattr(node.implementation, "run", None)):
            faults.append("Its implementation has no `run`.")
        return faults

    def _take(self, name: str, node: NodeType) -> None:
        self._owners[node.descriptor.type, node.descriptor.version] = name
        self.plugins.node_types.append(node)

    def _tell_unknown_hooks(self, name: str, plugin: object) -> None:
        for caller in self._manager.get_hookcallers(plugin) or []:
            if not caller.has_spec():
                self._problem(name, f"implements {caller.name!r}, which this version does not call.")

    def _problem(self, name: str, message: str, error: BaseException | None = None) -> None:
        self.plugins.tell(name, message, error)


def _descriptor_faults(descriptor: NodeDescriptor) -> list[str]:
    try:
        msgspec.convert(msgspec.to_builtins(descriptor), NodeDescriptor)  # a Struct does not look at its fields when made
    except (msgspec.MsgspecError, TypeError) as error:
        return [f"Its descriptor is wrong: {error}."]
    faults = schema_faults(descriptor.settings_schema)
    if not descriptor.type.isidentifier():
        faults.append(f"The type {descriptor.type!r} is not a name of letters, digits and underscores.")
    for word, ports in (("input", descriptor.inputs), ("output", descriptor.outputs)):
        names = [port.name for port in ports]
        if len(set(names)) < len(names):
            faults.append(f"Two {word}s have the same name.")
    return faults


def _shown(node: Any) -> str:
    return repr(node.descriptor.type) if isinstance(node, NodeType) else repr(node)[:80]
