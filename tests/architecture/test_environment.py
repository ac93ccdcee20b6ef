"""The environment is read by the settings tree, once; nothing else looks at it."""

from __future__ import annotations

import ast

ALLOWED = {"antiphon.config"}
CHILDREN: dict[str, str] = {
    "antiphon.ingest.nursery": "builds the environment of the parser processes",
    "antiphon.testing.server_process": "builds the environment of the server processes of tests",
}
"""Modules that hand an environment to a child process, with the reason."""
NAMES = {"environ", "getenv", "environb", "getenvb", "putenv", "unsetenv"}


def environment_uses(modules) -> list[str]:
    found = []
    for module in modules:
        if f"antiphon.{module.room}" in ALLOWED or module.name in CHILDREN:
            continue
        for node in ast.walk(module.tree):
            attribute = isinstance(node, ast.Attribute) and node.attr in NAMES and ast.unparse(node.value) == "os"
            imported = isinstance(node, ast.ImportFrom) and node.module == "os" and any(a.name in NAMES for a in node.names)
            typer = isinstance(node, ast.keyword) and node.arg == "envvar"
            if attribute or imported or typer:
                found.append(f"{module.name}:{getattr(node, 'lineno', node.value.lineno if typer else 0)}")
    return found


def test_only_the_settings_read_the_environment(modules):
    assert environment_uses(modules) == []


def test_the_check_finds_every_way(plant):
    for text in ("import os\nos.environ['X']", "import os\nos.getenv('X')", "from os import environ", "option(envvar='X')"):
        assert environment_uses([plant("antiphon.runs.x", text)]), text
    assert not environment_uses([plant("antiphon.config.x", "import os\nos.environ['X']")])
