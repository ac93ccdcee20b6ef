"""Nobody waits for somebody else's large files, and small files never wait for large ones (security.md H9)."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from antiphon.config.settings import Ingest
from antiphon.testing.ingest_house import IngestHouse

LARGE = "\n\n".join(f"Paragraph {n} tells about the number {n * 7}. It is long enough." for n in range(60_000))
START_S = 2.0


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[IngestHouse]:
    async with IngestHouse.open(tmp_path, Ingest(workers=2, timeout_s=60)) as house:
        yield house


async def busy(house: IngestHouse, files: int = 4) -> list[str]:
    """Large files of one user, two of them being worked on."""
    ids = [(await house.upload(f"{n}. {LARGE}".encode(), f"large {n}.txt", user="ada")).row.id for n in range(files)]
    async with asyncio.timeout(10):
        while len(await house.jobs.list(state="running")) < 2:
            await asyncio.sleep(0.01)
    return ids


async def seconds_until_ready(house: IngestHouse, document_id: str) -> float:
    began = time.perf_counter()
    await house.until(document_id, "ready")
    return time.perf_counter() - began


async def test_a_small_file_does_not_wait_for_its_users_large_ones(house: IngestHouse) -> None:
    large = await busy(house)
    small = await house.upload(b"A heron stands in the reeds.", "small.txt", user="ada")
    assert await seconds_until_ready(house, small.row.id) < START_S
    assert {(row := await house.row(document_id)) and row.state for document_id in large} != {"ready"}


async def test_another_users_large_file_begins_at_once(house: IngestHouse) -> None:
    await busy(house)
    other = await house.upload(LARGE.encode(), "bo.txt", user="bo")
    began = time.perf_counter()
    row = await house.until(other.row.id, "parsing", "indexing", "ready")
    assert time.perf_counter() - began < START_S
    assert row.state != "queued"


async def test_h9_five_hundred_small_uploads_of_one_user_leave_room_for_another(house: IngestHouse) -> None:
    for number in range(0, 500, 100):
        async with asyncio.TaskGroup() as group:
            for n in range(number, number + 100):
                group.create_task(house.upload(f"Note {n} tells about heron number {n}.".encode(), f"{n}.txt", user="ada"))
    other = await house.upload(b"A crane stands in the marsh.", "bo.txt", user="bo")
    assert await seconds_until_ready(house, other.row.id) < START_S
    await house.settled()
    assert (await house.statistics())["chunks"] == 501


async def test_a_broken_file_in_a_batch_costs_itself(house: IngestHouse) -> None:
    added = [await house.upload(f"Heron number {n}.".encode(), f"{n}.txt") for n in range(5)]
    broken = await house.upload(b"MZ\x90\x00\x03" + bytes(300), "broken.txt")
    added += [await house.upload(f"Crane number {n}.".encode(), f"c{n}.txt") for n in range(5)]
    await house.settled()
    states = [(row := await house.row(entry.row.id)) and row.state for entry in added]
    assert states == ["ready"] * 10
    failed = await house.row(broken.row.id)
    assert failed is not None
    assert (failed.state, failed.error and failed.error["code"]) == ("failed", "unsupported")
