"""`create_backup`: a consistent copy of a data folder into one file, also while a server uses the folder.

The database is copied from one read transaction (the writer goes on meanwhile); then the blobs that this copy refers to.
A blob removed in between belongs to a document removed in between: the copy is taken again. Blocking; called by the
command line and, on a thread, by the server. Tests: tests/unit/storage/test_backup.py.
"""

from __future__ import annotations

import io
import os
import sqlite3
import tarfile
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

import msgspec

from antiphon.core.errors import Conflict, Internal, NotFound
from antiphon.core.runtime import Runtime
from antiphon.storage.archive import (
    BLOBS_NAME,
    DATABASE_NAME,
    MANIFEST_NAME,
    BackupFile,
    Manifest,
    Progress,
    blob_member,
    described,
)
from antiphon.storage.blobs.files import blob_path, sync_folder
from antiphon.storage.sqlite.connections import connect_reader
from antiphon.storage.sqlite.revisions import stored_revision

TRIES = 5
PAGES_A_STEP = 1024
COMPRESSION = 3
"""gzip's level: most of a backup is PDF and does not shrink; level 6 takes three times as long for 2 % of the rest."""


def create_backup(data_dir: Path, target: Path, *, runtime: Runtime, version: str, progress: Progress | None = None) -> Manifest:
    """Writes `target` (mode 600), whole or not at all. `version` is the product's, for people.

    Raises NotFound without a database, Conflict when `target` exists, Internal when a document's original is missing."""
    if not (data_dir / DATABASE_NAME).is_file():
        raise NotFound(f"There is no Antiphon data in {str(data_dir)!r}; give another folder with --data-dir.")
    if target.exists():
        raise Conflict(f"{str(target)!r} exists already; give another name, or remove it.")
    vanished = ""
    for _ in range(TRIES):
        try:
            return _attempt(data_dir, target, runtime.clock.now(), version, progress)
        except _BlobVanished as error:
            vanished = str(error)
    raise Internal(
        f"The original {vanished!r} of a document is missing, so no whole backup can be made; run `antiphon doctor --storage`."
    )


class _BlobVanished(Exception):
    """Carries the sha256."""


def _attempt(data_dir: Path, target: Path, now: float, version: str, progress: Progress | None) -> Manifest:
    with tempfile.TemporaryDirectory(prefix=".antiphon-backup-", dir=target.absolute().parent) as folder:
        copy = Path(folder) / DATABASE_NAME
        schema, originals = _copy_database(data_dir / DATABASE_NAME, copy)
        files = [described(copy, DATABASE_NAME)]
        files.extend(_described_blob(data_dir, sha256) for sha256 in originals)
        manifest = Manifest(created_at=now, version=version, schema=schema, files=files)
        whole = Path(folder) / "backup.tar.gz"
        _write_archive(manifest, whole, lambda file: _source(data_dir, copy, file), progress)
        whole.chmod(0o600)
        whole.replace(target)
    sync_folder(target.absolute().parent)
    return manifest


def _copy_database(live: Path, copy: Path) -> tuple[str, list[str]]:
    """(schema, sha256 of the originals it refers to)."""
    source = connect_reader(live)
    target = sqlite3.connect(copy, isolation_level=None)
    try:
        source.execute("BEGIN")  # held over all steps: otherwise every commit of the server would start the copy again
        source.execute("SELECT 1 FROM sqlite_master").fetchone()
        source.backup(target, pages=PAGES_A_STEP)
        schema = stored_revision(target)
        if schema is None:
            raise NotFound(f"{str(live)!r} holds no Antiphon data.")
        rows = target.execute(
            "SELECT sha256 FROM documents WHERE sha256 != '' AND deleted_at IS NULL "
            "UNION SELECT r.sha256 FROM replacements r JOIN documents d ON d.id = r.id WHERE d.deleted_at IS NULL ORDER BY 1"
        )
        return schema, [str(sha256) for (sha256,) in rows]
    finally:
        source.close()
        target.close()


def _described_blob(data_dir: Path, sha256: str) -> BackupFile:
    path = blob_path(data_dir / BLOBS_NAME, sha256)
    try:
        size_bytes = path.stat().st_size if path is not None else -1
    except FileNotFoundError:
        raise _BlobVanished(sha256) from None
    return BackupFile(path=blob_member(sha256), size_bytes=size_bytes, sha256=sha256)


def _source(data_dir: Path, copy: Path, file: BackupFile) -> BinaryIO:
    try:
        return (copy if file.path == DATABASE_NAME else data_dir / file.path).open("rb")
    except FileNotFoundError:
        raise _BlobVanished(file.sha256) from None


def _write_archive(manifest: Manifest, whole: Path, opened: Callable[[BackupFile], BinaryIO], progress: Progress | None) -> None:
    done_bytes = 0
    with whole.open("wb") as raw:
        with tarfile.open(fileobj=raw, mode="w:gz", compresslevel=COMPRESSION) as archive:
            encoded = msgspec.json.format(msgspec.json.encode(manifest), indent=1)
            archive.addfile(_member(MANIFEST_NAME, len(encoded), manifest), io.BytesIO(encoded))
            for file in manifest.files:
                with opened(file) as content:
                    archive.addfile(_member(file.path, file.size_bytes, manifest), content)
                done_bytes += file.size_bytes
                if progress is not None:
                    progress(done_bytes, manifest.size_bytes)
        raw.flush()
        os.fsync(raw.fileno())


def _member(path: str, size_bytes: int, manifest: Manifest) -> tarfile.TarInfo:
    member = tarfile.TarInfo(path)
    member.size = size_bytes
    member.mode = 0o600
    member.mtime = int(manifest.created_at)
    return member
