"""runs/recovery.py: what a start makes of runs that a stop left open. In any order: tests/properties/test_live_core.py."""

from __future__ import annotations

import asyncio

import pytest

from antiphon.protocol.events import Feedback
from antiphon.runs.closing import owed
from antiphon.storage.records.rows import MESSAGES, OUTBOX, RUNS
from antiphon.testing.live_core import EVERYTHING, SESSION_IDS

SESSION = SESSION_IDS[0]
TOPIC = f"session:{SESSION}"


async def test_the_text_of_checkpoint_and_log_is_kept_and_sealed(talk) -> None:
    client = await talk.client()
    result = (await talk.ask(client))["result"]
    await talk.says("Since the [1] checkpoint")
    await talk.core.advance(1.1)
    await talk.says(" more [", "2]")
    await talk.core.advance(0.06)  # the batch
    await talk.says(" lost")
    client.read()
    assert client.states[TOPIC].text(result["message_id"]) == "Since the [1] checkpoint more [2] lost"
    await talk.core.crash()
    client.lose()
    await talk.core.start()
    assert talk.core.running.sealed == 1
    run, message = talk.run(result["run_id"]), talk.message(result["message_id"])
    assert (run.state, message.state) == ("interrupted", "interrupted")
    assert message.content == "Since the [1] checkpoint more [2]"
    assert [(c["n"], c["start"]) for c in message.citations] == [(1, 10), (2, 30)]
    assert [source["n"] for source in message.sources] == [1, 2, 3]
    assert message.error["code"] == "run_interrupted"
    await talk.back(client)
    assert client.modes["snapshot"] == 2
    assert client.states[TOPIC].text(result["message_id"]) == message.content
    assert client.states[TOPIC].active_runs == {}
    talk.all_well(client)


async def test_complete_is_told_once_in_the_new_epoch(talk) -> None:
    client = await talk.client()
    result = (await talk.ask(client))["result"]
    await talk.says("text")
    await talk.core.advance(0.06)
    await talk.core.crash()
    await talk.core.start()
    assert talk.core.ledger.stored_completes == {(TOPIC, result["run_id"]): 1, (f"run:{result['run_id']}", result["run_id"]): 1}
    await talk.core.crash()
    await talk.core.start()
    assert talk.core.running.sealed == 0
    assert set(talk.core.ledger.stored_completes.values()) == {1}
    assert talk.core.ledger.faults == []


@pytest.mark.parametrize("steps", range(12))
async def test_a_crash_anywhere_in_recovery_leaves_it_to_the_next_start(talk, steps: int) -> None:
    client = await talk.client()
    result = (await talk.ask(client))["result"]
    await talk.says("kept")
    await talk.core.advance(1.2)
    await talk.core.crash()
    if not await talk.core.start(steps=steps):
        await talk.core.start()
    message = talk.message(result["message_id"])
    assert (message.content, message.state) == ("kept", "interrupted")
    assert talk.run(result["run_id"]).state == "interrupted"
    assert talk.core.running.store.read_inline(lambda tx: tx.count(OUTBOX, EVERYTHING)) == 0
    assert talk.core.ledger.stored_completes[TOPIC, result["run_id"]] == 1
    assert talk.core.ledger.faults == []


async def test_an_end_that_was_recorded_but_not_told_is_told(talk) -> None:
    client = await talk.client()
    result = (await talk.ask(client))["result"]
    await talk.says("whole")
    talk.core.auto = False
    await talk.ends()
    database = talk.core.running.database
    while not database._written:
        await talk.core.step(0)
    await talk.core.crash()  # between the final commit and `complete`
    talk.core.auto = True
    await talk.core.start()
    assert talk.core.running.sealed == 0
    assert talk.run(result["run_id"]).state == "completed"
    assert talk.core.ledger.stored_completes[TOPIC, result["run_id"]] == 1
    fresh = await talk.client("fresh")
    assert fresh.states[TOPIC].messages[result["message_id"]]["state"] == "complete"


async def test_a_question_that_never_began_is_kept_and_sealed(talk) -> None:
    client = await talk.client()
    talk.core.auto = False
    await talk.send(client, "chat_message", id="q1", session_id=SESSION, content="Still there?")
    database = talk.core.running.database
    while not database._written:
        await talk.core.step(0)
    await talk.core.crash()
    talk.core.auto = True
    await talk.core.start()
    [run] = talk.core.running.store.read_inline(lambda tx: tx.find(RUNS, EVERYTHING))
    assert (run.state, talk.message(run.user_message_id).content) == ("interrupted", "Still there?")
    empty = talk.message(run.message_id)
    assert (empty.content, empty.state) == ("", "interrupted")
    again = await talk.client("again")
    ack = await talk.ask(again, "Still there?", id="q1")
    assert (ack["duplicate"], ack["result"]["run_id"]) == (True, run.id)


async def test_a_clean_start_with_nothing_open_changes_nothing(talk) -> None:
    client = await talk.client()
    await talk.ask(client)
    await talk.says("whole")
    await talk.ends()
    before = talk.core.running.log.head_now(TOPIC)
    assert await talk.core.close()
    await talk.core.start()
    assert talk.core.running.sealed == 0
    assert talk.core.running.log.head_now(TOPIC) == before
    assert talk.core.running.log.unclean is False


@pytest.mark.parametrize("clean", [True, False])
async def test_what_a_clean_stop_owes_is_told_and_what_a_kill_owes_is_in_the_snapshot(talk, clean: bool) -> None:
    """Feedback that was committed when the log was about to close: its event stands in the outbox."""
    client = await talk.client()
    result = (await talk.ask(client))["result"]
    await talk.says("Ja")
    await talk.ends()
    client.read()
    entry = {
        "author": {"id": "usr_bo", "name": "Bo"},
        "rating": "bad",
        "comment": "No.",
        "created_at": "2026-11-20T00:00:00.000Z",
    }
    event = Feedback(session_id=SESSION, message_id=result["message_id"], **entry)

    def write(tx) -> None:
        tx.update(MESSAGES, EVERYTHING, result["message_id"], feedback=[entry])
        tx.insert(OUTBOX, owed([TOPIC], event, event_id="evt_owed", moment_s=1.0))

    await talk.core.finish(asyncio.ensure_future(talk.core.running.store.write(write)))
    await (talk.core.close() if clean else talk.core.crash())
    await talk.core.start()
    await talk.back(client)
    await talk.core.advance(0.2)
    client.read()
    assert client.states[TOPIC].messages[result["message_id"]]["feedback"] == [entry]
    assert [frame["rating"] for frame in client.frames if frame["type"] == "feedback"] == (["bad"] if clean else [])
    assert client.modes["replay" if clean else "snapshot"] == (1 if clean else 2)
    assert talk.core.running.store.read_inline(lambda tx: tx.count(OUTBOX, EVERYTHING)) == 0
    talk.all_well(client)
