"""Which files are found, and under which paths they are known."""

from __future__ import annotations

from pathlib import Path

import pytest

from antiphon.cli.folder import find_files, folder_names
from antiphon.core.errors import BadRequest


def folder(tmp_path: Path) -> Path:
    for name in ("b.md", "a.txt", "sub/c.pdf", ".git/config", "sub/.hidden"):
        path = tmp_path / "docs" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    return tmp_path / "docs"


def test_files_are_found_once_in_order_without_hidden_ones(tmp_path: Path) -> None:
    docs = folder(tmp_path)
    found = list(find_files([docs, docs / "a.txt"]))
    assert [item.known_as for item in found] == ["docs/a.txt", "docs/b.md", "docs/sub/c.pdf"]
    by_hand = list(find_files([docs / "sub" / ".hidden"]))
    assert [item.known_as for item in by_hand] == [""], "named by hand, it is meant"
    with pytest.raises(BadRequest, match="nowhere"):
        list(find_files([tmp_path / "nowhere"]))


def test_folders_of_one_name_are_not_mixed_up(tmp_path: Path) -> None:
    one, other = tmp_path / "x" / "docs", tmp_path / "y" / "docs"
    for path in (one, other):
        path.mkdir(parents=True)
    assert folder_names([one]) == ["docs"]
    with pytest.raises(BadRequest, match="'docs'"):
        folder_names([one, other])
