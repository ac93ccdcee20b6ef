"""`restore_backup`: puts a backup in the place of a data folder's content, whole or not at all, also under kill -9.

First everything is unpacked and checked in `restore.incoming/` of the data folder. Then a mark is written
(`restore.json`), and from there on the change is only ever completed: the present files move to `restore.previous/`, the
new ones to their places, the mark goes, the previous ones go. A start that finds the mark completes it
(`finish_restore`); one that finds no mark drops `restore.incoming/`. Renames inside the folder, so that the folder may
be a mount point and keeps its lock. Tests: tests/unit/storage/test_backup.py.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import sqlite3
import tarfile
import zlib
from pathlib import Path
from typing import IO

import msgspec

from antiphon.storage.archive import (
    BLOBS_NAME,
    DATABASE_NAME,
    FORMAT,
    MANIFEST_NAME,
    STEP_BYTES,
    BackupFile,
    Manifest,
    Progress,
    damaged,
    is_member,
)
from antiphon.storage.blobs.files import sync_folder
from antiphon.storage.lock import FolderLock
from antiphon.storage.sqlite.connections import connect_writer
from antiphon.storage.sqlite.revisions import is_known, stored_revision

MARK_NAME = "restore.json"
INCOMING_NAME = "restore.incoming"
PREVIOUS_NAME = "restore.previous"
MANIFEST_BYTES = 64 * 2**20
"""A manifest of 400,000 documents has this size; a larger one is not ours."""
_CONTENT = {BLOBS_NAME: (), DATABASE_NAME: (f"{DATABASE_NAME}-wal", f"{DATABASE_NAME}-shm")}
"""What a restore replaces, each with the files that go with it."""


def restore_backup(archive: Path, data_dir: Path, *, progress: Progress | None = None) -> Manifest:
    """Replaces all data of the folder with the backup's.

    Raises FolderInUse when a server runs on it, BadRequest (nothing changed) for a damaged, foreign or newer backup."""
    with FolderLock.acquire(data_dir):
        finish_restore(data_dir)
        incoming = data_dir / INCOMING_NAME
        incoming.mkdir(mode=0o700)
        (incoming / BLOBS_NAME).mkdir(mode=0o700)
        try:
            manifest = _unpack(archive, incoming, progress)
            _prepare(incoming / DATABASE_NAME)
        except BaseException:
            shutil.rmtree(incoming)
            raise
        _sync_all(incoming)
        (data_dir / MARK_NAME).write_bytes(msgspec.json.encode({"created_at": manifest.created_at}))
        sync_folder(data_dir)
        finish_restore(data_dir)
    return manifest


def finish_restore(data_dir: Path) -> bool:
    """Completes, or forgets, a restore that was killed; True when it completed one. The caller holds the FolderLock;
    every start calls it before it opens the database."""
    incoming, previous, mark = data_dir / INCOMING_NAME, data_dir / PREVIOUS_NAME, data_dir / MARK_NAME
    if not mark.exists():
        _drop(incoming)
        _drop(previous)
        return False
    previous.mkdir(mode=0o700, exist_ok=True)
    for name, followers in _CONTENT.items():
        if (incoming / name).exists():  # else it is in its place already
            for former in (name, *followers):
                if (data_dir / former).exists():
                    (data_dir / former).rename(previous / former)
            sync_folder(data_dir)
            (incoming / name).rename(data_dir / name)
    sync_folder(data_dir)
    mark.unlink()
    sync_folder(data_dir)
    _drop(incoming)
    _drop(previous)
    return True


def _drop(folder: Path) -> None:
    if folder.exists():
        shutil.rmtree(folder)


def _unpack(archive: Path, incoming: Path, progress: Progress | None) -> Manifest:
    """Reads members one by one and writes only those the manifest lists, under names of ours: no path of the archive,
    link or device ever reaches the disk."""
    try:
        with tarfile.open(archive, mode="r|gz") as tar:
            members = iter(tar)
            first = next(members, None)
            if first is None or first.name != MANIFEST_NAME or first.size > MANIFEST_BYTES:
                damaged("it has no manifest")
            manifest = _manifest(_content(tar, first).read())
            missing = {file.path: file for file in manifest.files}
            done_bytes = 0
            for member in members:
                file = missing.pop(member.name, None)
                if file is None:
                    damaged(f"it holds {member.name!r}, which its manifest does not list")
                _write(_content(tar, member), incoming / file.path, file)
                done_bytes += file.size_bytes
                if progress is not None:
                    progress(done_bytes, manifest.size_bytes)
    except (tarfile.TarError, EOFError, zlib.error, OSError) as error:
        if isinstance(error, OSError) and error.errno is not None:  # our disk, not the archive
            raise
        damaged(f"it is not a whole archive ({error})")
    if missing:
        damaged(f"{len(missing)} files are missing from it, {min(missing)!r} first")
    return manifest


def _content(tar: tarfile.TarFile, member: tarfile.TarInfo) -> IO[bytes]:
    content = tar.extractfile(member) if member.isreg() else None
    if content is None:
        damaged(f"{member.name!r} in it is not a plain file")
    return content


def _manifest(encoded: bytes) -> Manifest:
    try:
        manifest = msgspec.json.decode(encoded, type=Manifest)
    except msgspec.DecodeError as error:
        damaged(f"its manifest can't be read ({error})")
    if manifest.format != FORMAT or not is_known(manifest.schema):
        damaged(f"it was made by a newer Antiphon ({manifest.version}, schema {manifest.schema!r})")
    for file in manifest.files:
        if not is_member(file.path):
            damaged(f"its manifest lists {file.path!r}, which is no place of a data folder")
    if DATABASE_NAME not in {file.path for file in manifest.files}:
        damaged("it holds no database")
    return manifest


def _write(content: IO[bytes], target: Path, file: BackupFile) -> None:
    target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    sha256 = hashlib.sha256()
    size_bytes = 0
    with target.open("wb") as out:
        while part := content.read(STEP_BYTES):
            size_bytes += len(part)
            if size_bytes > file.size_bytes:
                damaged(f"{file.path!r} in it is longer than it should be")
            sha256.update(part)
            out.write(part)
    if sha256.hexdigest() != file.sha256:
        damaged(f"{file.path!r} in it is not what it was when it was saved")


def _prepare(database: Path) -> None:
    """Checks the database, and marks its log as not cleanly closed: clients must not resume over a restore."""
    try:
        connection = connect_writer(database)
        try:
            if connection.execute("PRAGMA quick_check(1)").fetchone()[0] != "ok" or stored_revision(connection) is None:
                damaged("its database is damaged")
            connection.execute("UPDATE log_state SET clean = 0")
        finally:
            connection.close()
    except sqlite3.DatabaseError as error:
        damaged(f"its database is damaged ({error})")


def _sync_all(folder: Path) -> None:
    for path in sorted(folder.rglob("*")):
        if path.is_dir():
            sync_folder(path)
        else:
            with path.open("rb") as file:
                os.fsync(file.fileno())
    sync_folder(folder)
