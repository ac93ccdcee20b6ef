from __future__ import annotations

from pathlib import Path

import pytest

from antiphon.config import load_settings


def test_a_relative_data_folder_becomes_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`make serve` gives `data`: parsers, which work in folders of their own, must find the originals all the same."""
    monkeypatch.chdir(tmp_path)
    assert load_settings(data_dir=Path("data")).data_dir == tmp_path / "data"
    monkeypatch.setenv("ANTIPHON_DATA_DIR", "elsewhere")
    assert load_settings().data_dir == tmp_path / "elsewhere"
