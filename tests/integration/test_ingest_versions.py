"""Newer versions of documents, files that come again, and everything at once (security.md C11), with real stores and workers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from antiphon.core.errors import AntiphonError, NotFound
from antiphon.protocol.events import DocumentReady
from antiphon.storage.inspection import inspect_storage
from antiphon.storage.records.rows import LAYOUTS, PAGES, REPLACEMENTS
from antiphon.testing.conformance.scopes import EVERYTHING
from antiphon.testing.ingest_house import WORKSPACE, IngestHouse, person

MONDAY = b"The meeting is on Monday in room seven."
FRIDAY = b"The meeting is on Friday in room nine."
LONG = "\n\n".join(f"Paragraph {n} tells about the number {n * 7}. It is long enough." for n in range(30_000)).encode()


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[IngestHouse]:
    async with IngestHouse.open(tmp_path) as house:
        yield house


async def ready(house: IngestHouse, content: bytes = MONDAY, name: str = "plan.txt", path: str = "") -> str:
    added = await house.upload(content, name, path)
    await house.until(added.row.id, "ready")
    return added.row.id


async def sound(house: IngestHouse, folder: Path) -> None:
    await house.settled()
    found = inspect_storage(folder)
    assert found.sound, found


async def test_a_new_version_takes_over_when_it_is_ready(house: IngestHouse, tmp_path: Path) -> None:
    document_id = await ready(house)
    replaced = await house.replace(document_id, FRIDAY, "plan 2.txt")
    assert (replaced.change, replaced.version, replaced.row.version, replaced.row.searchable) == ("replaced", 2, 1, True)
    await sound(house, tmp_path)
    row = await house.row(document_id)
    assert row is not None
    assert (row.version, row.name, row.state, row.bytes) == (2, "plan 2.txt", "ready", len(FRIDAY))
    (passage,) = await house.search("meeting")
    assert ("Friday" in passage.text, passage.version) == (True, 2)
    assert await house.blobs.list() == [row.sha256]
    with pytest.raises(NotFound, match="Version 1 of this document was replaced; it has version 2 now") as caught:
        await house.pages.text(EVERYTHING, document_id, 1, version=1)
    assert caught.value.data == {"version": 2}
    assert [event.name for _, event in house.events if isinstance(event, DocumentReady)] == ["plan.txt", "plan 2.txt"]


async def test_the_old_version_serves_until_the_new_one_is_indexed(house: IngestHouse) -> None:
    document_id = await ready(house)
    await house.replace(document_id, LONG)
    await house.until(document_id, "indexing")
    (passage,) = await house.search("meeting")
    assert passage.version == 1
    assert await house.search("paragraph tells about the number") == [passage] or not await house.search("paragraph tells")
    page, _ = await house.pages.text(EVERYTHING, document_id, 1, version=1)
    assert page.text == MONDAY.decode()


async def test_the_same_content_again_is_told_and_nothing_is_done(house: IngestHouse) -> None:
    document_id = await ready(house)
    jobs = len(await house.jobs.list())
    again = await house.replace(document_id, MONDAY)
    assert (again.change, again.duplicate_of, again.version) == ("unchanged", document_id, 1)
    assert len(await house.jobs.list()) == jobs


async def test_a_failing_new_version_leaves_the_old_one_and_can_be_tried_again(house: IngestHouse, tmp_path: Path) -> None:
    document_id = await ready(house)
    await house.replace(document_id, b"MZ\x90\x00\x03" + bytes(300))
    failed = await house.until(document_id, "failed")
    assert (failed.searchable, failed.version) == (True, 1)
    assert [passage.version for passage in await house.search("meeting")] == [1]
    await house.library.retry(person(), EVERYTHING, document_id)
    await house.until(document_id, "failed")
    await house.replace(document_id, FRIDAY)
    row = await house.until(document_id, "ready")
    assert row.version == 4  # a number is never used again
    await sound(house, tmp_path)
    assert len(await house.blobs.list()) == 1


async def test_cancelling_a_new_version_keeps_the_old_one_and_leaves_nothing(house: IngestHouse, tmp_path: Path) -> None:
    document_id = await ready(house)
    await house.replace(document_id, LONG)
    await house.until(document_id, "indexing")
    row = await house.library.cancel(EVERYTHING, document_id)
    assert (row.state, row.searchable, row.error and row.error["code"]) == ("failed", True, "cancelled")
    await house.settled()
    assert (await house.statistics())["chunks"] == 1
    assert await house.store.read(lambda tx: tx.count(PAGES, EVERYTHING)) == 1
    await house.library.retry(person(), EVERYTHING, document_id)
    assert (await house.until(document_id, "ready")).version == 3
    await sound(house, tmp_path)


async def test_a_newer_version_overtakes_one_that_is_being_made(house: IngestHouse, tmp_path: Path) -> None:
    document_id = await ready(house)
    await house.replace(document_id, LONG)
    await house.until(document_id, "parsing", "indexing")
    await house.replace(document_id, FRIDAY)
    row = await house.until(document_id, "ready")
    assert (row.version, row.passages) == (3, 1)
    await sound(house, tmp_path)
    assert await house.blobs.list() == [row.sha256]


async def test_a_file_that_comes_again_is_skipped_or_becomes_a_version(house: IngestHouse) -> None:
    document_id = await ready(house, path="plans/plan.txt")
    same = await house.upload(MONDAY, "plan.txt", "plans//plan.txt")
    assert (same.change, same.row.id) == ("unchanged", document_id)
    changed = await house.upload(FRIDAY, "plan.txt", "plans/plan.txt")
    assert (changed.change, changed.row.id, changed.version) == ("replaced", document_id, 2)
    await house.settled()
    elsewhere = await house.upload(MONDAY, "plan.txt", "other/plan.txt")
    assert elsewhere.change == "added"
    assert (await house.upload(FRIDAY, "copy.txt", "copy.txt")).duplicate_of == document_id
    await house.settled()
    rows = await house.library.list(EVERYTHING, WORKSPACE, path="plans/plan.txt", limit=5)
    assert [row.id for row in rows] == [document_id]


@pytest.mark.parametrize("path", ["../up.txt", "a/../../b.txt", "a\x00b.txt", "x" * 1500, "\u202efdp.txt"])
async def test_a_path_out_of_its_folder_is_refused(house: IngestHouse, path: str) -> None:
    with pytest.raises(AntiphonError):
        await house.upload(MONDAY, "plan.txt", path)


async def test_deleting_while_a_version_is_made_leaves_nothing(house: IngestHouse, tmp_path: Path) -> None:
    document_id = await ready(house)
    await house.replace(document_id, LONG)
    await house.until(document_id, "indexing")
    await house.library.delete(person(), EVERYTHING, document_id)
    assert await house.search("meeting") == []
    await sound(house, tmp_path)
    assert await house.blobs.list() == []
    for table in (PAGES, LAYOUTS, REPLACEMENTS):
        assert await house.store.read(lambda tx, table=table: tx.count(table, EVERYTHING)) == 0


async def test_c11_replace_delete_and_retry_at_once_have_one_winner(house: IngestHouse, tmp_path: Path) -> None:
    for turn in range(50):
        document_id = (await house.upload(f"Round {turn} begins here.".encode(), f"{turn}.txt")).row.id
        work = [house.replace(document_id, f"Round {turn} has version {n} now.".encode()) for n in range(3)]
        work.insert(turn % 3, house.library.retry(person(), EVERYTHING, document_id))  # type: ignore[arg-type]
        if turn % 2:
            work.insert(turn % 4, house.library.delete(person(), EVERYTHING, document_id))  # type: ignore[arg-type]
        if turn % 5 == 0:
            work.append(house.library.cancel(EVERYTHING, document_id))  # type: ignore[arg-type]
        outcomes = await asyncio.gather(*work, return_exceptions=True)
        assert not [error for error in outcomes if isinstance(error, BaseException) and not isinstance(error, AntiphonError)]
    await sound(house, tmp_path)
    rows = await house.library.list(EVERYTHING, WORKSPACE, limit=100)
    assert len(rows) == 25
    for row in rows:
        if row.state == "failed":
            assert row.error is not None
            assert row.error["code"] == "cancelled"
        else:
            assert row.state == "ready", (row, await house.jobs.list(subject=row.id))
            page, _ = await house.pages.text(EVERYTHING, row.id, 1)
            assert (row.state, "version" in page.text, page.version) == ("ready", True, row.version)
