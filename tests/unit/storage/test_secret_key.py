from __future__ import annotations

from pathlib import Path

import pytest

from antiphon.core.errors import Internal
from antiphon.storage.secret_key import FILE_NAME, secret_key
from antiphon.testing.simulated import simulated_runtime

RANDOM = simulated_runtime().random


def test_the_file_is_made_once_for_the_owner_alone(tmp_path: Path) -> None:
    made = secret_key(tmp_path, None, RANDOM)
    path = tmp_path / FILE_NAME
    assert path.stat().st_mode & 0o777 == 0o600
    assert len(made) == 64
    assert secret_key(tmp_path, None, RANDOM) == made
    assert [entry.name for entry in tmp_path.iterdir()] == [FILE_NAME]


def test_a_configured_secret_needs_no_file(tmp_path: Path) -> None:
    assert secret_key(tmp_path, "x" * 32, RANDOM) == b"x" * 32
    assert list(tmp_path.iterdir()) == []


def test_what_cannot_be_the_secret_is_told(tmp_path: Path) -> None:
    (tmp_path / FILE_NAME).write_text("short")
    with pytest.raises(Internal, match="too short"):
        secret_key(tmp_path, None, RANDOM)
    with pytest.raises(Internal, match="can't be used"):
        secret_key(tmp_path / "nowhere", None, RANDOM)
