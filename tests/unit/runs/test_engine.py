"""runs/engine.py, over the whole live core: order, ends, stops, the queue, checkpoints and shutting down."""

from __future__ import annotations

import asyncio
import hashlib

import pytest
from structlog.testing import capture_logs

from antiphon.core.errors import ModelError, NotFound
from antiphon.storage.records.contract import Urgency
from antiphon.storage.records.rows import OUTBOX, RUNS
from antiphon.testing.live_core import EVERYTHING, SESSION_IDS

SESSION, OTHER_SESSION = SESSION_IDS
TOPIC = f"session:{SESSION}"
ADA = {"id": "usr_ada", "name": "Ada"}


def sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


# --- order and ends -----------------------------------------------------------------------------------------------------------


async def test_the_events_of_a_run_in_order(talk) -> None:
    client = await talk.client()
    ack = await talk.ask(client, id="q1")
    await talk.says("Ja [1", "]", " 🙂")
    await talk.ends()
    client.read()
    assert talk.kinds(client) == [
        "user_message", "run_started", "status", "sources", "status", "status", "answer_chunk", "answer_chunk", "citation",
        "answer_chunk", "usage", "complete",
    ]  # fmt: skip
    result = ack["result"]
    by_kind = {frame["type"]: frame for frame in client.frames if frame.get("topic") == TOPIC}
    assert by_kind["user_message"]["cause"] == by_kind["run_started"]["cause"] == by_kind["user_message"]["client_id"] == "q1"
    assert by_kind["run_started"] | {"kind": "chat", "attempt": 1, "model": "directed"} == by_kind["run_started"]
    complete = by_kind["complete"]
    assert (complete["status"], complete["text_length"], complete["text_sha256"]) == ("completed", 8, sha256("Ja [1] 🙂"))
    assert (complete["run_id"], complete["message_id"]) == (result["run_id"], result["message_id"])
    assert complete["finish_reason"] == "stop"
    talk.all_well(client)


async def test_the_end_is_recorded_before_it_is_told(talk) -> None:
    client = await talk.client()
    result = (await talk.ask(client))["result"]
    await talk.says("A", "B")
    talk.core.running.database.disk_full = True
    await talk.ends()
    await talk.core.advance(2.0)
    assert "complete" not in talk.kinds(client)
    talk.core.running.database.disk_full = False
    await talk.core.advance(2.0)
    client.read()
    row, message = talk.run(result["run_id"]), talk.message(result["message_id"])
    assert (row.state, message.state, message.content) == ("completed", "complete", "AB")
    assert row.record["text_sha256"] == sha256("AB")
    assert row.record["prompt"]["messages"][-1]["content"].endswith("Vacation?")
    assert message.usage == row.record["usage"]
    assert talk.kinds(client)[-1] == "complete"
    assert talk.core.running.store.read_inline(lambda tx: tx.count(OUTBOX, EVERYTHING)) == 0
    talk.all_well(client)


async def test_a_failure_keeps_the_text_and_says_why(talk) -> None:
    client = await talk.client()
    result = (await talk.ask(client))["result"]
    await talk.says("half")
    await talk.ends(ModelError("The model server closed the connection.", data={"retry_after_ms": 70, "status": 502}))
    client.read()
    assert talk.kinds(client)[-3:] == ["usage", "error", "complete"]
    error = next(frame for frame in client.frames if frame["type"] == "error")
    assert (error["code"], error["retryable"], error["retry_after_ms"], error["data"]) == (
        "model_error",
        True,
        70,
        {"status": 502},
    )
    assert client.frames[-1]["status"] == "failed"
    message = talk.message(result["message_id"])
    assert (message.content, message.state) == ("half", "failed")
    assert message.error == {"code": "model_error", "message": "The model server closed the connection."}
    assert talk.run(result["run_id"]).state == "failed"
    talk.all_well(client)


async def test_a_defect_is_an_internal_error_without_its_words(talk, monkeypatch) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError("secret words")

    monkeypatch.setattr(talk.core.running.engine, "_plan", broken)
    client = await talk.client()
    result = (await talk.ask(client))["result"]
    error = next(frame for frame in client.frames if frame["type"] == "error")
    assert error["code"] == "internal"
    assert "secret" not in error["message"]
    assert talk.run(result["run_id"]).state == "failed"


async def test_a_run_that_takes_too_long_is_ended(open_talk) -> None:
    talk = await open_talk(timeout_s=0.05)
    client = await talk.client()
    result = (await talk.ask(client))["result"]
    await talk.says("slow")
    async with asyncio.timeout(5):
        while talk.run(result["run_id"]).state == "running" or talk.core.running.engine.active_count:
            await asyncio.sleep(0.01)
            await talk.core.settle()
    assert talk.message(result["message_id"]).error["code"] == "timeout"
    assert talk.message(result["message_id"]).content == "slow"
    assert talk.core.model.open_calls == []


# --- stop ---------------------------------------------------------------------------------------------------------------------


async def test_stop_closes_the_upstream_and_keeps_the_text(talk) -> None:
    client = await talk.client()
    result = (await talk.ask(client))["result"]
    await talk.says("kept")
    talk.core.model.calls[-1].emit(" and what was buffered")
    ack = await talk.stop(client, run_id=result["run_id"])
    assert ack["result"]["state"] == "stopped"
    assert talk.core.model.open_calls == []
    await talk.core.advance(5.0)
    message = talk.message(result["message_id"])
    assert (message.content, message.state, message.stopped_by) == ("kept and what was buffered", "stopped", "Ada")
    assert client.frames[-1]["type"] == "ack"
    complete = client.frames[-2]
    assert (complete["status"], complete["stopped_by"]) == ("stopped", ADA)
    assert talk.run(result["run_id"]).stop_requested_by == "usr_ada"
    talk.all_well(client)


async def test_stopping_what_has_ended_says_how_it_ended(talk) -> None:
    client = await talk.client()
    result = (await talk.ask(client))["result"]
    await talk.ends()
    assert (await talk.stop(client, run_id=result["run_id"]))["result"]["state"] == "completed"
    assert talk.run(result["run_id"]).stop_requested_by is None
    with pytest.raises(NotFound):
        await finish(talk, talk.core.running.engine.stop("run_unknown", by=ADA))


async def finish(talk, work) -> object:
    task = asyncio.ensure_future(work)
    await talk.core.finish(task)
    return task.result()


async def test_a_stop_that_the_end_overtakes_says_how_it_ended(talk) -> None:
    client = await talk.client()
    result = (await talk.ask(client))["result"]
    talk.core.auto = False
    talk.core.model.calls[-1].end()
    stopping = asyncio.ensure_future(talk.core.running.engine.stop(result["run_id"], by=ADA))
    await talk.core.settle()
    database = talk.core.running.database
    for _ in range(2):  # both are committed, the request first
        await database._commit(next(queue[0] for queue in database._writes if queue))
    database._written.reverse()  # as if the end's answer came before that of the request
    talk.core.auto = True
    await talk.core.settle()
    assert await stopping == talk.run(result["run_id"]).state
    talk.all_well(client)


async def test_a_stop_that_comes_before_the_run_is_registered_still_stops_it(talk) -> None:
    client, other = await talk.client(), await talk.client("b")
    talk.core.auto = False
    asking = asyncio.ensure_future(talk.send(client, "chat_message", session_id=SESSION, content="?"))
    await asking
    database = talk.core.running.database
    while not database._written:
        await talk.core.step(0)
    run = talk.core.running.store.read_inline(lambda tx: tx.find(RUNS, EVERYTHING))[0]
    stopping = asyncio.ensure_future(talk.core.running.engine.stop(run.id, by=ADA))
    await talk.core.settle()
    commit, _ = database._steps()[1]
    await commit(database._writes[Urgency.COMMAND][0])
    database._written.rotate(1)  # the stop hears of its commit first
    await talk.core.step(0)
    assert not stopping.done()
    talk.core.auto = True
    await talk.core.advance(0.1)
    assert await stopping == "stopped"
    assert talk.core.model.open_calls == []
    assert talk.run(run.id).state == "stopped"
    client.read()
    other.read()
    assert talk.kinds(client) == talk.kinds(other)
    assert (talk.kinds(client)[:2], talk.kinds(client)[-1]) == (["user_message", "run_started"], "complete")
    talk.all_well(client, other)


# --- the queue ----------------------------------------------------------------------------------------------------------------


async def test_a_run_waits_for_its_place_and_can_be_seen_and_stopped_there(open_talk) -> None:
    talk = await open_talk(max_runs=1)
    client, other = await talk.client(), await talk.client("b", f"session:{OTHER_SESSION}")
    await talk.ask(client)
    queued = (await talk.ask(other, session_id=OTHER_SESSION))["result"]
    assert talk.kinds(other, f"session:{OTHER_SESSION}") == ["user_message", "run_started", "status"]
    state = other.states[f"session:{OTHER_SESSION}"]
    assert state.active_runs[queued["run_id"]]["state"] == "queued"
    assert state.messages[queued["message_id"]]["state"] == "streaming"
    assert (await talk.stop(other, run_id=queued["run_id"]))["result"]["state"] == "stopped"
    waiting = (await talk.ask(other, session_id=OTHER_SESSION))["result"]
    assert len(talk.core.model.calls) == 1
    await talk.ends()
    other.read()
    assert state.active_runs[waiting["run_id"]]["state"] == "running"
    assert len(talk.core.model.calls) == 2
    talk.all_well(client, other)


# --- checkpoints --------------------------------------------------------------------------------------------------------------


async def test_the_text_so_far_is_recorded_from_time_to_time(talk) -> None:
    client = await talk.client()
    result = (await talk.ask(client))["result"]
    await talk.says("so far [2]")
    await talk.core.advance(1.1)
    message = talk.message(result["message_id"])
    assert (message.content, message.state) == ("so far [2]", "streaming")
    assert [source["n"] for source in message.sources] == [1, 2, 3]
    assert [citation["n"] for citation in message.citations] == [2]


async def test_a_checkpoint_that_comes_late_changes_nothing(talk) -> None:
    """The writer takes commands first: the final record overtakes a checkpoint that waits."""
    client = await talk.client()
    result = (await talk.ask(client))["result"]
    await talk.says("first")
    talk.core.auto = False
    await talk.core.advance(1.1)  # the checkpoint waits for the writer
    talk.core.model.calls[-1].emit(" second")
    talk.core.model.calls[-1].end()
    await talk.core.advance(0.1)
    talk.core.auto = True
    await talk.core.advance(1.0)
    assert talk.message(result["message_id"]).content == "first second"
    talk.all_well(client)


# --- shutting down ------------------------------------------------------------------------------------------------------------


async def test_shutting_down_interrupts_what_runs_and_tells_it(talk) -> None:
    client = await talk.client()
    result = (await talk.ask(client))["result"]
    await talk.says("so far")
    assert await talk.core.close()
    client.read()
    assert client.frames[-2]["type"] == "complete" or "complete" in talk.kinds(client)
    client.lose()
    await talk.core.start()
    assert talk.core.running.sealed == 0
    message = talk.message(result["message_id"])
    assert (message.content, message.state) == ("so far", "interrupted")
    await talk.back(client)
    assert client.modes["live"] + client.modes["replay"] == 1
    assert client.states[TOPIC].text(result["message_id"]) == "so far"
    talk.all_well(client)


async def test_shutting_down_lets_runs_finish_in_their_grace(talk) -> None:
    client = await talk.client()
    result = (await talk.ask(client))["result"]
    engine = talk.core.running.engine
    closing = asyncio.ensure_future(engine.shutdown(grace_s=5.0))
    await talk.core.settle()
    assert not engine.accepts
    await talk.says("whole")
    await talk.ends()
    async with asyncio.timeout(5):
        await closing
    assert talk.run(result["run_id"]).state == "completed"


async def test_a_question_that_is_committed_while_the_server_stops_is_not_lost(talk) -> None:
    client = await talk.client()
    talk.core.auto = False
    await talk.send(client, "chat_message", id="late", session_id=SESSION, content="Too late?")
    database = talk.core.running.database
    while not database._written:
        await talk.core.step(0)
    held = database._written.popleft()  # committed, and its command does not know it yet
    await talk.core.finish(asyncio.ensure_future(talk.core.running.engine.shutdown(grace_s=0)))
    database._written.append(held)
    talk.core.auto = True
    await talk.core.settle()
    assert talk.kinds(client) == []
    assert await talk.core.close()
    client.lose()
    await talk.core.start()
    assert talk.core.running.sealed == 1
    await talk.back(client)
    fresh = await talk.client("fresh")
    client.read()
    assert talk.kinds(client) == ["user_message", "run_started", "error", "complete"]
    for name in ("content", "state", "error", "parent_id"):
        assert [m.get(name) for m in client.states[TOPIC].messages.values()] == [
            m.get(name) for m in fresh.states[TOPIC].messages.values()
        ]
    talk.all_well(client, fresh)


async def test_a_disk_that_stays_full_holds_a_stop_up_for_two_seconds_only(talk) -> None:
    """What could not be written is the next start's: it seals the run, under a new epoch."""
    client = await talk.client()
    result = (await talk.ask(client))["result"]
    await talk.says("half")
    await talk.core.advance(0.1)
    core, process = talk.core, talk.core.running
    epoch = process.log.epoch
    process.database.disk_full = True
    began_s = core.clock.monotonic()
    with capture_logs() as said:
        await core.finish(asyncio.ensure_future(process.close()))
    assert 1.0 < core.clock.monotonic() - began_s < 5.0
    assert process.database.closed
    assert [entry["event"] for entry in said if entry["log_level"] == "error"][-2:] == ["run_end_given_up", "event_log_given_up"]
    core.ledger.lost(epoch)
    await core.start()
    assert core.running.log.unclean
    assert (talk.run(result["run_id"]).state, talk.message(result["message_id"]).content) == ("interrupted", "half")
