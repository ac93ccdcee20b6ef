"""storage/records/columns.py"""

from __future__ import annotations

from antiphon.storage.records.columns import Column, ColumnKind, columns_of
from antiphon.storage.records.rows import DOCUMENTS, MESSAGES, TABLES, USERS


def test_kinds_and_null() -> None:
    assert columns_of(USERS)["server_owner"] == Column(name="server_owner", kind=ColumnKind.BOOLEAN, nullable=False)
    assert columns_of(USERS)["password_hash"] == Column(name="password_hash", kind=ColumnKind.TEXT, nullable=True)
    columns = columns_of(DOCUMENTS)
    assert columns["state"].kind is ColumnKind.TEXT
    assert columns["bytes"].kind is ColumnKind.INTEGER
    assert columns["created_at"].kind is ColumnKind.REAL
    assert columns["tags"].kind is ColumnKind.LIST
    assert columns["tags"].kind.is_json
    assert (columns["error"].kind, columns["error"].nullable) == (ColumnKind.OBJECT, True)
    assert columns_of(MESSAGES)["usage"].nullable


def test_all_tables_have_their_columns_in_order() -> None:
    for table in TABLES:
        assert tuple(columns_of(table)) == table.row.__struct_fields__
        assert next(iter(columns_of(table))) == "id"
