"""What is in a watched folder, and whether it may be watched. Blocks: for threads.

Links are never followed, so nothing outside of the folder is read; hidden files are left out. Used by folder_sync.py and
watches.py. Tests: tests/unit/library/test_folder_scan.py.
"""

from __future__ import annotations

import os
import stat
import unicodedata
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from msgspec import Struct

from antiphon.core.errors import BadRequest, Forbidden, QuotaExceeded


class FoundFile(Struct, frozen=True, kw_only=True):
    """`known_as`: the document's path, the folder's name first, as `antiphon ingest FOLDER` gives it. `stamp` changes with every
    write to the file."""

    path: Path
    known_as: str
    stamp: str
    size_bytes: int


class FolderScan(Struct, frozen=True, kw_only=True):
    """`files` in order; `unreadable`: folders below whose files could not be seen."""

    files: list[FoundFile]
    unreadable: list[str]


def roots_of(setting: str) -> list[Path]:
    return [Path(text.strip()) for text in setting.split(",") if text.strip()]


def watched_folder(address: str, roots: list[Path]) -> Path:
    """The folder itself, links resolved. Raises Forbidden when it is not below a root, BadRequest when it is no folder. What
    lies outside of the roots is answered alike, whether it is there or not."""
    folder = Path(address)
    if not folder.is_absolute():
        raise BadRequest("The folder of a watch is named by its absolute path on the server.")
    try:
        real = folder.resolve()
        inside = any(real.is_relative_to(root.resolve()) for root in roots)
    except (OSError, RuntimeError, ValueError):
        inside, real = False, folder
    if not inside:
        raise Forbidden("This folder may not be watched: an administrator names those that may be (ANTIPHON_WATCH_ROOTS).")
    if not real.is_dir():
        raise BadRequest(f"{address!r} is no folder of the server (any more).")
    return real


def scan_folder(folder: Path, *, most: int) -> FolderScan:
    """Raises BadRequest when the folder can't be read, QuotaExceeded beyond `most` files."""
    name = unicodedata.normalize("NFC", folder.name or "folder")
    files: list[FoundFile] = []
    unreadable: list[str] = []
    waiting = [folder]
    while waiting:
        inside = waiting.pop()
        try:
            entries = sorted(os.scandir(inside), key=lambda entry: entry.name)
        except OSError as error:
            if inside == folder:
                raise BadRequest(f"The folder {str(folder)!r} can't be read: {error.strerror}.") from None
            unreadable.append(str(inside.relative_to(folder)))
            continue
        for entry in entries:
            if entry.name.startswith(".") or entry.is_symlink():
                continue
            if entry.is_dir(follow_symlinks=False):
                waiting.append(Path(entry.path))
            elif entry.is_file(follow_symlinks=False):
                files.extend(_found(entry, folder, name, unreadable))
        if len(files) > most:
            raise QuotaExceeded(f"The folder holds more than {most} files: watch its parts, or raise ANTIPHON_WATCH_FILES.")
    return FolderScan(files=sorted(files, key=lambda file: file.known_as), unreadable=unreadable)


def open_file(found: FoundFile) -> tuple[BinaryIO, str]:
    """The file, and its stamp as it is now. Raises OSError, also for what has become a link or no plain file."""
    handle = os.open(found.path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    status = os.fstat(handle)
    if not stat.S_ISREG(status.st_mode):
        os.close(handle)
        raise OSError("It is no plain file.")
    return os.fdopen(handle, "rb"), stamp_of(status)


def stamp_of(status: os.stat_result) -> str:
    return f"{status.st_size}-{status.st_mtime_ns}-{status.st_ctime_ns}-{status.st_ino}"


def _found(entry: os.DirEntry[str], folder: Path, name: str, unreadable: list[str]) -> Iterator[FoundFile]:
    path = Path(entry.path)
    relative = path.relative_to(folder).as_posix()
    try:
        status = entry.stat(follow_symlinks=False)
    except OSError:
        unreadable.append(relative)
        return
    known_as = unicodedata.normalize("NFC", f"{name}/{relative}")
    yield FoundFile(path=path, known_as=known_as, stamp=stamp_of(status), size_bytes=status.st_size)
