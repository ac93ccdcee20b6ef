"""The format of a backup: one .tar.gz with manifest.json first, the database, and the blobs it refers to.

Shared by backup.py and restore.py; nothing else reads it. Tests: tests/unit/storage/test_backup.py.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO, Final, NoReturn

from msgspec import Struct

from antiphon.core.errors import BadRequest

FORMAT: Final = 1
MANIFEST_NAME: Final = "manifest.json"
DATABASE_NAME: Final = "antiphon.db"
BLOBS_NAME: Final = "blobs"
STEP_BYTES: Final = 2**20
_MEMBER = re.compile(r"antiphon\.db|blobs/[0-9a-f]{2}/[0-9a-f]{62}")

Progress = Callable[[int, int], None]
"""(bytes done, bytes in all)."""


class BackupFile(Struct, frozen=True, kw_only=True):
    path: str
    size_bytes: int
    sha256: str


class Manifest(Struct, frozen=True, kw_only=True):
    format: int = FORMAT
    created_at: float
    version: str
    schema: str
    files: list[BackupFile]

    @property
    def size_bytes(self) -> int:
        return sum(file.size_bytes for file in self.files)


def is_member(path: str) -> bool:
    """Whether a backup may hold a file of this path: nothing else is ever written to the disk."""
    return _MEMBER.fullmatch(path) is not None


def blob_member(sha256: str) -> str:
    return f"{BLOBS_NAME}/{sha256[:2]}/{sha256[2:]}"


def steps(file: BinaryIO) -> Iterator[bytes]:
    while part := file.read(STEP_BYTES):
        yield part


def described(path: Path, member: str) -> BackupFile:
    sha256 = hashlib.sha256()
    size_bytes = 0
    with path.open("rb") as file:
        for part in steps(file):
            sha256.update(part)
            size_bytes += len(part)
    return BackupFile(path=member, size_bytes=size_bytes, sha256=sha256.hexdigest())


def damaged(what: str) -> NoReturn:
    raise BadRequest(f"The backup can't be restored: {what}. Nothing was changed; take another backup.")
