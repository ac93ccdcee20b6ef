"""Handler of search. Tests: tests/unit/commands/."""

from __future__ import annotations

from typing import Any

from msgspec import to_builtins

from antiphon.commands.payloads.workspaces import Search
from antiphon.commands.services import Services
from antiphon.commands.table import Call, Command, Result, Right
from antiphon.retrieve.passage import Passage
from antiphon.storage.lexical.contract import SearchFilter


async def search(call: Call[Services], payload: Search) -> Result:
    workspace = await call.services.workspaces.get(call.reach, payload.workspace_id)
    narrowed = SearchFilter(document_ids=payload.document_ids, tags=payload.tags, paths=payload.paths)
    found = await call.services.retriever.retrieve(
        call.reach, [workspace.id], payload.query, k=payload.k or workspace.k, filter=narrowed
    )
    return {
        "passages": [_passage_json(passage) for passage in found.passages], "took_ms": found.took_ms, "mode": found.mode,
        "notes": found.notes, "times_ms": found.times_ms,
    }  # fmt: skip


def _passage_json(passage: Passage) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "chunk_id": passage.chunk_id, "document_id": passage.document_id, "version": passage.version, "title": passage.title,
        "start": passage.start, "end": passage.end, "score": passage.score, "text": passage.text,
        "heading_path": passage.heading_path, "scores": to_builtins(passage.scores),
    }  # fmt: skip
    if passage.page is not None:
        shown["page"] = passage.page
    if passage.anchor is not None:
        shown["anchor"] = passage.anchor
    return shown


COMMANDS: list[Command[Any, Services]] = [
    Command(
        verb="search", payload=Search, right=Right.VIEWER, handler=search, summary="Finds passages in a workspace's documents."
    ),
]
