"""What every verb that asks something shares: what it is asked of, making room for it, and beginning it after the ack.

Used by the handlers of chat.py, versions.py and queue.py. Tests: tests/unit/runs/test_busy.py, tests/unit/commands/.
"""

from __future__ import annotations

from typing import Any, Final, TypedDict

from antiphon.access.identity import Role
from antiphon.commands.services import Services
from antiphon.commands.table import Call
from antiphon.core.completion import to_the_end
from antiphon.core.errors import Forbidden, RunActive, ShuttingDown
from antiphon.runs.asked import Asked, draw_seed
from antiphon.runs.question import Question
from antiphon.runs.steering import Steer
from antiphon.runs.submission import Committed, OnBusy, Submission, commit_question, commit_steer
from antiphon.storage.lexical.contract import SearchFilter
from antiphon.storage.records.rows import RunRow, WorkspaceRow

ON_BUSY: Final[dict[str, OnBusy]] = {"reject": "reject", "queue": "queue", "steer": "give_way", "interrupt": "give_way"}
TRIES: Final = 5
"""Somebody else may ask between the end of a run and the question that ended it."""


class NewIds(TypedDict):
    run_id: str
    user_message_id: str
    answer_id: str
    command_id: str | None
    owner: str
    moment_s: float
    history_messages: int


def new_ids(call: Call[Services]) -> NewIds:
    services, ids = call.services, call.services.runtime.ids
    return NewIds(
        run_id=ids.new("run"), user_message_id=ids.new("msg"), answer_id=ids.new("msg"), command_id=call.command_id,
        owner=services.instance_id, moment_s=services.runtime.clock.now(), history_messages=services.settings.runs.history_messages,
    )  # fmt: skip


def asked_of(call: Call[Services], workspace_ids: list[str], chosen: SearchFilter | None, seed: int | None) -> Asked:
    services, identity = call.services, call.caller
    fixed = seed if seed is not None else services.settings.runs.seed
    return Asked(
        workspace_ids=workspace_ids, filter=chosen, seed=draw_seed(services.runtime.random) if fixed is None else fixed,
        fixed_seed=fixed is not None, key_workspace=identity.key_workspace,
        key_role=None if identity.key_role is None else int(identity.key_role),
    )  # fmt: skip


def admit_question(call: Call[Services]) -> None:
    """Raises ShuttingDown and RateLimited."""
    if not call.services.runs.accepts:
        raise ShuttingDown("The server is stopping. Send it again in a moment.")
    call.services.message_rate.take(
        call.caller.user_id, "You are sending messages faster than this server allows. Wait a moment."
    )  # fmt: skip


def demand_may_stop(call: Call[Services], row: RunRow) -> None:
    """Raises Forbidden."""
    demand_may_change(call, row.author_id, row.workspace_id, "stop this answer")


def demand_may_change(call: Call[Services], author_id: str | None, workspace_id: str, what: str) -> None:
    """For what the author may, and who edits the workspace. Raises Forbidden."""
    roles: dict[str, Role] = {str(workspace): role for workspace, role in call.reach.visible.items()}
    if author_id != call.caller.user_id and roles.get(workspace_id, Role.VIEWER) < Role.EDITOR:
        raise Forbidden(f"Only the author of the question, or an editor of the workspace, may {what}.")


def begin(call: Call[Services], submission: Submission, committed: Committed, workspace: WorkspaceRow) -> dict[str, Any]:
    """The result for the ack; what was committed begins behind it."""
    services = call.services
    waiting, row, session = committed.waiting, committed.row, committed.session
    if waiting is not None:
        call.after_ack(lambda: services.waiting.added(waiting))
        return committed.result
    if row is None:
        return {**committed.result, "duplicate": True} if committed.duplicate else committed.result
    services.runs.register(row)
    asked, answer = submission.asked, committed.answer
    question = Question(
        row=row, message=committed.message, content=submission.content, workspace=workspace, scope=submission.scope,
        history=list(committed.history), history_ids=committed.history_ids, filter=asked.filter, workspace_ids=asked.workspace_ids,
        cause=call.command_id, seed=asked.seed, fixed_seed=asked.fixed_seed, siblings=answer.siblings if answer is not None else (),
    )  # fmt: skip

    def launch() -> None:
        if committed.new_session and session is not None:
            services.sessions.tell_created(session)
        services.runs.launch(question)
        if committed.branched and session is not None and row.message_id is not None:
            services.sessions.tell_leaf(session, row.message_id)

    call.after_ack(launch)
    return committed.result


async def give_way(call: Call[Services], submission: Submission, *, steer: bool) -> Committed:
    """Commits a question whose session may be busy: with `steer` as new words for the answer that is being written, where
    its model can go on with them; else that answer is stopped. Raises Forbidden when the caller may not stop it."""
    services = call.services
    committed = await services.store.write(lambda tx: commit_question(tx, submission))
    if committed.in_the_way is None or committed.session is None:
        return committed
    with services.waiting.held(committed.session.id):
        for _ in range(TRIES):
            run = committed.in_the_way
            demand_may_stop(call, run)
            steered = await steer_run(call, submission, run) if steer else None
            if steered is not None:
                return steered
            await services.runs.stop(run.id, by={"id": call.caller.user_id, "name": call.caller.name})
            committed = await services.store.write(lambda tx: commit_question(tx, submission))
            if committed.in_the_way is None:
                return committed
    raise RunActive("Others ask in this session at the same time. Try again.", data={"run_id": committed.in_the_way.id})


async def steer_run(call: Call[Services], submission: Submission, run: RunRow) -> Committed | None:
    """Gives the words to the run; None when it cannot take any: it ends, or its model answers in one go."""
    services, caller = call.services, call.caller
    live = services.runs.live(run.id)
    if live is None or live.closed:
        return None
    steering = live.steering
    if steering.steerable is None and not services.models.resolve(run.model)[1].steerable:
        return None
    if not steering.reserve():
        return None
    steer = Steer(
        id=services.runtime.ids.new("msg"), content=submission.content, offset=live.text_length,
        author={"id": caller.user_id, "name": caller.name},
    )  # fmt: skip

    async def commit() -> Committed | None:
        given = False
        try:
            committed = await services.store.write(lambda tx: commit_steer(tx, submission, run.id, steer))
            if committed is not None and not committed.duplicate:
                given = True
                steering.give(steer)
            return committed
        finally:
            if not given:
                steering.release()

    return await to_the_end(services.runtime.scheduler, commit(), name=f"steer {run.id}")
