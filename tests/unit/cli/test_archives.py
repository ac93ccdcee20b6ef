"""`backup` and `restore` pass on what they are told; the work itself is tested with the storage."""

from __future__ import annotations

import json

import pytest
import typer

from antiphon.cli import archives
from antiphon.storage.archive import BackupFile, Manifest

MANIFEST = Manifest(
    created_at=0, version="0.1.0", schema="0001", files=[BackupFile(path="antiphon.db", size_bytes=5, sha256="0")]
)


def test_backup_reports_what_it_wrote(tmp_path, monkeypatch, capsys):
    seen = []

    def create_backup(data_dir, target, *, runtime, version, progress):
        progress(5, 5)
        seen.append((data_dir, target, version))
        return MANIFEST

    monkeypatch.setattr(archives, "create_backup", create_backup)
    archives.backup(tmp_path / "b.tgz", as_json=True, data_dir=tmp_path)
    assert json.loads(capsys.readouterr().out) == {"path": str(tmp_path / "b.tgz"), "files": 1, "bytes": 5, "schema": "0001"}
    assert seen[0][:2] == (tmp_path, tmp_path / "b.tgz")


def test_restore_asks_first(tmp_path, monkeypatch, capsys):
    restored = []

    def restore_backup(archive, data_dir, *, progress):
        restored.append((archive, data_dir))
        return MANIFEST

    def no(*_, **__):
        raise typer.Abort

    monkeypatch.setattr(archives, "restore_backup", restore_backup)
    monkeypatch.setattr(archives.typer, "confirm", no)
    with pytest.raises(typer.Abort):
        archives.restore(tmp_path / "b.tgz", data_dir=tmp_path)
    assert restored == []
    archives.restore(tmp_path / "b.tgz", yes=True, data_dir=tmp_path)
    assert restored == [(tmp_path / "b.tgz", tmp_path)]
    assert "1 files restored" in capsys.readouterr().out
