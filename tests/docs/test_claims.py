"""What README and the pages name exists: make targets, commands, options, settings, files."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import typer

from antiphon.cli.main import app
from antiphon.config.fields import setting_fields

PAGES = ["README.md", "README.zh-CN.md", "ARCHITECTURE.md", "docs/testing.md", "docs/protocol.md", "docs/glossary.md"]
MAKE_VARIABLES = {"HOST", "PORT", "DATA_DIR", "PYTHON", "TESTS"}
NOT_SETTINGS = {"ANTIPHON_PROVE"}


def text_of(repository: Path, page: str) -> str:
    return (repository / page).read_text(encoding="utf-8")


@pytest.mark.parametrize("page", PAGES)
def test_make_targets_exist(repository, page):
    targets = set(re.findall(r"^([a-z]+):", text_of(repository, "Makefile"), re.MULTILINE))
    assert "serve" in targets
    assert set(re.findall(r"(?:`|^\s*)make ([a-z]+)", text_of(repository, page), re.MULTILINE)) <= targets


@pytest.mark.parametrize("page", PAGES)
def test_commands_and_options_exist(repository, generator, page):
    known = {
        path: {o for p in c.params for o in (*p.opts, *p.secondary_opts)}
        for path, c in generator.commands(typer.main.get_command(app), ())
    }
    for line in re.findall(r"(?:`|^\s*|bin/)antiphon (?!ready)([a-z][^`\n#]*)", text_of(repository, page), re.MULTILINE):
        words = line.split()
        path = tuple(words[:2]) if tuple(words[:2]) in known else (words[0],)
        assert path in known, line
        assert {w for w in words if w.startswith("--")} <= known[path], line


@pytest.mark.parametrize("page", PAGES)
def test_settings_exist(repository, page):
    names = {field.environment for field in setting_fields()} | NOT_SETTINGS
    mentioned = set(re.findall(r"\bANTIPHON_[A-Z_]+[A-Z]\b", text_of(repository, page)))
    assert mentioned <= names


@pytest.mark.parametrize("page", PAGES)
def test_linked_files_exist(repository, page):
    for target in re.findall(r"\]\((?!https?://|#)([^)#\s]+)", text_of(repository, page)):
        assert ((repository / page).parent / target).exists(), target


def test_the_rooms_of_the_map_are_the_rooms_of_the_source(repository):
    rooms = {p.name for p in (repository / "src" / "antiphon").iterdir() if (p / "__init__.py").exists()}
    mapped = set(re.findall(r"^\s{2}([a-z]+)/", text_of(repository, "ARCHITECTURE.md"), re.MULTILINE))
    assert rooms == mapped


def test_architecture_fits_two_pages(repository):
    assert len(text_of(repository, "ARCHITECTURE.md").splitlines()) <= 120


def test_documented_subsystems_are_linked_from_their_code(repository):
    sources = "".join(p.read_text(encoding="utf-8") for p in (repository / "src" / "antiphon").rglob("*.py"))
    for page in (repository / "docs" / "subsystems").glob("*.md"):
        assert f"docs/subsystems/{page.name}" in sources, f"no module names docs/subsystems/{page.name}"
    for name in set(re.findall(r"docs/subsystems/([a-z_]+\.md)", sources)):
        assert (repository / "docs" / "subsystems" / name).exists(), f"a module names docs/subsystems/{name}, which is not there"
