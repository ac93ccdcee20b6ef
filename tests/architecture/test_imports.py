"""Rooms and directions of imports (import-linter), no cycles between modules, no first-party import hidden in a function."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

LAZY = {
    ("antiphon.cli", "antiphon.server"): "every other command starts without the server and its libraries",
    ("antiphon.storage.sqlite.revisions", "antiphon.storage.sqlite.migrations"): "alembic is loaded for an upgrade only",
}
"""(importing module or package, target): first-party imports that may stand in a function, with the reason."""

PLUGIN_CONTRACTS = (
    "antiphon.core", "antiphon.plugins", "antiphon.flows.definition", "antiphon.flows.descriptor", "antiphon.flows.settings_schema", "antiphon.runs.node",
    "antiphon.models.chat", "antiphon.retrieve.passage",
)  # fmt: skip
"""What hook specifications may speak of; any module called `contract` is allowed besides."""


def hidden_imports(modules) -> list[str]:
    found = []
    for module in modules:
        for each in module.imports():
            allowed = any(module.name.startswith(place) and each.target.startswith(target) for place, target in LAZY)
            if each.hidden and each.target.startswith("antiphon") and not allowed:
                found.append(f"{module.name}:{each.line} hides {each.target}")
    return found


def import_graph(modules) -> dict[str, set[str]]:
    names = {module.name for module in modules}
    graph: dict[str, set[str]] = {}
    for module in modules:
        targets = {each.target for each in module.imports() if not each.typing_only and not each.hidden}
        resolved = {t if t in names else t.rpartition(".")[0] for t in targets}
        graph[module.name] = {t for t in resolved if t in names and t != module.name}
    return graph


def cycles(modules) -> list[str]:
    """Strongly connected parts with more than one module (Tarjan)."""
    graph = import_graph(modules)
    index: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    found: list[str] = []

    def visit(name: str) -> None:
        index[name] = low[name] = len(index)
        stack.append(name)
        for target in sorted(graph[name]):
            if target not in index:
                visit(target)
                low[name] = min(low[name], low[target])
            elif target in stack:
                low[name] = min(low[name], index[target])
        if low[name] == index[name]:
            part = []
            while not part or part[-1] != name:
                part.append(stack.pop())
            if len(part) > 1:
                found.append(" <-> ".join(sorted(part)))

    for name in graph:
        if name not in index:
            visit(name)
    return found


def beyond_contracts(modules) -> list[str]:
    names = {module.name for module in modules}
    found = []
    for module in modules:
        if module.room != "plugins":
            continue
        for each in module.imports():
            target = each.target if each.target in names else each.target.rpartition(".")[0]
            contract = target.startswith(PLUGIN_CONTRACTS) or target.endswith(".contract") or target == "antiphon"
            if target.startswith("antiphon") and not contract:
                found.append(f"{module.name}:{each.line} imports {target}")
    return found


def test_the_rooms_keep_their_direction(repository: Path):
    command = [str(Path(sys.executable).parent / "lint-imports"), "--no-logo", "--no-cache"]
    done = subprocess.run(command, cwd=repository, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert " 0 broken" in done.stdout


def test_no_module_hides_a_first_party_import(modules):
    assert hidden_imports(modules) == []


def test_a_hidden_import_is_found(plant):
    assert hidden_imports([plant("antiphon.runs.x", "def f():\n    from antiphon.core import ids\n")])
    assert not hidden_imports([plant("antiphon.cli.x", "def f():\n    from antiphon.server.process import serve\n")])


def test_no_import_cycles(modules):
    assert cycles(modules) == []


def test_a_cycle_is_found(plant):
    one = plant("antiphon.core.one", "from antiphon.core.two import a\n")
    two = plant("antiphon.core.two", "from antiphon.core import three\n")
    three = plant("antiphon.core.three", "import antiphon.core.one\n")
    assert cycles([one, two, three]) == ["antiphon.core.one <-> antiphon.core.three <-> antiphon.core.two"]
    assert cycles([one, two]) == []


def test_plugins_know_only_contracts(modules):
    assert beyond_contracts(modules) == []


def test_a_plugin_room_that_knows_too_much_is_found(plant):
    assert beyond_contracts([plant("antiphon.plugins.x", "from antiphon.runs.executor import Executor\n")])
    assert not beyond_contracts([plant("antiphon.plugins.x", "from antiphon.storage.records.contract import Store\n")])
