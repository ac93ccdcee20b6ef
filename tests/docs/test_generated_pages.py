"""The generated pages are what the code says now."""

from __future__ import annotations

import pytest


@pytest.mark.parametrize("name", ["settings.md", "errors.md", "command-line.md"])
def test_the_page_is_fresh(generator, repository, name):
    assert (repository / "docs" / name).read_text(encoding="utf-8") == generator.PAGES[name](), "run `make docs`"


def test_every_exit_code_is_documented(generator):
    assert set(generator.EXIT_CODES) == set(generator.ExitCode)
