"""The source tree as the architecture tests read it: parsed modules, and `plant` to prove that a check can fail."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SRC = ROOT / "src" / "antiphon"


@dataclass(frozen=True)
class Import:
    """`target` is absolute and as written: a module or a name in one. `hidden`: inside a function."""

    target: str
    line: int
    hidden: bool
    typing_only: bool


@dataclass(frozen=True)
class Module:
    name: str
    path: Path
    text: str

    @cached_property
    def tree(self) -> ast.Module:
        return ast.parse(self.text)

    @property
    def room(self) -> str:
        parts = self.name.split(".")
        return parts[1] if len(parts) > 1 else ""

    def functions(self) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
        for node in ast.walk(self.tree):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                yield node

    def imports(self) -> list[Import]:
        found: list[Import] = []
        self._collect(self.tree, found, hidden=False, typing_only=False)
        return found

    def _collect(self, node: ast.AST, found: list[Import], *, hidden: bool, typing_only: bool) -> None:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.Import):
                found += [Import(alias.name, child.lineno, hidden, typing_only) for alias in child.names]
            elif isinstance(child, ast.ImportFrom):
                package = self.name.split(".") if self.path.name == "__init__.py" else self.name.split(".")[:-1]
                start = package[: len(package) - child.level + 1] if child.level else []
                source = ".".join([*start, *([child.module] if child.module else [])])
                found += [Import(f"{source}.{alias.name}", child.lineno, hidden, typing_only) for alias in child.names]
            inside = hidden or isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
            checking = typing_only or (isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test))
            self._collect(child, found, hidden=inside, typing_only=checking)


def _module_name(path: Path) -> str:
    parts = path.relative_to(SRC.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


@pytest.fixture(scope="session")
def modules() -> list[Module]:
    found = [Module(_module_name(p), p, p.read_text(encoding="utf-8")) for p in sorted(SRC.rglob("*.py"))]
    assert len(found) > 20, "the source tree was not found"
    return found


@pytest.fixture(scope="session")
def plant() -> Callable[[str, str], Module]:
    """`plant(name, text)`: a module that is not there, for showing that a check finds what it is for."""
    return lambda name, text: Module(name, SRC / Path(*name.split(".")[1:]).with_suffix(".py"), text)


@pytest.fixture(scope="session")
def repository() -> Path:
    return ROOT
