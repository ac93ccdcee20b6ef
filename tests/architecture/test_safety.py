"""G3 of the attack list: nothing that executes data is reachable; broad `except` only at a task's boundary, with a reason."""

from __future__ import annotations

import ast
import re

CALLS = {"eval", "exec", "compile", "__import__"}
MODULES = {"pickle", "cPickle", "dill", "shelve", "marshal", "cloudpickle", "jsonpickle", "yaml"}
ATTRIBUTES = {("os", "system"), ("os", "popen"), ("subprocess", "getoutput"), ("subprocess", "getstatusoutput")}
BROAD = re.compile(r"except\s+(\(?)(Base)?Exception\b")
REASON = re.compile(r"#\s*(noqa:\s*BLE001\s*-\s*)?(?!noqa)\S+(\s+\S+){2,}")


def dangers(modules) -> list[str]:
    found = []
    for module in modules:
        found += [f"{module.name}:{i.line} {i.target}" for i in module.imports() if i.target.partition(".")[0] in MODULES]
        for node in ast.walk(module.tree):
            if not isinstance(node, ast.Call):
                continue
            if isinstance(node.func, ast.Name) and node.func.id in CALLS:
                found.append(f"{module.name}:{node.lineno} {node.func.id}")
            elif isinstance(node.func, ast.Attribute) and (ast.unparse(node.func.value), node.func.attr) in ATTRIBUTES:
                found.append(f"{module.name}:{node.lineno} {ast.unparse(node.func)}")
            elif any(k.arg == "shell" and ast.unparse(k.value) == "True" for k in node.keywords):
                found.append(f"{module.name}:{node.lineno} shell=True")
    return found


def broad_excepts(modules) -> list[str]:
    """`except Exception` without a reason. A handler that raises, or hands the error to who waits, needs none."""
    found = []
    for module in modules:
        lines = module.text.splitlines()
        for node in ast.walk(module.tree):
            if not isinstance(node, ast.ExceptHandler):
                continue
            broad = node.type is None or re.search(r"\b(Base)?Exception\b", ast.unparse(node.type))
            passed_on = any(isinstance(n, ast.Raise) or "set_exception" in ast.unparse(n) for n in ast.walk(node))
            if broad and not passed_on and not REASON.search(lines[node.lineno - 1]):
                found.append(f"{module.name}:{node.lineno} {lines[node.lineno - 1].strip()}")
    return found


def test_nothing_executes_data(modules):
    assert dangers(modules) == []


def test_broad_excepts_say_why(modules):
    assert broad_excepts(modules) == []


def test_the_checks_find_what_they_are_for(plant):
    for text in ("import pickle", "from yaml import load", "eval('1')", "exec(x)", "os.system('ls')", "run('ls', shell=True)"):
        assert dangers([plant("antiphon.runs.x", text)]), text
    assert not dangers([plant("antiphon.runs.x", "re.compile('a')")])
    silent = "try:\n    f()\nexcept Exception:{}\n    {}\n"
    assert broad_excepts([plant("antiphon.runs.x", silent.format("", "pass"))])
    assert broad_excepts([plant("antiphon.runs.x", silent.format("  # noqa: BLE001", "pass"))])
    assert not broad_excepts([plant("antiphon.runs.x", silent.format("  # noqa: BLE001 - becomes an event of the run", "pass"))])
    assert not broad_excepts([plant("antiphon.runs.x", silent.format("", "raise"))])
