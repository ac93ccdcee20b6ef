"""A run again: the recorded flow, question, history, passages and seed, as a run of its own that writes into no conversation.

`Replays.prepare` reads the record and says plainly what of it is not there any more; the engine runs what it gives; `compared`
names the first difference. Called by commands/handlers/replays.py. Tests: tests/unit/runs/test_replay.py.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

import msgspec

from antiphon.access.identity import Identity
from antiphon.access.missing import missing
from antiphon.access.scope import Scope
from antiphon.core.errors import Conflict
from antiphon.core.runtime import Runtime
from antiphon.flows.descriptor import Catalogue
from antiphon.flows.plan import Plan, plan
from antiphon.models.chat import ChatMessage
from antiphon.runs.question import Question
from antiphon.runs.recorded_retrieval import RecordedRetriever, recorded_retrieval
from antiphon.runs.run_record import OF_WORKSPACE, recorded_definition
from antiphon.runs.turns import said_in
from antiphon.storage.lexical.contract import Chunk, SearchFilter
from antiphon.storage.records.contract import Store, Transaction
from antiphon.storage.records.rows import (
    DOCUMENTS,
    MESSAGES,
    PAGES,
    RUNS,
    TERMINAL_RUN_STATES,
    WORKSPACES,
    RunRow,
    WorkspaceRow,
)

AROUND_CHARACTERS: Final = 40
ChunkOf = Callable[[Transaction, Scope, int], Chunk | None]
"""`LexicalIndex.get`."""


class Replays:
    """`owner` names this process, as in every run's row."""

    def __init__(self, *, store: Store, chunk_of: ChunkOf, catalogue: Catalogue, runtime: Runtime, owner: str) -> None:
        self._store = store
        self._chunk_of = chunk_of
        self._catalogue = catalogue
        self._runtime = runtime
        self._owner = owner

    async def prepare(self, identity: Identity, reach: Scope, run_id: str) -> Question:
        """Commits the replay's row; launch what is given. Raises NotFound (the run), BadRequest (its flow cannot run here), and
        Conflict with a sentence for a run that can't be repeated: not ended, without record, or its passages are gone."""
        row, text = await self._store.read(lambda tx: _recorded_run(tx, reach, run_id))
        record = row.record
        again = self._plan(record)
        workspace, history, retrievals = await self._store.read(lambda tx: self._found(tx, reach, row))
        asked = record["asked"]
        replay = RunRow(
            id=self._runtime.ids.new("run"), workspace_id=row.workspace_id, author_id=identity.user_id, kind="replay", flow_id=row.flow_id,
            model=record.get("model") or row.model, message_id=self._runtime.ids.new("msg"), state="queued", parent_run_id=row.id,
            owner=self._owner, record={"seed": record["seed"]}, created_at=self._runtime.clock.now(),
        )  # fmt: skip
        await self._store.write(lambda tx: tx.insert(RUNS, replay))
        return Question(
            row=replay, message=None, content=asked["question"], language=asked["language"], workspace=workspace, scope=reach,
            history=history, history_ids=asked["history"], filter=msgspec.convert(asked["filter"], SearchFilter | None),
            workspace_ids=asked["workspace_ids"], cause=None, seed=record["seed"], fixed_seed=record["fixed_seed"], plan=again,
            retriever=RecordedRetriever(retrievals),
            finish_record=lambda made, said: {"replay": {"of": row.id, **compared(record, text, made, said)}},
        )  # fmt: skip

    def _plan(self, record: Mapping[str, Any]) -> Plan:
        """Raises BadRequest naming the node whose type is not there."""
        planned = plan(recorded_definition(record), self._catalogue)
        acting = next((node for node in planned.nodes if node.descriptor.side_effects), None)
        if acting is not None:
            raise Conflict(f"The node {acting.label!r} changes something outside; a run with it is not repeated.")
        return planned

    def _found(self, tx: Transaction, reach: Scope, row: RunRow) -> tuple[WorkspaceRow, list[ChatMessage], list[Any]]:
        """(the workspace as it was then, the history, the retrievals with their texts)."""
        record = row.record
        workspace = tx.get(WORKSPACES, reach, row.workspace_id)
        if workspace is None:
            raise missing("run", row.id)
        then = {name: record["workspace"][name] for name in OF_WORKSPACE if name != "id" and name in record["workspace"]}
        texts: dict[int, str] = {}
        gone: dict[str, str] = {}
        for entry in (passage for retrieval in record["retrievals"] for passage in retrieval["passages"]):
            text = self._text(tx, reach, entry)
            if text is None:
                gone[entry["document_id"]] = _what_became_of(tx, reach, entry)
            else:
                texts[entry["chunk_id"]] = text
        for entry in record["passages"]:
            document = tx.get(DOCUMENTS, reach, entry["document_id"])
            if document is None or document.deleted_at is not None or document.version != entry["version"]:
                gone[entry["document_id"]] = _what_became_of(tx, reach, entry)
        if gone:
            raise Conflict(f"The run can't be repeated as it was: {' '.join(gone.values())}", data={"document_ids": list(gone)})
        history = _history(tx, reach, record["asked"]["history"])
        retrievals = [recorded_retrieval(entry, texts) for entry in record["retrievals"]]
        return msgspec.structs.replace(workspace, **then), history, retrievals

    def _text(self, tx: Transaction, reach: Scope, entry: Mapping[str, Any]) -> str | None:
        chunk = self._chunk_of(tx, reach, entry["chunk_id"])
        if chunk is None or chunk.version != entry["version"]:
            return None
        page = tx.get(PAGES, reach, f"{chunk.document_id}:{chunk.version}:{chunk.page}")
        return None if page is None or len(page.text) < entry["end"] else page.text[entry["start"] : entry["end"]]


def _recorded_run(tx: Transaction, reach: Scope, run_id: str) -> tuple[RunRow, str]:
    """(the run, its text)."""
    row = tx.get(RUNS, reach, run_id)
    if row is None:
        raise missing("run", run_id)
    if row.state not in TERMINAL_RUN_STATES:
        raise Conflict("The run has not ended yet. Wait for it, or stop it, then repeat it.")
    if "asked" not in row.record or "retrievals" not in row.record:
        raise Conflict(
            "The run has no whole record to be repeated from: it never began, the server was killed while it was written, or it is "
            "of an older version."
        )  # fmt: skip
    message = tx.get(MESSAGES, reach, row.message_id) if row.session_id is not None and row.message_id is not None else None
    if message is not None and message.steers:
        raise Conflict("The answer was steered while it was written; what was said into it has its moment and is not repeated.")
    return row, message.content if message is not None else str(row.record.get("text", ""))


def _what_became_of(tx: Transaction, reach: Scope, entry: Mapping[str, Any]) -> str:
    title, version = entry["title"], entry["version"]
    document = tx.get(DOCUMENTS, reach, entry["document_id"])
    if document is None or document.deleted_at is not None:
        return f"The document {title!r} was deleted, or is out of your reach."
    if document.version != version:
        return f"The document {title!r} was replaced: version {version} was used, {document.version} is there now."
    return f"The passages of {title!r} that were used are gone: it was indexed anew."


def _history(tx: Transaction, reach: Scope, ids: list[str]) -> list[ChatMessage]:
    found = {message.id: message for message in tx.find(MESSAGES, reach, {"id": ("in", ids)})} if ids else {}
    if len(found) < len(ids):
        raise Conflict("Earlier messages that the run was given are gone, so that it can't be repeated as it was.")
    return said_in([found[message_id] for message_id in ids])


def compared(record: Mapping[str, Any], text: str, made: Mapping[str, Any], said: str) -> dict[str, Any]:
    """`equal`, and otherwise the first difference: where the texts part, and which node gave something else first."""
    equal = record.get("text_sha256") == made.get("text_sha256")
    result: dict[str, Any] = {"equal": equal, "recorded_text_sha256": record.get("text_sha256")}
    if not equal:
        result["first_difference"] = first_difference(text, said)
        result["first_node"] = first_node(record, made)
    return result


def first_difference(recorded: str, replayed: str) -> dict[str, Any]:
    """`offset`: in code points; the words around it, from both."""
    shorter = min(len(recorded), len(replayed))
    offset = next((place for place in range(shorter) if recorded[place] != replayed[place]), shorter)
    start = max(0, offset - AROUND_CHARACTERS)
    return {
        "offset": offset,
        "recorded": recorded[start : offset + AROUND_CHARACTERS], "replayed": replayed[start : offset + AROUND_CHARACTERS],
        "recorded_length": len(recorded), "replayed_length": len(replayed),
    }  # fmt: skip


def first_node(record: Mapping[str, Any], made: Mapping[str, Any]) -> dict[str, Any] | None:
    """The first node, in the order of the flow, one of whose outputs is another than then; None when all are the same."""
    now = {node["id"]: node for node in made.get("nodes", [])}
    for node in record.get("nodes", []):
        outputs, other = node.get("outputs", {}), now.get(node["id"], {}).get("outputs", {})
        for port in [*outputs, *(port for port in other if port not in outputs)]:
            if outputs.get(port) != other.get(port):
                digests = {"recorded": outputs.get(port), "replayed": other.get(port)}
                return {"node_id": node["id"], "label": node.get("label", node["id"]), "port": port, **digests}
    return None
