"""The part of the record suite about `Store.document_changes`. Run by antiphon.testing.conformance.records."""

from __future__ import annotations

import pytest

from antiphon.storage.records.contract import Store, Transaction
from antiphon.storage.records.rows import DOCUMENTS, MESSAGES, SESSIONS
from antiphon.testing.conformance.record_rows import changed, document, got, message, put, removed, session
from antiphon.testing.conformance.scopes import EVERYTHING


class PlannedFailure(Exception):
    """Raised inside a work by these tests."""


class RecordDocumentChangesSuite:
    """What searches are kept by: `Store.document_changes`."""

    async def test_changes_of_documents_are_counted_and_nothing_else(self, store: Store) -> None:
        before = store.document_changes
        await put(store, (SESSIONS, session("s_1", "ada")), (MESSAGES, message("m_1", "s_1", 1)))
        await changed(store, SESSIONS, EVERYTHING, "s_1", title="T")
        assert await got(store, DOCUMENTS, EVERYTHING, "doc_001") is None
        assert store.document_changes == before
        await put(store, (DOCUMENTS, document(1)), (DOCUMENTS, document(2)))
        assert store.document_changes == before + 1
        await changed(store, DOCUMENTS, EVERYTHING, "doc_001", tags=["t"])
        assert store.document_changes == before + 2
        await removed(store, DOCUMENTS, EVERYTHING, {"id": "doc_002"})
        assert store.document_changes == before + 3

    async def test_what_is_rolled_back_is_not_counted(self, store: Store) -> None:
        before = store.document_changes

        def half(transaction: Transaction) -> None:
            transaction.insert(DOCUMENTS, document(1))
            raise PlannedFailure

        with pytest.raises(PlannedFailure):
            await store.write(half)
        assert store.document_changes == before
