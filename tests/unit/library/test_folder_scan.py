from __future__ import annotations

import os
from pathlib import Path

import pytest

from antiphon.core.errors import BadRequest, Forbidden, QuotaExceeded
from antiphon.library.watching.folder_scan import open_file, roots_of, scan_folder, watched_folder


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "shelf"
    (folder / "b").mkdir(parents=True)
    for name in ("b/z.txt", "a.txt", ".hidden", "b/.x"):
        (folder / name).write_text(name)
    return folder


def test_files_are_found_in_order_without_links_and_hidden_ones(folder: Path):
    (folder / "link.txt").symlink_to(folder / "a.txt")
    (folder / "loop").symlink_to(folder)
    os.mkfifo(folder / "pipe")
    found = scan_folder(folder, most=10)
    assert [file.known_as for file in found.files] == ["shelf/a.txt", "shelf/b/z.txt"]
    assert found.unreadable == []


def test_a_stamp_changes_with_every_write(folder: Path):
    before = scan_folder(folder, most=10).files[0]
    path = folder / "a.txt"
    status = path.stat()
    path.write_text("A.TXT")
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert scan_folder(folder, most=10).files[0].stamp != before.stamp


def test_limits_and_folders_that_are_away(folder: Path, tmp_path: Path):
    with pytest.raises(QuotaExceeded):
        scan_folder(folder, most=1)
    with pytest.raises(BadRequest):
        scan_folder(tmp_path / "none", most=10)


def test_a_file_that_became_a_link_or_a_pipe_is_not_opened(folder: Path, tmp_path: Path):
    found = scan_folder(folder, most=10).files[0]
    file, stamp = open_file(found)
    file.close()
    assert stamp == found.stamp
    found.path.unlink()
    found.path.symlink_to(tmp_path)
    with pytest.raises(OSError, match=r"."):
        open_file(found)
    found.path.unlink()
    os.mkfifo(found.path)
    with pytest.raises(OSError, match="no plain file"):
        open_file(found)


def test_roots(folder: Path, tmp_path: Path):
    assert watched_folder(str(folder), roots_of(f" {tmp_path} , /elsewhere")) == folder
    for address, roots in (
        (str(folder), ""),
        (str(folder), f"{tmp_path}/she"),
        (f"{folder}/../..", str(folder)),
        (f"{folder}\x00", str(folder)),
    ):
        with pytest.raises(Forbidden):
            watched_folder(address, roots_of(roots))
