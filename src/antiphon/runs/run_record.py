"""A run's record: all that is needed to say why it answered so, and to run it again. Secrets-free: names of models, no keys.

Built once, at the end, in the writer's thread (runs/closing.py), from references that `LiveRun` kept; the token path does
nothing for it. Read by runs/replay.py and `GET /runs/{id}`. Tests: tests/unit/runs/test_run_record.py.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from antiphon.flows.codec import definition_from_data
from antiphon.flows.definition import FlowDefinition
from antiphon.flows.plan import Plan, PlannedNode
from antiphon.retrieve.passage import Passage
from antiphon.runs.recorded_retrieval import Retrieval, retrieval_record
from antiphon.storage.lexical.contract import SearchFilter
from antiphon.storage.records.rows import WorkspaceRow

RECORD_FORMAT: Final = 1
OF_WORKSPACE: Final = ("id", "name", "instructions", "mode", "k", "language", "temperature", "fallbacks")
"""What nodes may read of a workspace, and a replay gives them again."""
_encode = msgspec.json.Encoder(order="deterministic", enc_hook=repr).encode


@dataclass(frozen=True, kw_only=True, slots=True)
class RunAbout:
    """What a run is about, as it began. `history`: ids of the messages that were given. `fixed_seed`: `seed` was asked for,
    by the command or the server's setting, and goes before those of nodes."""

    plan: Plan
    workspace: WorkspaceRow
    question: str
    language: str
    workspace_ids: list[str]
    filter: SearchFilter | None
    history: list[str]
    seed: int
    fixed_seed: bool


def beginning_of_record(about: RunAbout) -> dict[str, Any]:
    return {
        "format": RECORD_FORMAT,
        "seed": about.seed,
        "fixed_seed": about.fixed_seed,
        "asked": {
            "question": about.question, "language": about.language, "workspace_ids": about.workspace_ids, "history": about.history,
            "filter": msgspec.to_builtins(about.filter),
        },
        "workspace": {name: getattr(about.workspace, name) for name in OF_WORKSPACE},
        "flow": flow_record(about.plan),
    }  # fmt: skip


def flow_record(plan: Plan) -> dict[str, Any]:
    """`sha256` is that of the definition as saved; nodes are recorded each with its run (see `nodes_record`)."""
    definition = plan.definition
    return {
        "id": plan.flow_id, "version": plan.flow_version, "name": definition.name, "edges": msgspec.to_builtins(definition.edges),
        "sha256": hashlib.sha256(_encode(definition)).hexdigest(),
    }  # fmt: skip


def nodes_record(
    plan: Plan | None, told: Mapping[str, dict[str, Any]], outputs: Mapping[tuple[str, str], Any]
) -> list[dict[str, Any]]:
    """What each node is and what became of it, in the order of the plan; one that never began has no `state`."""
    digests: dict[str, dict[str, Any]] = {}
    for (node_id, port), value in outputs.items():
        digests.setdefault(node_id, {})[port] = digest_of(value)
    planned = plan.nodes if plan is not None else ()
    found = [{**_node_record(node), **told.get(node.id, {}), "outputs": digests.get(node.id, {})} for node in planned]
    known = {node.id for node in planned}
    found += [{"id": node_id, **node} for node_id, node in told.items() if node_id not in known]
    return found


def _node_record(node: PlannedNode) -> dict[str, Any]:
    definition = node.definition
    shown: dict[str, Any] = {
        "id": node.id,
        "type": definition.type,
        "version": definition.version,
        "label": node.label,
        "settings": node.settings,
    }
    if definition.timeout_s is not None:
        shown["timeout_s"] = definition.timeout_s
    if definition.retry.attempts != 1:
        shown["retry"] = msgspec.to_builtins(definition.retry)
    return shown


def digest_of(value: Any) -> dict[str, Any]:
    """`length`: code points of a text, entries of a list, else bytes of its JSON."""
    if isinstance(value, str):
        return {"sha256": hashlib.sha256(value.encode("utf-8", "surrogatepass")).hexdigest(), "length": len(value)}
    encoded = _encode(value)
    length = len(value) if isinstance(value, list | tuple) else len(encoded)  # pyright: ignore[reportUnknownArgumentType]
    return {"sha256": hashlib.sha256(encoded).hexdigest(), "length": length}


def retrievals_record(retrievals: Iterable[Retrieval]) -> dict[str, Any]:
    """`retrievals`, and the `index` that was asked."""
    made = list(retrievals)
    index = next((retrieval.result.index for retrieval in made if retrieval.result.index), dict[str, str | None]())
    return {"retrievals": [retrieval_record(retrieval) for retrieval in made], "index": index}


def passages_record(passages: Iterable[Passage]) -> list[dict[str, Any]]:
    """What the answer was given to stand on, by its numbers: also where it was not searched for (a whole document)."""
    return [
        {
            "n": n,
            "chunk_id": passage.chunk_id,
            "document_id": passage.document_id,
            "version": passage.version,
            "title": passage.title,
        }
        for n, passage in enumerate(passages, 1)
    ]


def recorded_definition(record: Mapping[str, Any]) -> FlowDefinition:
    """The flow of a record. Raises BadRequest when the record holds none (a run that a stop of the server cut off)."""
    flow: Mapping[str, Any] = record.get("flow") or dict[str, Any]()
    names = ("id", "type", "version", "label", "settings", "timeout_s", "retry")
    nodes = [{name: node[name] for name in names if name in node} for node in record.get("nodes", [])]
    return definition_from_data({"name": flow.get("name", ""), "nodes": nodes, "edges": flow.get("edges", [])})
