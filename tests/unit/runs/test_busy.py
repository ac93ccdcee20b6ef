"""on_busy over the whole live core: queue, interrupt, steer; and what can be done to a question that waits."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from antiphon.access.identity import Role
from antiphon.core.errors import BadRequest
from antiphon.protocol.reducer import TopicState
from antiphon.runs import submission
from antiphon.storage.records.rows import MESSAGES, QUEUE, RUNS
from antiphon.testing.live_core import EVERYTHING, SESSION_IDS
from antiphon.testing.models import DirectedChat

SESSION = SESSION_IDS[0]
TOPIC = f"session:{SESSION}"


def said(state: TopicState) -> list[tuple[str, str]]:
    return [(message["role"], message["content"]) for message in state.messages.values()]


def waiting(client: Any) -> list[str]:
    return [entry["content"] for entry in client.states[TOPIC].waiting]


async def same_everywhere(talk: Any, *clients: Any) -> None:
    """I8: a new device sees what those say who followed."""
    fresh = await talk.client("fresh")
    for client in clients:
        client.read()
        for name in ("messages", "active_runs", "queue"):
            mine, theirs = getattr(client.states[TOPIC], name), getattr(fresh.states[TOPIC], name)
            assert (sorted if name == "queue" else list)(mine) == (sorted if name == "queue" else list)(theirs), name
            for ident, entry in mine.items():
                for key in ("content", "state", "siblings", "steers", "feedback", "parent_id", "position", "run_id", "length"):
                    assert entry.get(key) == theirs[ident].get(key), (name, ident, key)
    fresh.lose()
    talk.all_well(*clients)


# --- queue --------------------------------------------------------------------------------------------------------------------


async def test_what_waits_is_shown_and_begins_after_complete(talk) -> None:
    client, other = await talk.client(), await talk.client("b")
    await talk.ask(client, "First?")
    await talk.says("One")
    second = (await talk.ask(client, "Second?", on_busy="queue"))["result"]
    third = (await talk.ask(other, "Third?", on_busy="queue"))["result"]
    assert second["queued"] is True
    client.read()
    assert waiting(client) == waiting(other) == ["Second?", "Third?"]
    await same_everywhere(talk, client, other)
    assert talk.run(third["run_id"]).state == "waiting"
    await talk.ends()
    client.read()
    assert waiting(client) == ["Third?"]
    assert list(client.states[TOPIC].active_runs) == [second["run_id"]]
    await talk.says("Two")
    await same_everywhere(talk, client, other)
    await talk.ends()
    await talk.says("Three")
    await talk.ends()
    client.read()
    assert said(client.states[TOPIC]) == [
        ("user", "First?"), ("assistant", "One"), ("user", "Second?"), ("assistant", "Two"), ("user", "Third?"), ("assistant", "Three"),
    ]  # fmt: skip
    kinds = [kind for kind in talk.kinds(client) if kind in {"user_message", "complete", "run_queued", "run_started"}]
    assert kinds == [
        "user_message", "run_started", "run_queued", "run_queued", "complete", "user_message", "run_started", "complete", "user_message",
        "run_started", "complete",
    ]  # fmt: skip
    history = [
        message["content"] for message in talk.run(third["run_id"]).record["prompt"]["messages"] if message["role"] != "system"
    ]
    assert history[:-1] == ["First?", "One", "Second?", "Two"]
    await same_everywhere(talk, client, other)


async def test_a_free_session_queues_nothing(talk) -> None:
    client = await talk.client()
    result = (await talk.ask(client, "Only?", on_busy="queue"))["result"]
    assert "queued" not in result
    assert talk.core.model.open_calls


async def test_rejecting_minds_what_waits_and_ids_are_idempotent(talk) -> None:
    client = await talk.client()
    await talk.ask(client, "First?")
    first = (await talk.ask(client, "Second?", on_busy="queue", id="q2"))["result"]
    again = await talk.ask(client, "Second?", on_busy="queue", id="q2")
    assert (again["result"]["run_id"], again["duplicate"]) == (first["run_id"], True)
    assert waiting(client) == ["Second?"]
    assert (await talk.ask(client, "Third?"))["error"]["code"] == "run_active"


async def test_one_that_waits_is_taken_back_by_its_run(talk) -> None:
    client = await talk.client()
    await talk.ask(client, "First?")
    second = (await talk.ask(client, "Second?", on_busy="queue"))["result"]
    third = (await talk.ask(client, "Third?", on_busy="queue"))["result"]
    assert (await talk.stop(client, run_id=second["run_id"]))["result"]["state"] == "stopped"
    assert waiting(client) == ["Third?"]
    assert (await talk.stop(client, run_id=second["run_id"]))["result"]["state"] == "stopped", "again is fine"
    complete = [frame for frame in client.frames if frame["type"] == "complete"]
    assert [(frame["run_id"], frame["status"], frame["text_length"]) for frame in complete] == [(second["run_id"], "stopped", 0)]
    await same_everywhere(talk, client)
    await talk.ends()
    client.read()
    assert list(client.states[TOPIC].active_runs) == [third["run_id"]]
    count = talk.core.running.store.read_inline(lambda tx: tx.count(MESSAGES, EVERYTHING, {"content": "Second?"}))
    assert count == 0


async def test_stopping_the_answer_lets_the_next_begin(talk) -> None:
    client = await talk.client()
    await talk.ask(client, "First?")
    second = (await talk.ask(client, "Second?", on_busy="queue"))["result"]
    await talk.stop(client, session_id=SESSION)
    client.read()
    assert list(client.states[TOPIC].active_runs) == [second["run_id"]]


async def test_words_and_order_can_be_changed(talk) -> None:
    client, other = await talk.client(), await talk.client("b")
    await talk.ask(client, "First?")
    runs = [(await talk.ask(client, f"{name}?", on_busy="queue"))["result"]["run_id"] for name in ("A", "B", "C")]
    await talk.send(other, "queue_change", run_id=runs[2], before=runs[0])
    await talk.send(other, "queue_change", run_id=runs[0], to_end=True, content="A, but better?")
    await talk.send(other, "queue_change", run_id=runs[0], before=runs[1])
    client.read()
    assert waiting(client) == ["C?", "A, but better?", "B?"]
    await same_everywhere(talk, client, other)
    missing = await talk.send(other, "queue_change", run_id=runs[0], before="run_nowhere")
    assert other.acks[missing]["error"]["code"] == "not_found"
    empty = await talk.send(other, "queue_change", run_id=runs[0], content=" ")
    assert other.acks[empty]["error"]["code"] == "bad_request"
    for expected in ("C?", "A, but better?", "B?"):
        await talk.ends()
        client.read()
        assert said(client.states[TOPIC])[-2] == ("user", expected)
    late = await talk.send(other, "queue_change", run_id=runs[1], content="Too late")
    assert other.acks[late]["error"]["code"] == "not_found"


async def test_there_is_a_most(talk, monkeypatch) -> None:
    monkeypatch.setattr(submission, "MOST_WAITING", 2)
    client = await talk.client()
    await talk.ask(client, "First?")
    for _ in range(2):
        assert (await talk.ask(client, "More?", on_busy="queue"))["ok"]
    assert (await talk.ask(client, "More?", on_busy="queue"))["error"]["code"] == "quota_exceeded"


@pytest.mark.parametrize("clean", [True, False])
async def test_the_queue_survives_the_process(talk, clean: bool) -> None:
    client = await talk.client()
    await talk.ask(client, "First?")
    await talk.says("One")
    second = (await talk.ask(client, "Second?", on_busy="queue"))["result"]
    await talk.ask(client, "Third?", on_busy="queue")
    await (talk.core.close() if clean else talk.core.crash())
    client.lose()
    await talk.core.start()
    await talk.core.settle()
    await talk.back(client)
    assert talk.run(second["run_id"]).state == "queued"
    assert waiting(client) == ["Third?"]
    assert list(client.states[TOPIC].active_runs) == [second["run_id"]]
    await talk.says("Two")
    await talk.ends()
    await talk.ends()
    client.read()
    assert [role for role, _ in said(client.states[TOPIC])] == ["user", "assistant"] * 3
    await same_everywhere(talk, client)


async def test_a_queue_whose_author_lost_the_right_ends_with_a_word(talk) -> None:
    client = await talk.client()
    await talk.ask(client, "First?")
    second = (await talk.ask(client, "Second?", on_busy="queue"))["result"]

    async def nobody(_: Any) -> dict[Any, Role]:
        return {}

    talk.core.running.rights.roles_of = nobody
    await talk.ends()
    row = talk.run(second["run_id"])
    assert (row.state, row.error["code"]) == ("failed", "not_found")
    client.read()
    assert [frame["status"] for frame in client.frames if frame["type"] == "complete"] == ["completed", "failed"]
    assert talk.core.running.store.read_inline(lambda tx: tx.count(QUEUE, EVERYTHING)) == 0
    talk.all_well(client)


async def test_a_model_that_is_gone_does_not_hold_up_those_behind(talk, monkeypatch) -> None:
    client = await talk.client()
    await talk.ask(client, "First?")
    second = (await talk.ask(client, "Second?", on_busy="queue"))["result"]
    third = (await talk.ask(client, "Third?", on_busy="queue"))["result"]
    models = talk.core.running.waiting._models
    resolve, calls = models.resolve, []

    def once(model: str | None) -> Any:
        calls.append(model)
        if len(calls) == 1:
            raise BadRequest("No such model.")
        return resolve(model)

    monkeypatch.setattr(models, "resolve", once)
    await talk.ends()
    assert talk.run(second["run_id"]).state == "failed"
    client.read()
    assert list(client.states[TOPIC].active_runs) == [third["run_id"]]


# --- interrupt ------------------------------------------------------------------------------------------------------------------


async def test_interrupting_stops_and_begins_before_what_waits(talk) -> None:
    client = await talk.client()
    first = (await talk.ask(client, "First?"))["result"]
    await talk.says("half")
    await talk.ask(client, "Patient?", on_busy="queue")
    urgent = (await talk.ask(client, "Urgent?", on_busy="interrupt"))["result"]
    client.read()
    assert talk.run(first["run_id"]).state == "stopped"
    assert list(client.states[TOPIC].active_runs) == [urgent["run_id"]]
    assert waiting(client) == ["Patient?"]
    assert said(client.states[TOPIC])[:3] == [("user", "First?"), ("assistant", "half"), ("user", "Urgent?")]
    assert len(talk.core.model.open_calls) == 1
    await talk.ends()
    client.read()
    assert said(client.states[TOPIC])[-2] == ("user", "Patient?")
    await same_everywhere(talk, client)


async def test_the_same_interruption_again_interrupts_nothing(talk) -> None:
    client = await talk.client()
    await talk.ask(client, "First?")
    urgent = (await talk.ask(client, "Urgent?", on_busy="interrupt", id="u"))["result"]
    again = await talk.ask(client, "Urgent?", on_busy="interrupt", id="u")
    assert (again["duplicate"], again["result"]["run_id"]) == (True, urgent["run_id"])
    assert talk.core.model.open_calls
    assert talk.run(urgent["run_id"]).state == "queued"


# --- steer ------------------------------------------------------------------------------------------------------------------------


async def test_steering_keeps_run_message_and_text(talk) -> None:
    client, other = await talk.client(), await talk.client("b")
    first = (await talk.ask(client, "What is it?"))["result"]
    await talk.says("It is [1]", " long")
    ack = await talk.ask(client, "In one word.", on_busy="steer")
    assert ack["result"] | {"run_id": first["run_id"], "message_id": first["message_id"], "steered": True} == ack["result"]
    assert len(talk.core.model.open_calls) == 1, "the first upstream is closed"
    await talk.says("Short [2]")
    client.read()
    text = "It is [1] long\n\nShort [2]"
    assert client.states[TOPIC].text(first["message_id"]) == text
    await same_everywhere(talk, client, other)
    request = talk.core.model.requests[-1]
    assert [(m.role, m.content) for m in request.messages[-2:]] == [("assistant", "It is [1] long"), ("user", "In one word.")]
    await talk.ends()
    client.read()
    assert [frame["type"] for frame in client.frames].count("complete") == 1
    phases = [frame["phase"] for frame in client.frames if frame["type"] == "status"]
    assert "steering" in phases
    message = talk.message(first["message_id"])
    assert (message.content, message.state) == (text, "complete")
    assert [(s["content"], s["offset"]) for s in message.steers] == [("In one word.", 14)]
    assert [c["n"] for c in message.citations] == [1, 2]
    await same_everywhere(talk, client, other)


async def test_steered_twice_and_before_the_first_word(talk) -> None:
    client = await talk.client()
    first = (await talk.ask(client, "What is it?"))["result"]
    await talk.ask(client, "In German.", on_busy="steer")
    await talk.says("Es")
    await talk.ask(client, "Kurz.", on_busy="steer")
    await talk.says("Ja")
    await talk.ends()
    client.read()
    assert client.states[TOPIC].text(first["message_id"]) == "Es\n\nJa"
    second = talk.core.model.requests[1].messages[-1]
    assert (second.role, second.content.endswith("In German.")) == ("user", True)
    await talk.ask(client, "More?")
    history = [(m.role, m.content) for m in talk.core.model.requests[-1].messages if m.role != "system"][:-1]
    assert history == [
        ("user", "What is it?"), ("user", "In German."), ("assistant", "Es"), ("user", "Kurz."), ("assistant", "\n\nJa"),
    ]  # fmt: skip
    await talk.ends()
    await same_everywhere(talk, client)


async def test_a_model_that_cannot_be_steered_is_interrupted(talk, monkeypatch) -> None:
    monkeypatch.setattr(DirectedChat, "steerable", False)
    client = await talk.client()
    first = (await talk.ask(client, "First?"))["result"]
    await talk.says("half")
    second = (await talk.ask(client, "Rather this?", on_busy="steer"))["result"]
    assert second["run_id"] != first["run_id"]
    assert talk.run(first["run_id"]).state == "stopped"
    await talk.ends()
    talk.all_well(client)


async def test_words_that_come_with_the_end_are_heard_or_asked(talk) -> None:
    """The model ends while the words are committed: a reservation holds the end back."""
    client = await talk.client()
    first = (await talk.ask(client, "First?"))["result"]
    await talk.says("One")
    talk.core.auto = False
    client.send({"type": "chat_message", "id": "s", "session_id": SESSION, "content": "And?", "on_busy": "steer"})
    for _ in range(12):
        await talk.core.step(0)
        if talk.core.running.engine.live(first["run_id"]).steering._reserved:
            break
    assert talk.core.running.engine.live(first["run_id"]).steering._reserved == 1
    talk.core.model.open_calls[0].end()
    talk.core.auto = True
    await talk.core.settle()
    client.read()
    assert client.acks["s"]["result"]["run_id"] == first["run_id"]
    await talk.says("Two")
    await talk.ends()
    client.read()
    assert client.states[TOPIC].text(first["message_id"]) == "One\n\nTwo"
    talk.all_well(client)


async def test_stopping_right_after_steering_loses_no_words(talk) -> None:
    client = await talk.client()
    first = (await talk.ask(client, "First?"))["result"]
    await talk.says("One")
    await talk.ask(client, "And?", on_busy="steer")
    await talk.stop(client, run_id=first["run_id"])
    message = talk.message(first["message_id"])
    assert [s["content"] for s in message.steers] == ["And?"]
    await same_everywhere(talk, client)


async def test_one_that_waits_is_sent_into_the_answer(talk) -> None:
    client = await talk.client()
    first = (await talk.ask(client, "First?"))["result"]
    await talk.says("One")
    second = (await talk.ask(client, "Shorter.", on_busy="queue"))["result"]
    third = (await talk.ask(client, "Third?", on_busy="queue"))["result"]
    sent = await talk.send(client, "queue_send", run_id=second["run_id"])
    assert client.acks[sent]["result"] == {"run_id": first["run_id"], "session_id": SESSION, "steered": True}
    assert waiting(client) == ["Third?"]
    assert talk.run(second["run_id"]).state == "stopped"
    await talk.says("1")
    await talk.ends()
    assert talk.message(first["message_id"]).content == "One\n\n1"
    client.read()
    assert list(client.states[TOPIC].active_runs) == [third["run_id"]]
    await same_everywhere(talk, client)


async def test_one_that_waits_is_sent_instead_of_the_answer(talk) -> None:
    client = await talk.client()
    first = (await talk.ask(client, "First?"))["result"]
    await talk.ask(client, "Second?", on_busy="queue")
    third = (await talk.ask(client, "Third?", on_busy="queue"))["result"]
    await talk.send(client, "queue_send", run_id=third["run_id"], how="interrupt")
    client.read()
    assert talk.run(first["run_id"]).state == "stopped"
    assert list(client.states[TOPIC].active_runs) == [third["run_id"]]
    assert waiting(client) == ["Second?"]
    await same_everywhere(talk, client)


# --- whose turn it is -------------------------------------------------------------------------------------------------------------


async def test_nobody_begins_between_a_recorded_end_and_its_complete(talk) -> None:
    client = await talk.client()
    first = (await talk.ask(client, "First?"))["result"]
    second = (await talk.ask(client, "Second?", on_busy="queue"))["result"]
    core, waiting_questions = talk.core, talk.core.running.waiting
    write = asyncio.ensure_future(
        core.running.store.write(lambda tx: tx.update(RUNS, EVERYTHING, first["run_id"], state="completed"))
    )
    await core.finish(write)
    waiting_questions._poke(SESSION)
    await core.settle()
    assert talk.run(second["run_id"]).state == "waiting"
    await talk.ends()
    assert talk.run(second["run_id"]).state == "queued"
    talk.all_well(client)


async def test_while_it_is_held_nobody_begins(talk) -> None:
    client = await talk.client()
    await talk.ask(client, "First?")
    second = (await talk.ask(client, "Second?", on_busy="queue"))["result"]
    with talk.core.running.waiting.held(SESSION):
        await talk.ends()
        await talk.core.settle()
        assert talk.run(second["run_id"]).state == "waiting"
    await talk.core.settle()
    assert talk.run(second["run_id"]).state == "queued"
