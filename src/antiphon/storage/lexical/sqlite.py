"""`SqliteLexicalIndex`: FTS5 over our own tokens, one contentless table per workspace, made at run time.

Works on the connection of the transaction it is given, so chunks, their index rows and everything else of that
transaction are committed or rolled back together. SQLite may be older than `contentless_delete` (3.43): a chunk is taken
out with the `'delete'` command and exactly the tokens it was put in with, which its row keeps (a wrong token raises
nothing and leaves a ghost). `tokenize=ascii` leaves our tokens alone: they are ASCII letters and digits in lower case, or
other characters, all of which it takes for letters.

Tests: tests/conformance/test_lexical.py. Subsystem: docs/subsystems/retrieval.md.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Sequence
from typing import Any, Final

import msgspec

from antiphon.access.scope import Scope
from antiphon.core.errors import Internal
from antiphon.storage.lexical.contract import Chunk, ScoredChunk, SearchFilter
from antiphon.storage.lexical.document_frequencies import DocumentFrequencies, count_terms
from antiphon.storage.lexical.tokens import COLUMN_SEPARATOR
from antiphon.storage.records.contract import Transaction
from antiphon.storage.records.sqlite import SqliteTransaction

HEADLINE_WEIGHT: Final = 0.5
"""Of a token in title or headings, against 1 in the text (bench/retrieval.py)."""

MERGED_PAGES_A_CHUNK: Final = 3
MOST_MERGED_PAGES: Final = 64
"""Of the index, in a transaction that changes it: 4 ms; as many as keep up with what is added (decision 0009)."""
MOST_SEGMENTS: Final = 64
"""Of one level; more are merged at once, however long it takes."""

# The names without an underscore are for the vectors beside it (storage/vectors/sqlite.py), which join to the same live chunks.
CHUNK_COLUMNS: Final = (
    'c.chunk_id, c.document_id, c.workspace_id, c.version, c.ordinal, c.page, c.anchor, c.start, c."end", c.text, '
    "c.heading_path, c.tokeniser_version, c.tokens"
)
LIVE: Final = "d.deleted_at IS NULL AND d.searchable AND d.version = c.version AND d.workspace_id = c.workspace_id"


def _own(transaction: Transaction) -> SqliteTransaction:
    if not isinstance(transaction, SqliteTransaction):
        raise Internal(f"The SQLite lexical index was given a {type(transaction).__name__}, not a transaction of its store.")
    return transaction


def connection_of(transaction: Transaction) -> sqlite3.Connection:
    return _own(transaction).connection


def changing_connection(transaction: Transaction) -> sqlite3.Connection:
    own = _own(transaction)
    own.changed_documents = True  # what is kept of earlier searches is old (`Store.document_changes`)
    return own.connection


class SqliteLexicalIndex:
    """For one database. Keeps nothing but document frequencies; safe to use from the writer's and readers' threads at once."""

    def __init__(self) -> None:
        self._frequencies = DocumentFrequencies()

    def add(self, transaction: Transaction, chunks: Sequence[Chunk], *, go_on: Callable[[], bool] | None = None) -> list[int]:
        connection = changing_connection(transaction)
        ids: list[int] = []
        tables: dict[str, str] = {}
        for chunk in chunks:
            if ids and go_on is not None and not go_on():
                break
            table = tables.get(chunk.workspace_id)
            if table is None:
                table = tables[chunk.workspace_id] = _existing_table(connection, chunk.workspace_id) or _new_table(
                    connection, chunk.workspace_id
                )
            row = connection.execute(
                "INSERT INTO chunks (document_id, workspace_id, version, ordinal, page, anchor, start, "
                '"end", text, heading_path, tokeniser_version, tokens) VALUES (?,?,?,?,?,?,?,?,?,?,?,?)',
                (chunk.document_id, chunk.workspace_id, chunk.version, chunk.ordinal, chunk.page, chunk.anchor, chunk.start,
                 chunk.end, chunk.text, json.dumps(chunk.heading_path, ensure_ascii=False), chunk.tokeniser_version,
                 chunk.tokens),
            )  # fmt: skip
            chunk_id = row.lastrowid
            assert chunk_id is not None
            connection.execute(
                f"INSERT INTO {table} (rowid, body, headline) VALUES (?,?,?)",  # noqa: S608 - a name of our own making
                (chunk_id, *_split(chunk.tokens)),
            )
            ids.append(chunk_id)
        for table in tables.values():
            _write_out(connection, table, len(ids))
        return ids

    def remove(self, transaction: Transaction, document_id: str, *, version: int | None = None, limit: int | None = None) -> int:
        connection = changing_connection(transaction)
        rows = connection.execute(
            "SELECT chunk_id, workspace_id, tokens FROM chunks "
            "WHERE document_id = ?1 AND (?2 IS NULL OR version = ?2) ORDER BY chunk_id LIMIT ?3",
            (document_id, version, -1 if limit is None else limit),
        ).fetchall()
        tables = {workspace_id: _existing_table(connection, workspace_id) for workspace_id in {row[1] for row in rows}}
        for chunk_id, workspace_id, tokens in rows:
            table = tables[workspace_id]
            if table is not None:
                connection.execute(
                    f"INSERT INTO {table} ({table}, rowid, body, headline) VALUES ('delete',?,?,?)",  # noqa: S608
                    (chunk_id, *_split(tokens)),
                )
            connection.execute("DELETE FROM chunks WHERE chunk_id = ?", (chunk_id,))
        for table in tables.values():
            if table is not None:
                _write_out(connection, table, len(rows))
        return len(rows)

    def search(
        self,
        transaction: Transaction,
        scope: Scope,
        workspace_id: str,
        terms: Sequence[str],
        *,
        k: int,
        filter: SearchFilter | None = None,  # noqa: A002 - the contract's name
    ) -> list[ScoredChunk]:
        connection = connection_of(transaction)
        match = _match(terms)
        if not match or k < 1 or not scope.sees(workspace_id):
            return []
        table = _existing_table(connection, workspace_id)
        if table is None:
            return []
        condition, values = filter_condition(filter)
        # FTS5 hands its rows over best first (ORDER BY rank), so the joins run only until k live ones were seen.
        rows = connection.execute(
            f"SELECT {CHUNK_COLUMNS}, f.rank FROM {table} f CROSS JOIN chunks c ON c.chunk_id = f.rowid "  # noqa: S608
            f"CROSS JOIN documents d ON d.id = c.document_id WHERE {table} MATCH ? AND c.workspace_id = ? AND {LIVE}"
            f"{condition} ORDER BY f.rank LIMIT ?",
            (match, workspace_id, *values, k),
        ).fetchall()
        return [ScoredChunk(chunk=chunk_of_row(row), score=-row[-1]) for row in rows]

    def postings(self, transaction: Transaction, workspace_id: str, terms: Sequence[str]) -> tuple[dict[str, int], int]:
        own = _own(transaction)
        connection = own.connection
        table = _existing_table(connection, workspace_id)
        if table is None:
            return dict.fromkeys(terms, 0), 0
        if own.writable:
            return count_terms(connection, table, terms)
        return self._frequencies.of(connection, workspace_id, table, terms)

    def chunks_of(self, transaction: Transaction, scope: Scope, document_id: str) -> list[Chunk]:
        rows = connection_of(transaction).execute(
            f"SELECT {CHUNK_COLUMNS} FROM chunks c JOIN documents d ON d.id = c.document_id "  # noqa: S608
            f"WHERE c.document_id = ? AND {LIVE} ORDER BY c.ordinal",
            (document_id,),
        )
        return [chunk for chunk in map(chunk_of_row, rows) if scope.sees(chunk.workspace_id)]

    def get(self, transaction: Transaction, scope: Scope, chunk_id: int) -> Chunk | None:
        row = (
            connection_of(transaction)
            .execute(
                f"SELECT {CHUNK_COLUMNS} FROM chunks c JOIN documents d ON d.id = c.document_id "  # noqa: S608
                f"WHERE c.chunk_id = ? AND {LIVE}",
                (chunk_id,),
            )
            .fetchone()
        )
        if row is None:
            return None
        chunk = chunk_of_row(row)
        return chunk if scope.sees(chunk.workspace_id) else None

    def statistics(self, transaction: Transaction) -> dict[str, Any]:
        """`orphan_chunks`: without a document row; `unindexed_chunks`, `ghost_rows`: in only one of chunks and index."""
        connection = connection_of(transaction)

        def count(statement: str, *values: object) -> int:
            return int(connection.execute(statement, values).fetchone()[0])

        tables = connection.execute("SELECT workspace_id, number FROM lexical_tables").fetchall()
        ghosts = unindexed = 0
        for workspace_id, number in tables:
            sizes = f"lexical_{int(number)}_docsize"
            ghosts += count(
                f"SELECT count(*) FROM {sizes} s LEFT JOIN chunks c ON c.chunk_id = s.id "  # noqa: S608
                "AND c.workspace_id = ? WHERE c.chunk_id IS NULL",
                workspace_id,
            )
            unindexed += count(
                f"SELECT count(*) FROM chunks c LEFT JOIN {sizes} s ON s.id = c.chunk_id "  # noqa: S608
                "WHERE c.workspace_id = ? AND s.id IS NULL",
                workspace_id,
            )
        return {
            "tables": len(tables),
            "chunks": count("SELECT count(*) FROM chunks"),
            "orphan_chunks": count(
                "SELECT count(*) FROM chunks c LEFT JOIN documents d ON d.id = c.document_id WHERE d.id IS NULL"
            ),
            "stale_chunks": count(
                "SELECT count(*) FROM chunks c JOIN documents d ON d.id = c.document_id "
                "LEFT JOIN replacements r ON r.id = d.id WHERE c.version NOT IN (d.version, coalesce(r.version, 0))"
            ),
            "ghost_rows": ghosts,
            "unindexed_chunks": unindexed,
        }


def _existing_table(connection: sqlite3.Connection, workspace_id: str) -> str | None:
    row = connection.execute("SELECT number FROM lexical_tables WHERE workspace_id = ?", (workspace_id,)).fetchone()
    return None if row is None else f"lexical_{int(row[0])}"


def _new_table(connection: sqlite3.Connection, workspace_id: str) -> str:
    (number,) = connection.execute("SELECT coalesce(max(number), 0) + 1 FROM lexical_tables").fetchone()
    connection.execute("INSERT INTO lexical_tables (workspace_id, number) VALUES (?,?)", (workspace_id, number))
    table = f"lexical_{int(number)}"
    connection.execute(f"CREATE VIRTUAL TABLE {table} USING fts5(body, headline, content='', tokenize='ascii')")
    connection.execute(f"CREATE VIRTUAL TABLE {table}_terms USING fts5vocab('{table}', 'row')")
    connection.execute(
        f"INSERT INTO {table} ({table}, rank) VALUES ('rank', 'bm25(1.0, {HEADLINE_WEIGHT})')"  # noqa: S608
    )
    return table


def _write_out(connection: sqlite3.Connection, table: str, chunks: int) -> None:
    """Writes what was added to the index and merges a little, here and each time, so that a slice that is measured takes what it
    takes: FTS5 by itself writes when the work ends, and merges many pages at once now and then (25 ms)."""
    (own,) = connection.execute(f"SELECT count(*) FROM {table}_config WHERE k = 'automerge' AND v = 0").fetchone()  # noqa: S608
    if not own:
        connection.execute(f"INSERT INTO {table} ({table}, rank) VALUES ('automerge', 0)")  # noqa: S608
        connection.execute(f"INSERT INTO {table} ({table}, rank) VALUES ('crisismerge', ?)", (MOST_SEGMENTS,))  # noqa: S608
    pages = min(max(1, MERGED_PAGES_A_CHUNK * chunks), MOST_MERGED_PAGES)
    connection.execute(f"INSERT INTO {table} ({table}, rank) VALUES ('merge', ?)", (pages,))  # noqa: S608


def _split(tokens: str) -> tuple[str, str]:
    body, _, headline = tokens.partition(COLUMN_SEPARATOR)
    return body, headline


def _match(terms: Sequence[str]) -> str:
    """An FTS5 expression that finds any of the terms, whatever signs they hold."""
    return " OR ".join(
        '"' + term.replace('"', '""') + '"' for term in terms if term.replace("\0", "").strip() and "\0" not in term
    )


def filter_condition(given: SearchFilter | None) -> tuple[str, list[str]]:
    """Lists go in as one JSON value each: no limit on their length, no statement per length."""
    condition, values = "", list[str]()
    if given is None:
        return condition, values
    if given.document_ids is not None:
        condition += " AND d.id IN (SELECT value FROM json_each(?))"
        values.append(json.dumps(given.document_ids))
    if given.tags is not None:
        condition += " AND EXISTS (SELECT 1 FROM json_each(d.tags) t JOIN json_each(?) w ON w.value = t.value)"
        values.append(json.dumps(given.tags))
    if given.paths is not None:
        condition += (
            " AND EXISTS (SELECT 1 FROM json_each(?) p WHERE p.value = '' OR d.path = p.value "
            "OR substr(d.path, 1, length(p.value) + 1) = p.value || '/')"
        )
        values.append(json.dumps([path.rstrip("/") for path in given.paths]))
    if given.section:
        above = json.dumps(given.section, ensure_ascii=False)[:-1]  # as the column is written, up to what may follow
        condition += " AND substr(c.heading_path, 1, length(?)) = ? AND substr(c.heading_path, length(?) + 1, 1) IN (']', ',')"
        values += [above, above, above]
    return condition, values


def chunk_of_row(row: Sequence[Any]) -> Chunk:
    return Chunk(
        chunk_id=row[0], document_id=row[1], workspace_id=row[2], version=row[3], ordinal=row[4], page=row[5], anchor=row[6],
        start=row[7], end=row[8], text=row[9], heading_path=msgspec.json.decode(row[10]), tokeniser_version=row[11], tokens=row[12],
    )  # fmt: skip
