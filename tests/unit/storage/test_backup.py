"""storage/backup.py and restore.py"""

from __future__ import annotations

import asyncio
import gzip
import io
import shutil
import tarfile
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from antiphon.core.errors import AntiphonError, BadRequest, Conflict, FolderInUse, Internal, NotFound
from antiphon.core.runtime import system_runtime
from antiphon.storage import backup as backup_module
from antiphon.storage import restore as restore_module
from antiphon.storage.archive import Manifest
from antiphon.storage.backup import create_backup
from antiphon.storage.blobs.files import FileBlobStore
from antiphon.storage.lock import FolderLock
from antiphon.storage.records.rows import DOCUMENTS
from antiphon.storage.records.sqlite import SqliteStore
from antiphon.storage.restore import finish_restore, restore_backup
from antiphon.storage.sqlite.database import FILE_NAME, Database
from antiphon.testing.conformance.blobs import parts
from antiphon.testing.conformance.record_rows import document
from antiphon.testing.conformance.scopes import EVERYTHING


async def fill(folder: Path, *contents: bytes) -> None:
    """A data folder with one document for each content, its log cleanly closed."""
    blobs = FileBlobStore.at(folder / "blobs")
    store = SqliteStore(Database.open(folder / FILE_NAME, runtime=system_runtime()))
    for number, content in enumerate(contents):
        sha256 = (await blobs.put(parts(content), max_bytes=0)).sha256
        await store.write(lambda transaction, n=number, s=sha256: transaction.insert(DOCUMENTS, document(n, sha256=s)))
    await store.database.submit(lambda connection: connection.execute("INSERT OR REPLACE INTO log_state VALUES (1, 'log_1', 1)"))
    await store.close()


async def content_of(folder: Path) -> tuple[list[bytes], int]:
    """(originals of the documents, whether the log is marked as clean)."""
    blobs = FileBlobStore.at(folder / "blobs")
    store = SqliteStore(Database.open(folder / FILE_NAME, runtime=system_runtime()))
    rows = await store.read(lambda transaction: transaction.find(DOCUMENTS, EVERYTHING))
    clean = await store.database.read(lambda connection: connection.execute("SELECT clean FROM log_state").fetchone()[0])
    await store.close()
    return [blobs.local_path(row.sha256).read_bytes() for row in rows], clean


def back_up(folder: Path, target: Path) -> Manifest:
    return create_backup(folder, target, runtime=system_runtime(), version="1")


async def test_there_and_back(tmp_path: Path) -> None:
    await fill(tmp_path / "data", b"one", b"two" * 1_000_000)
    seen: list[tuple[int, int]] = []
    target = tmp_path / "b.tar.gz"
    manifest = create_backup(
        tmp_path / "data", target, runtime=system_runtime(), version="1.2", progress=lambda *done: seen.append(done)
    )
    assert (manifest.version, len(manifest.files)) == ("1.2", 3)
    assert seen[-1] == (manifest.size_bytes, manifest.size_bytes)
    assert target.stat().st_mode & 0o777 == 0o600
    assert sorted(path.name for path in tmp_path.iterdir()) == ["b.tar.gz", "data"]

    await fill(tmp_path / "other", b"former")
    for folder in (tmp_path / "new", tmp_path / "other"):
        seen.clear()
        assert restore_backup(target, folder, progress=lambda *done: seen.append(done)) == manifest
        assert seen[-1] == (manifest.size_bytes, manifest.size_bytes)
        assert await content_of(folder) == ([b"one", b"two" * 1_000_000], 0)
        assert {path.name for path in folder.iterdir()} == {"antiphon.lock", "antiphon.db", "blobs"}


async def test_while_a_server_writes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backup_module, "PAGES_A_STEP", 1)  # a copy that starts again with every commit never ends
    data = tmp_path / "data"
    await fill(data, b"one")
    store = SqliteStore(Database.open(data / FILE_NAME, runtime=system_runtime()))
    await store.database.submit(
        lambda connection: connection.execute("INSERT INTO log_batches (created_at, data) VALUES (1, zeroblob(40000000))")
    )
    stop = asyncio.Event()

    async def write() -> int:
        number = 100
        while not stop.is_set():

            def both(transaction: object, n: int = number) -> None:
                for row in (document(n), document(n + 1)):
                    transaction.insert(DOCUMENTS, row)  # type: ignore[attr-defined]

            await store.write(both)
            number += 2
        return number

    with FolderLock.acquire(data):
        writing = asyncio.ensure_future(write())
        await asyncio.sleep(0.05)
        try:
            await asyncio.wait_for(asyncio.to_thread(back_up, data, tmp_path / "b.tar.gz"), 10)
        finally:
            stop.set()
        assert await writing > 110
        await store.close()
    restore_backup(tmp_path / "b.tar.gz", tmp_path / "new")
    copy = SqliteStore(Database.open(tmp_path / "new" / FILE_NAME, runtime=system_runtime()))
    rows = await copy.read(lambda transaction: transaction.find(DOCUMENTS, EVERYTHING))
    await copy.close()
    assert len(rows) % 2 == 1, "half a transaction was copied"


async def test_a_blob_that_vanishes_meanwhile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = tmp_path / "data"
    await fill(data, b"one", b"two")
    copy_database = backup_module._copy_database
    tries: list[int] = []

    def copy_then_remove(live: Path, copy: Path) -> tuple[str, list[str]]:
        result = copy_database(live, copy)
        tries.append(1)
        if len(tries) == 1:  # as the job that removes a document does, between the copy and its blobs
            connection = backup_module.sqlite3.connect(live)
            connection.execute("UPDATE documents SET deleted_at = 5 WHERE id = 'doc_001'")
            connection.commit()
            connection.close()
            path = FileBlobStore(data / "blobs").local_path(result[1][0])
            kept = FileBlobStore(data / "blobs").local_path(result[1][1])
            (path if path.read_bytes() == b"two" else kept).unlink()
        return result

    monkeypatch.setattr(backup_module, "_copy_database", copy_then_remove)
    assert len(back_up(data, tmp_path / "b.tar.gz").files) == 2
    assert len(tries) == 2


async def test_refusals(tmp_path: Path) -> None:
    with pytest.raises(NotFound):
        back_up(tmp_path, tmp_path / "b.tar.gz")
    data = tmp_path / "data"
    await fill(data, b"one")
    (tmp_path / "taken").touch()
    with pytest.raises(Conflict):
        back_up(data, tmp_path / "taken")
    back_up(data, tmp_path / "b.tar.gz")
    with FolderLock.acquire(data), pytest.raises(FolderInUse):
        restore_backup(tmp_path / "b.tar.gz", data)
    shutil.rmtree(data / "blobs")
    with pytest.raises(Internal, match="missing"):
        back_up(data, tmp_path / "c.tar.gz")
    assert not (tmp_path / "c.tar.gz").exists()


Change = Callable[[dict[str, bytes]], None]


def rename(members: dict[str, bytes]) -> None:
    for name in [name for name in members if name.startswith("blobs/")]:
        members["../../evil"] = members.pop(name)


def rename_in_manifest_too(members: dict[str, bytes]) -> None:
    (name,) = [name for name in members if name.startswith("blobs/")]
    members["../evil"] = members.pop(name)
    members["manifest.json"] = members["manifest.json"].replace(name.encode(), b"../evil")


def swap_content(members: dict[str, bytes]) -> None:
    members[next(name for name in members if name.startswith("blobs/"))] = b"six"


def lengthen(members: dict[str, bytes]) -> None:
    members[next(name for name in members if name.startswith("blobs/"))] += b"!"


def drop_blob(members: dict[str, bytes]) -> None:
    del members[next(name for name in members if name.startswith("blobs/"))]


def newer(members: dict[str, bytes]) -> None:
    manifest = msgspec.json.decode(members["manifest.json"])
    manifest["schema"] = "0999"
    members["manifest.json"] = msgspec.json.encode(manifest)


def no_database(members: dict[str, bytes]) -> None:
    del members["antiphon.db"]
    manifest = msgspec.json.decode(members["manifest.json"])
    manifest["files"] = [file for file in manifest["files"] if file["path"] != "antiphon.db"]
    members["manifest.json"] = msgspec.json.encode(manifest)


def no_manifest(members: dict[str, bytes]) -> None:
    del members["manifest.json"]


@pytest.mark.parametrize(
    "change", [rename, rename_in_manifest_too, swap_content, lengthen, drop_blob, newer, no_database, no_manifest]
)
async def test_a_changed_backup_changes_nothing(tmp_path: Path, change: Change) -> None:
    data = tmp_path / "data"
    await fill(data, b"one")
    back_up(data, tmp_path / "b.tar.gz")
    await fill(tmp_path / "present", b"present")
    with tarfile.open(tmp_path / "b.tar.gz") as tar:
        members = {member.name: tar.extractfile(member).read() for member in tar}  # type: ignore[union-attr]
    change(members)
    with tarfile.open(tmp_path / "changed.tar.gz", "w:gz") as tar:
        for name, content in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    with pytest.raises(BadRequest, match="Nothing was changed"):
        restore_backup(tmp_path / "changed.tar.gz", tmp_path / "present")
    assert await content_of(tmp_path / "present") == ([b"present"], 1)
    assert not list(tmp_path.rglob("*evil*"))
    assert not (tmp_path / "present" / "restore.incoming").exists()


async def test_links_are_refused(tmp_path: Path) -> None:
    data = tmp_path / "data"
    await fill(data, b"one")
    manifest = back_up(data, tmp_path / "b.tar.gz")
    with tarfile.open(tmp_path / "links.tar.gz", "w:gz") as tar:
        encoded = msgspec.json.encode(manifest)
        member = tarfile.TarInfo("manifest.json")
        member.size = len(encoded)
        tar.addfile(member, io.BytesIO(encoded))
        link = tarfile.TarInfo("antiphon.db")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        tar.addfile(link)
    with pytest.raises(BadRequest, match="not a plain file"):
        restore_backup(tmp_path / "links.tar.gz", data)


async def test_a_cut_or_broken_archive(tmp_path: Path) -> None:
    data = tmp_path / "data"
    await fill(data, b"one")
    back_up(data, tmp_path / "b.tar.gz")
    whole = (tmp_path / "b.tar.gz").read_bytes()
    for content in (whole[: len(whole) // 2], whole[:10], b"", b"nonsense", gzip.compress(b"nonsense")):
        (tmp_path / "broken").write_bytes(content)
        with pytest.raises(BadRequest):
            restore_backup(tmp_path / "broken", data)
    assert await content_of(data) == ([b"one"], 1)
    refused = 0
    for at in range(20, len(whole), len(whole) // 40):
        (tmp_path / "broken").write_bytes(whole[:at] + bytes([whole[at] ^ 0xFF]) + whole[at + 1 :])
        try:
            restore_backup(tmp_path / "broken", data)
        except BadRequest:
            refused += 1
        assert (await content_of(data))[0] == [b"one"]  # a flip in the padding changes nothing
    assert refused >= 30


@pytest.mark.parametrize("with_former", [False, True])
async def test_a_restore_killed_anywhere_is_whole_afterwards(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, with_former: bool
) -> None:
    await fill(tmp_path / "source", b"new")
    back_up(tmp_path / "source", tmp_path / "b.tar.gz")
    outcomes: set[bytes | None] = set()

    class Killed(BaseException):
        pass

    for steps in range(1, 40):
        data = tmp_path / f"data{steps}"
        data.mkdir()
        if with_former:
            await fill(data, b"former")
        left = steps

        def step(original: Callable[..., object]) -> Callable[..., object]:
            def counted(*arguments: object, **named: object) -> object:
                nonlocal left
                if not str(arguments[0]).endswith("server.json"):
                    left -= 1
                    if left == 0:
                        raise Killed
                return original(*arguments, **named)

            return counted

        with monkeypatch.context() as patch:
            patch.setattr(Path, "rename", step(Path.rename))
            patch.setattr(Path, "unlink", step(Path.unlink))
            patch.setattr(restore_module, "sync_folder", step(restore_module.sync_folder))
            patch.setattr(restore_module, "_drop", step(restore_module._drop))
            patch.setattr(restore_module.shutil, "rmtree", lambda folder: None)  # a killed process cleans nothing up
            finished = False
            try:
                restore_backup(tmp_path / "b.tar.gz", data)
                finished = True
            except Killed:
                pass
        if not finished and left > 0:
            raise AssertionError("not killed and not finished")
        with FolderLock.acquire(data):
            finish_restore(data)
        if (data / FILE_NAME).exists():
            (content,), _ = await content_of(data)
            outcomes.add(content)
        else:
            outcomes.add(None)
            assert not with_former
        assert not [path.name for path in data.iterdir() if path.name.startswith("restore")]
        if finished:
            break
    else:
        pytest.fail("the restore never got through")
    assert outcomes == ({b"former", b"new"} if with_former else {None, b"new"})


def test_errors_are_sentences() -> None:
    with pytest.raises(AntiphonError, match=r"\.$"):
        back_up(Path("/nowhere"), Path("/nowhere.tar.gz"))
