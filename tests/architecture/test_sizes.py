"""Small files, small functions, names of the domain, and a first line that says what a module is for."""

from __future__ import annotations

import ast
import re
import warnings
from pathlib import Path

ASK_LINES, MOST_LINES = 400, 700
ASK_FUNCTION_LINES, MOST_FUNCTION_LINES = 60, 100
LONGER_WITH_REASON: dict[str, str] = {
    "antiphon.storage.records.rows": "every row of the store and its table, side by side: the schema is read in one place",
}
"""File -> why it may have more than 400 lines (never more than 700)."""
FORBIDDEN = re.compile(r"(^|_)(utils?|helpers?|commons?|misc|base|old|v2|stale|legacy|stuff)(_|$)")


def long_files(modules, most: int) -> list[str]:
    return [
        f"{m.name}: {n} lines" for m in modules if (n := len(m.text.splitlines())) > most and m.name not in LONGER_WITH_REASON
    ]


def long_functions(modules, most: int) -> list[str]:
    found = []
    for module in modules:
        for function in module.functions():
            lines = (function.end_lineno or function.lineno) - function.lineno + 1
            if lines > most:
                found.append(f"{module.name}:{function.lineno} {function.name}: {lines} lines")
    return found


def vague_names(modules) -> list[str]:
    return [module.name for module in modules if FORBIDDEN.search(module.name.rpartition(".")[2])]


def without_docstring(modules) -> list[str]:
    found = []
    for module in modules:
        body = module.tree.body
        first = body[0] if body else None
        documented = isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant) and first.lineno == 1
        if not documented or len(str(ast.get_docstring(module.tree)).split()) < 4:
            found.append(module.name)
    return found


def test_files_are_short(modules):
    assert long_files(modules, MOST_LINES) == []
    assert long_files(modules, ASK_LINES) == [], "split it, or give the reason in LONGER_WITH_REASON"


def test_functions_are_short(modules):
    assert long_functions(modules, MOST_FUNCTION_LINES) == []


def test_functions_beyond_sixty_lines_are_named(modules, recwarn):
    for each in long_functions(modules, ASK_FUNCTION_LINES):
        warnings.warn(f"a long function: {each}", UserWarning, stacklevel=1)
    assert len(recwarn) <= 5, "too many long functions: " + ", ".join(str(w.message) for w in recwarn)


def test_modules_are_called_by_what_they_hold(modules):
    assert vague_names(modules) == []


def test_modules_say_on_line_one_what_they_are_for(modules):
    assert without_docstring(modules) == []


def test_the_checks_find_what_they_are_for(plant):
    long = plant("antiphon.core.long", '"""About long things here."""\n' + "x = 1\n" * 500)
    assert long_files([long], ASK_LINES)
    assert long_functions([plant("antiphon.core.f", "def f():\n" + "    x = 1\n" * 100)], MOST_FUNCTION_LINES)
    assert vague_names([plant(f"antiphon.core.{name}", "") for name in ("utils", "text_helpers", "old_log", "base")]) != []
    assert vague_names([plant("antiphon.core.database", "")]) == []
    assert without_docstring([plant("antiphon.core.x", "import os\n"), plant("antiphon.core.y", '"""Short."""\n')]) != []


def test_tests_lie_where_their_subject_is(repository: Path):
    """tests/unit mirrors the rooms of src, so that a reader finds the tests of a room."""
    rooms = {path.name for path in (repository / "src" / "antiphon").iterdir() if path.is_dir()}
    folders = {path.name for path in (repository / "tests" / "unit").iterdir() if path.is_dir() and path.name != "__pycache__"}
    assert folders <= rooms
