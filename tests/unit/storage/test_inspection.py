"""`inspect_storage` finds what belongs to nothing, and what is missing."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from antiphon.core.errors import NotFound
from antiphon.core.runtime import system_runtime
from antiphon.storage.inspection import inspect_storage
from antiphon.storage.records.rows import DOCUMENTS, PAGES, DocumentRow, PageRow
from antiphon.storage.records.sqlite import SqliteStore
from antiphon.storage.sqlite.database import Database

CONTENT = b"otters"
SHA256 = hashlib.sha256(CONTENT).hexdigest()


async def fill(folder: Path, *, document: bool, page: bool, blob: bool) -> None:
    database = Database.open(folder / "antiphon.db", runtime=system_runtime())
    store = SqliteStore(database)

    def rows(tx) -> None:
        if document:
            tx.insert(
                DOCUMENTS, DocumentRow(id="doc_1", workspace_id="ws_1", name="a", sha256=SHA256, created_at=0, updated_at=0)
            )
        if page:
            tx.insert(PAGES, PageRow(id="doc_1:1:1", document_id="doc_1", workspace_id="ws_1", version=1, number=1, text="x"))

    await store.write(rows)
    await database.close()
    if blob:
        place = folder / "blobs" / SHA256[:2] / SHA256[2:]
        place.parent.mkdir(parents=True)
        place.write_bytes(CONTENT)


@pytest.mark.parametrize(
    ("document", "page", "blob", "problems"),
    [
        (True, True, True, []),
        (False, False, False, []),
        (True, True, False, ["missing_blobs"]),
        (False, True, True, ["orphan_pages", "orphan_blobs"]),
    ],
)
async def test_leftovers_and_losses_are_named(tmp_path, document, page, blob, problems):
    await fill(tmp_path, document=document, page=page, blob=blob)
    inspection = inspect_storage(tmp_path)
    assert inspection.problems == problems
    assert inspection.integrity == "ok"
    assert inspection.sound == (not problems)
    assert inspection.counts["documents"] == int(document)


def test_a_folder_without_data_is_no_finding(tmp_path):
    with pytest.raises(NotFound, match="data-dir"):
        inspect_storage(tmp_path)
