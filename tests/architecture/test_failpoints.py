"""Every listed fail-point is passed somewhere, and every passed one is listed: a crash test of nothing proves nothing."""

from __future__ import annotations

import ast

from antiphon.core.failpoints import FAILPOINTS


def passed_names(modules) -> tuple[set[str], list[str]]:
    """(names passed to `failpoint`, places that pass something else than a literal)."""
    names: set[str] = set()
    odd: list[str] = []
    for module in modules:
        if module.name == "antiphon.core.failpoints":
            continue
        for node in ast.walk(module.tree):
            called = isinstance(node, ast.Call) and ast.unparse(node.func).rpartition(".")[2] == "failpoint"
            if not called:
                continue
            argument = node.args[0] if len(node.args) == 1 else None
            if isinstance(argument, ast.Constant) and isinstance(argument.value, str):
                names.add(argument.value)
            else:
                odd.append(f"{module.name}:{node.lineno}")
    return names, odd


def test_every_listed_name_is_passed_and_every_passed_name_is_listed(modules):
    names, odd = passed_names(modules)
    assert odd == [], "a fail-point is named by a literal, so that it can be found"
    assert names - set(FAILPOINTS) == set(), "passed, but not listed"
    assert set(FAILPOINTS) - names == set(), "listed, but passed nowhere"


def test_the_check_reads_calls(plant):
    text = "from antiphon.core.failpoints import failpoint\nfailpoint('run.after_chunk')\nfailpoint(name)\n"
    assert passed_names([plant("antiphon.runs.x", text)]) == ({"run.after_chunk"}, ["antiphon.runs.x:3"])
