"""Node `retrieve`: the passages for a query, within the scope of the run. Announces the sources, once.

Tests: tests/unit/runs/test_nodes_retrieve.py.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from msgspec import to_builtins

from antiphon.flows.descriptor import NodeDescriptor, Port
from antiphon.retrieve.passage import Passage, Retrieved
from antiphon.retrieve.several import retrieve_several
from antiphon.runs.node import NodeContext, RunContext
from antiphon.runs.nodes import phrases
from antiphon.runs.refusal import finding_of

RETRIEVE: Final = NodeDescriptor(
    type="retrieve",
    label="Retrieve",
    description="Searches the documents of the run's workspaces and announces the sources.",
    inputs=[
        Port(name="query", type="text", description="What to search for."),
        Port(
            name="earlier", type="json", required=False, description="What the user asked before, latest first: it counts less."
        ),
        Port(name="queries", type="json", required=False, description="Further searches, made side by side and fused."),
        Port(
            name="instead",
            type="passages",
            required=False,
            description="Passages that were chosen otherwise (a whole document): they are announced, and nothing is searched.",
        ),
    ],
    outputs=[
        Port(name="passages", type="passages", description="Best first; the order gives the numbers [1], [2], ..."),
        Port(name="coverage", type="number", description="Share of the query's terms that the passages hold, 0 to 1."),
        Port(name="nearest", type="json", description="Titles of the nearest documents, for a refusal."),
        Port(name="evidence", type="json", description="Whether the passages speak of what was asked, and what was searched."),
    ],
    settings_schema={
        "type": "object",
        "properties": {
            "k": {
                "type": ["integer", "null"],
                "minimum": 1,
                "maximum": 100,
                "default": None,
                "description": "Passages at most; null: the workspace's own number.",
            }
        },
    },
    reads_index=True,
    unique=True,  # the numbers of a second set of sources would collide with those of the first
)


class RetrieveNode:
    async def run(self, context: NodeContext, inputs: Mapping[str, Any]) -> Mapping[str, Any]:
        run = context.run
        instead: list[Passage] | None = inputs["instead"]
        if instead:
            run.sink.sources(instead)
            return {"passages": instead, "coverage": 1.0, "nearest": [], "evidence": None}
        chosen = run.filter.document_ids if run.filter is not None else None
        documents = len(chosen) if chosen is not None else None
        before = {"workspaces": len(run.workspace_ids), **({"documents": documents} if documents is not None else {})}
        content = phrases.searching(run.language, workspaces=len(run.workspace_ids), documents=documents)
        run.sink.status("retrieving", content, counts=before)
        query: str = inputs["query"]
        k = int(context.settings["k"] or run.workspace.k)
        began_s = run.runtime.clock.monotonic()
        result = await _retrieve(run, query, inputs, k=k)
        retrieval_ms = round((run.runtime.clock.monotonic() - began_s) * 1000)
        after = {
            "passages": len(result.passages),
            "documents": len({passage.document_id for passage in result.passages}),
            "searched": result.searched,
        }
        run.sink.sources(result.passages)
        run.sink.status("retrieving", phrases.found(run.language, **after), counts=after)
        run.sink.usage(retrieval_ms=retrieval_ms)
        run.sink.record(
            retrieval={
                "query": query,
                "k": k,
                "mode": result.mode,
                "coverage": result.coverage,
                "evidence": result.evidence,
                "chunk_ids": [passage.chunk_id for passage in result.passages],
                "took_ms": retrieval_ms,
            }
        )
        finding = finding_of(result, workspaces=len(run.workspace_ids), documents=documents)
        return {
            "passages": result.passages,
            "coverage": result.coverage,
            "nearest": result.nearest,
            "evidence": to_builtins(finding),
        }


async def _retrieve(run: RunContext, query: str, inputs: Mapping[str, Any], *, k: int) -> Retrieved:
    earlier: list[str] = inputs["earlier"] or []
    further: list[str] = inputs["queries"] or []
    if not further:
        return await run.retriever.retrieve(run.scope, run.workspace_ids, query, k=k, filter=run.filter, earlier=earlier)
    return await retrieve_several(
        run.retriever, run.scope, run.workspace_ids, query, further, k=k, given=run.filter, earlier=earlier
    )  # fmt: skip
