"""A test that cannot fail is a defect: each collected test asserts, raises, or calls something that does."""

from __future__ import annotations

import ast
from pathlib import Path

CHECKING = ("assert", "check", "expect", "verify", "raises", "fail", "conform")


def idle_tests(path: Path, text: str) -> list[str]:
    """Tests without `assert`, `pytest.raises` or a call whose name says that it checks. Local functions are followed.
    A property of hypothesis may say no more than that nothing is raised, whatever comes."""
    tree = ast.parse(text)
    functions = {n.name: n for n in ast.walk(tree) if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef)}

    def checks(node: ast.AST, seen: frozenset[str]) -> bool:
        for child in ast.walk(node):
            if isinstance(child, ast.Assert | ast.Raise):
                return True
            if not isinstance(child, ast.Call | ast.Name):
                continue
            name = ast.unparse(child.func if isinstance(child, ast.Call) else child).rpartition(".")[2]
            if isinstance(child, ast.Call) and name.lower().lstrip("_").startswith(CHECKING):
                return True
            if name in functions and name not in seen and checks(functions[name], seen | {name}):
                return True
        return False

    properties = {name for name, node in functions.items() if any("given" in ast.unparse(d) for d in node.decorator_list)}
    names = [name for name in functions if name.startswith("test_") and name not in properties]
    return [f"{path.name}::{name}" for name in names if not checks(functions[name], frozenset({name}))]


def test_every_test_can_fail(repository):
    files = sorted((repository / "tests").rglob("test_*.py"))
    assert len(files) > 10
    assert [each for path in files for each in idle_tests(path, path.read_text(encoding="utf-8"))] == []


def test_an_idle_test_is_found():
    assert idle_tests(Path("t.py"), "def test_x():\n    f()\n") == ["t.py::test_x"]
    assert idle_tests(Path("t.py"), "def test_x():\n    with pytest.raises(E):\n        f()\n") == []
    assert idle_tests(Path("t.py"), "@given(text=st.text())\ndef test_x(text):\n    f(text)\n") == []
    assert idle_tests(Path("t.py"), "def f():\n    assert 1\ndef test_x():\n    f()\n") == []
