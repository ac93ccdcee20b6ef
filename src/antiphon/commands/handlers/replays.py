"""run_replay: a recorded run again, with its first difference. Tests: tests/unit/commands/test_replays.py."""

from __future__ import annotations

from typing import Annotated, Any

from msgspec import Meta

from antiphon.commands.services import Services
from antiphon.commands.table import Call, Command, Right
from antiphon.core.errors import ShuttingDown
from antiphon.protocol.commands import Payload
from antiphon.storage.records.rows import RUNS

MOST_WAIT_S = 600.0


class RunReplay(Payload):
    """`wait_s`: how long the answer is held back for the end of the replay; 0: not at all. The replay itself goes on."""

    run_id: Annotated[str, Meta(min_length=1, max_length=64)]
    wait_s: Annotated[float, Meta(ge=0, le=MOST_WAIT_S)] = 50.0


async def run_replay(call: Call[Services], payload: RunReplay) -> dict[str, Any]:
    services, identity = call.services, call.caller
    if not services.runs.accepts:
        raise ShuttingDown("The server is stopping. Send it again in a moment.")
    services.message_rate.take(identity.user_id, "You are sending messages faster than this server allows. Wait a moment.")
    question = await services.replays.prepare(identity, call.reach, payload.run_id)
    run_id = question.row.id
    services.runs.register(question.row)
    services.runs.launch(question)
    if payload.wait_s:
        await services.runs.ended(run_id, within_s=payload.wait_s)
    row = await services.store.read(lambda tx: tx.get(RUNS, call.reach, run_id)) or question.row
    live = services.runs.live(run_id)
    told = {key: value for key, value in row.record.get("replay", {}).items() if key != "of"}
    return {
        "run_id": run_id, "replay_of": payload.run_id, "state": live.state if live is not None else row.state,
        "text_sha256": row.record.get("text_sha256"), **told,
    }  # fmt: skip


COMMANDS: list[Command[Any, Services]] = [
    Command(
        verb="run_replay", payload=RunReplay, right=Right.VIEWER, handler=run_replay,
        summary="Runs a recorded run again, outside of its conversation, and names the first difference.",
    ),
]  # fmt: skip
