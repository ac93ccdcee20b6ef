"""Every reading of owned objects takes a Scope, only listed modules make the server's own, and no SQL leaves storage."""

from __future__ import annotations

import ast

from antiphon.storage.records.rows import TABLES

SYSTEM_SCOPE: dict[str, str] = {
    "antiphon.conversations.suggestions": "an answer belongs to its run; the caller was found to be the session's author",
    "antiphon.conversations.titles": "the title of a session whose question was allowed",
    "antiphon.ingest.embedding": "jobs act for the server",
    "antiphon.ingest.leftovers": "jobs act for the server",
    "antiphon.ingest.page_copies": "jobs act for the server",
    "antiphon.ingest.pipeline": "jobs act for the server",
    "antiphon.ingest.reindexing": "jobs act for the server",
    "antiphon.ingest.removal": "jobs act for the server",
    "antiphon.library.accounts": "users, logins and keys have no owner",
    "antiphon.library.directory": "authentication and memberships are read before any scope exists",
    "antiphon.library.indexing": "begins what changed settings, code or embedders need, in every workspace",
    "antiphon.library.keys": "keys belong to a user; every query there names the user",
    "antiphon.library.members": "the names of the users behind visible member rows",
    "antiphon.library.providers": "providers of models belong to the server; the command table admits its owner only",
    "antiphon.library.watching.endings": "jobs act for the server",
    "antiphon.library.watching.folder_sync": "jobs act for the server",
    "antiphon.library.watching.watches": "the clock looks for watches that are due in all workspaces",
    "antiphon.library.web.crawler": "jobs act for the server",
    "antiphon.library.web.crawls": "crawls that ended long ago are forgotten in all workspaces",
    "antiphon.library.workspaces": "going on with deletions after the members have lost sight of them",
    "antiphon.runs.closing": "a run is closed whoever may see it by then",
    "antiphon.runs.engine": "checkpoints and stops of a run that was allowed at its start",
    "antiphon.runs.recovery": "runs of a dead process",
    "antiphon.server.meaning_rooms": "loads vectors into memory at start, before anybody asks",
    "antiphon.runs.submission": "idempotency rows, and one run a session",
    "antiphon.runs.waiting": "whose turn it is, whoever sees the session; each question is asked with its author's own reach",
}
"""Module -> why it reads with the server's reach. A new line here needs a reviewer's eye."""

READS = {"get", "find", "count", "update", "delete"}
TABLE_NAMES = {table.name.upper() for table in TABLES}
SCOPE_WORDS = ("scope", "reach", "everything")
SQL_ROOMS = {"storage", "testing"}
SQL_PLACES = {"antiphon.cli.doctor": "asks SQLite for its version and FTS5"}


def system_scope_callers(modules) -> set[str]:
    return {
        module.name
        for module in modules
        if module.name != "antiphon.access.scope" and module.room != "testing"
        for node in ast.walk(module.tree)
        if isinstance(node, ast.Call) and ast.unparse(node.func).rpartition(".")[2] == "system_scope"
    }


def readings_without_scope(modules) -> list[str]:
    """Calls of a transaction (first argument: a table) whose second argument is no scope."""
    found = []
    for module in modules:
        for node in ast.walk(module.tree):
            reading = isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in READS
            if not reading or not node.args:
                continue
            table = ast.unparse(node.args[0]).rpartition(".")[2]
            if table not in TABLE_NAMES:
                continue
            second = ast.unparse(node.args[1]).lower() if len(node.args) > 1 else ""
            if not any(word in second for word in SCOPE_WORDS):
                found.append(f"{module.name}:{node.lineno} {ast.unparse(node)[:80]}")
    return found


def sql_outside_storage(modules) -> list[str]:
    return [
        f"{module.name}:{each.line} {each.target}"
        for module in modules
        if module.room not in SQL_ROOMS and module.name not in SQL_PLACES
        for each in module.imports()
        if each.target.partition(".")[0] in {"sqlite3", "sqlalchemy", "alembic"}
    ]


def scopes_made(modules) -> list[str]:
    return [
        f"{module.name}:{node.lineno}"
        for module in modules
        if module.room != "access"
        for node in ast.walk(module.tree)
        if (isinstance(node, ast.Call) and ast.unparse(node.func).rpartition(".")[2] == "Scope")
        or (isinstance(node, ast.Attribute | ast.Name) and ast.unparse(node).rpartition(".")[2] == "_SEAL")
    ]


def test_only_listed_modules_take_the_servers_reach(modules):
    callers = system_scope_callers(modules)
    assert callers - set(SYSTEM_SCOPE) == set(), "list it with its reason, or pass the caller's scope"
    assert set(SYSTEM_SCOPE) - callers == set(), "listed, but does not call it"


def test_every_reading_names_a_scope(modules):
    assert readings_without_scope(modules) == []


def test_sql_stays_in_storage(modules):
    assert sql_outside_storage(modules) == []


def test_only_access_makes_a_scope(modules):
    assert scopes_made(modules) == []


def test_the_checks_find_what_they_are_for(plant):
    bad = plant(
        "antiphon.library.x", "tx.find(DOCUMENTS, where)\ntx.get(rows.RUNS)\ntx.get(DOCUMENTS, scope, i)\nrows.get(key)\n"
    )
    assert len(readings_without_scope([bad])) == 2
    assert system_scope_callers([plant("antiphon.retrieve.x", "s = scope.system_scope('no')")]) == {"antiphon.retrieve.x"}
    assert sql_outside_storage([plant("antiphon.runs.x", "import sqlite3")])
    assert scopes_made([plant("antiphon.runs.x", "Scope(seal)")])
