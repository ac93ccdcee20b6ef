"""`Question`: what the run engine is given to run, made by commands, runs/waiting.py and runs/replay.py.

Tests: tests/unit/runs/test_engine.py, tests/unit/runs/test_replay.py.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from antiphon.access.scope import Scope
from antiphon.flows.plan import Plan
from antiphon.models.chat import ChatMessage
from antiphon.retrieve.passage import Retriever
from antiphon.runs.node import RunContext
from antiphon.runs.run_record import RunAbout
from antiphon.storage.lexical.contract import SearchFilter
from antiphon.storage.records.rows import MessageRow, RunRow, WorkspaceRow


@dataclass(frozen=True, kw_only=True, slots=True)
class Question:
    """A committed question, ready to run. `history`: oldest first, without the question. `message` None: it is not told (a
    replay, or an answer asked for anew). `language`, `plan`, `retriever`: other ones than the run would take for itself.
    `siblings`: of the answer. `finish_record`: further facts for the record, from the record and the text (called in the writer's thread)."""

    row: RunRow
    message: MessageRow | None
    content: str
    workspace: WorkspaceRow
    scope: Scope
    history: list[ChatMessage]
    filter: SearchFilter | None
    workspace_ids: list[str]
    cause: str | None
    history_ids: Sequence[str] = ()
    seed: int = 0
    fixed_seed: bool = False
    language: str | None = None
    plan: Plan | None = None
    retriever: Retriever | None = None
    siblings: Sequence[str] = ()
    finish_record: Callable[[Mapping[str, Any], str], dict[str, Any]] | None = None


def about_of(plan: Plan, context: RunContext, question: Question) -> RunAbout:
    return RunAbout(
        plan=plan, workspace=question.workspace, question=context.question, language=context.language, filter=question.filter,
        workspace_ids=question.workspace_ids, history=list(question.history_ids), seed=question.seed, fixed_seed=question.fixed_seed,
    )  # fmt: skip
