from __future__ import annotations

import asyncio

from antiphon.ingest.blob_gate import BlobGate


async def test_a_removal_sees_uploads_under_way() -> None:
    gate = BlobGate()
    async with gate.uploading(), gate.uploading(), gate.removing() as alone:
        assert not alone
    async with gate.removing() as alone:
        assert alone


async def test_an_upload_waits_for_a_removal() -> None:
    gate = BlobGate()
    entered = asyncio.Event()

    async def upload() -> None:
        async with gate.uploading():
            entered.set()

    async with gate.removing() as alone:
        assert alone
        task = asyncio.create_task(upload())
        for _ in range(5):
            await asyncio.sleep(0)
        assert not entered.is_set()
    await task
    assert entered.is_set()
