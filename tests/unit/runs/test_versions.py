"""regenerate, edit_message, switch_branch and feedback over the whole live core: one active branch for every device."""

from __future__ import annotations

from typing import Any

from antiphon.protocol.reducer import TopicState
from antiphon.storage.records.rows import MESSAGES, SESSIONS
from antiphon.testing.live_core import EVERYTHING, SESSION_IDS

SESSION = SESSION_IDS[0]
TOPIC = f"session:{SESSION}"
KEYS = ("id", "role", "content", "state", "run_id", "parent_id", "siblings", "feedback", "client_id")


def texts(state: TopicState) -> list[str]:
    return [message["content"] for message in state.messages.values()]


async def answered(talk: Any, client: Any, question: str, answer: str, **fields: Any) -> dict[str, Any]:
    result = (await talk.ask(client, question, **fields))["result"]
    await talk.says(answer)
    await talk.ends()
    return result


async def versioned(talk: Any, client: Any, verb: str, answer: str, **fields: Any) -> dict[str, Any]:
    sent = await talk.send(client, verb, **fields)
    assert client.acks[sent]["ok"], client.acks[sent]
    await talk.says(answer)
    await talk.ends()
    client.read()
    return client.acks[sent]["result"]


async def same_everywhere(talk: Any, *clients: Any) -> None:
    fresh = await talk.client("fresh")
    theirs = [{key: message.get(key) for key in KEYS} for message in fresh.states[TOPIC].messages.values()]
    for client in clients:
        client.read()
        await talk.core.settle()  # a branch that it has not got is asked for as it reads
        client.read()
        assert [{key: message.get(key) for key in KEYS} for message in client.states[TOPIC].messages.values()] == theirs
    fresh.lose()
    talk.all_well(*clients)


async def test_an_answer_asked_for_anew_stands_beside_the_old_one(talk) -> None:
    client, other = await talk.client(), await talk.client("b")
    first = await answered(talk, client, "One?", "A")
    await answered(talk, client, "Two?", "B")
    again = await versioned(talk, other, "regenerate", "A2", message_id=first["message_id"])
    assert again["user_message_id"] == first["user_message_id"]
    client.read()
    assert texts(client.states[TOPIC]) == ["One?", "A2"]
    siblings = [first["message_id"], again["message_id"]]
    assert client.states[TOPIC].messages[again["message_id"]]["siblings"] == siblings
    assert talk.message(first["message_id"]).siblings == siblings
    await same_everywhere(talk, client, other)
    assert next(frame["type"] for frame in client.frames if frame.get("run_id") == again["run_id"]) == "run_started"
    run, before = talk.run(again["run_id"]), talk.run(first["run_id"])
    assert run.record["asked"] == before.record["asked"]
    assert run.record["seed"] != before.record["seed"]
    updated = [frame["changes"] for frame in client.frames if frame["type"] == "session_updated"]
    assert updated == [{"leaf_message_id": again["message_id"]}]
    third = await versioned(talk, client, "regenerate", "A3", message_id=first["user_message_id"])
    assert client.states[TOPIC].messages[third["message_id"]]["siblings"] == [*siblings, third["message_id"]]
    await same_everywhere(talk, client, other)


async def test_an_edited_question_begins_a_branch_and_the_old_one_can_be_gone_back_to(talk) -> None:
    client, other = await talk.client(), await talk.client("b")
    await answered(talk, client, "One?", "A")
    second = await answered(talk, client, "Two?", "B")
    await answered(talk, client, "Three?", "C")
    edited = await versioned(talk, client, "edit_message", "B2", message_id=second["user_message_id"], content="Two, rather?")
    assert texts(client.states[TOPIC]) == ["One?", "A", "Two, rather?", "B2"]
    await same_everywhere(talk, client, other)
    history = [m.content for m in talk.core.model.requests[-1].messages if m.role != "system"][:-1]
    assert history == ["One?", "A"]
    snapshots = other.modes["snapshot"]
    sent = await talk.send(client, "switch_branch", message_id=second["user_message_id"])
    assert client.acks[sent]["result"]["session_id"] == SESSION
    await same_everywhere(talk, client, other)
    assert texts(other.states[TOPIC]) == ["One?", "A", "Two?", "B", "Three?", "C"]
    assert other.modes["snapshot"] == snapshots + 1, "who has not got the branch asks for it, once"
    follow = await answered(talk, other, "Four?", "D")
    client.read()
    assert texts(client.states[TOPIC])[-4:] == ["Three?", "C", "Four?", "D"]
    back = await talk.send(client, "switch_branch", message_id=edited["message_id"])
    assert client.acks[back]["ok"]
    await same_everywhere(talk, client, other)
    assert texts(client.states[TOPIC])[-1] == "B2"
    again = await talk.send(client, "switch_branch", message_id=follow["message_id"])
    assert client.acks[again]["ok"]
    await same_everywhere(talk, client, other)


async def test_the_first_question_can_be_edited_too(talk) -> None:
    client, other = await talk.client(), await talk.client("b")
    first = await answered(talk, client, "One?", "A")
    await answered(talk, client, "Two?", "B")
    edited = await versioned(talk, client, "edit_message", "Z", message_id=first["user_message_id"], content="Rather?")
    assert texts(client.states[TOPIC]) == ["Rather?", "Z"]
    assert talk.message(edited["user_message_id"]).siblings == [first["user_message_id"], edited["user_message_id"]]
    await same_everywhere(talk, client, other)


async def test_history_follows_the_active_branch(talk) -> None:
    client = await talk.client()
    first = await answered(talk, client, "One?", "A")
    await answered(talk, client, "Two?", "B")
    await versioned(talk, client, "regenerate", "A2", message_id=first["message_id"])
    last = await answered(talk, client, "Three?", "C")
    whole = await talk.send(client, "history", topic=TOPIC, limit=10)
    assert [m["content"] for m in client.acks[whole]["result"]["messages"]] == ["One?", "A2", "Three?", "C"]
    page = await talk.send(client, "history", topic=TOPIC, limit=2, before=last["user_message_id"])
    assert [m["content"] for m in client.acks[page]["result"]["messages"]] == ["One?", "A2"]
    assert client.acks[page]["result"]["has_more"] is False


async def test_while_an_answer_is_written_branches_stay(talk) -> None:
    client = await talk.client()
    first = await answered(talk, client, "One?", "A")
    await versioned(talk, client, "regenerate", "A2", message_id=first["message_id"])
    await talk.ask(client, "Two?")
    for verb, fields in (
        ("switch_branch", {"message_id": first["message_id"]}), ("regenerate", {"message_id": first["message_id"]}),
        ("edit_message", {"message_id": first["user_message_id"], "content": "No"}),
    ):  # fmt: skip
        sent = await talk.send(client, verb, **fields)
        assert client.acks[sent]["error"]["code"] == "run_active", verb


async def test_what_cannot_be_done_is_said(talk) -> None:
    client = await talk.client()
    first = await answered(talk, client, "One?", "A")
    for verb, fields, code in (
        ("regenerate", {"message_id": "msg_nowhere"}, "not_found"),
        ("edit_message", {"message_id": first["message_id"], "content": "x"}, "bad_request"),
        ("edit_message", {"message_id": first["user_message_id"], "content": "  "}, "bad_request"),
        ("switch_branch", {"message_id": "msg_nowhere"}, "not_found"),
        ("feedback", {"message_id": first["user_message_id"], "rating": "good"}, "bad_request"),
        ("feedback", {"message_id": first["message_id"], "rating": "great"}, "bad_request"),
        ("regenerate", {"message_id": first["message_id"], "model": "unknown"}, "bad_request"),
    ):
        sent = await talk.send(client, verb, **fields)
        assert client.acks[sent]["error"]["code"] == code, (verb, fields)
    assert talk.core.running.store.read_inline(lambda tx: tx.count(MESSAGES, EVERYTHING)) == 2


async def test_the_same_command_again_makes_no_second_version(talk) -> None:
    client = await talk.client()
    first = await answered(talk, client, "One?", "A")
    one = await versioned(talk, client, "regenerate", "A2", message_id=first["message_id"], id="again")
    client.acks.clear()
    await talk.send(client, "regenerate", message_id=first["message_id"], id="again")
    assert (client.acks["again"]["duplicate"], client.acks["again"]["result"]["run_id"]) == (True, one["run_id"])
    assert len(talk.message(first["message_id"]).siblings) == 2


async def test_feedback_is_stored_shown_and_replaced(talk) -> None:
    client, other = await talk.client(), await talk.client("b")
    first = await answered(talk, client, "One?", "A")
    await talk.send(client, "feedback", message_id=first["message_id"], rating="bad", comment="Too short.")
    await same_everywhere(talk, client, other)
    await talk.send(other, "feedback", message_id=first["message_id"], rating="good")
    client.read()
    [entry] = client.states[TOPIC].messages[first["message_id"]]["feedback"]
    assert (entry["rating"], entry["comment"], entry["author"]["name"]) == ("good", "", "Ada")
    await same_everywhere(talk, client, other)
    await talk.send(client, "feedback", message_id=first["message_id"], rating=None)
    assert talk.message(first["message_id"]).feedback == []
    talk.all_well(client, other)


async def test_branches_survive_a_kill_in_the_middle(talk) -> None:
    client = await talk.client()
    first = await answered(talk, client, "One?", "A")
    sent = await talk.send(client, "regenerate", message_id=first["message_id"])
    await talk.says("half")
    await talk.core.advance(1.1)
    await talk.core.crash()
    client.lose()
    await talk.core.start()
    await talk.back(client)
    assert texts(client.states[TOPIC]) == ["One?", "half"]
    assert client.states[TOPIC].messages[client.acks[sent]["result"]["message_id"]]["state"] == "interrupted"
    await same_everywhere(talk, client)


async def test_a_clean_stop_before_the_beginning_tells_no_question_twice(talk) -> None:
    client = await talk.client()
    first = await answered(talk, client, "One?", "A")
    await talk.core.running.engine.shutdown(grace_s=0)
    talk.core.running.engine._shutting_down = False  # the command was admitted just before
    await talk.send(client, "regenerate", message_id=first["message_id"])
    await talk.core.close()
    client.lose()
    await talk.core.start()
    await talk.back(client)
    client.read()
    asked = [frame for frame in client.frames if frame["type"] == "user_message"]
    assert len(asked) == 1
    session = talk.core.running.store.read_inline(lambda tx: tx.get(SESSIONS, EVERYTHING, SESSION))
    assert list(client.states[TOPIC].messages)[-1] == session.leaf_message_id
    await same_everywhere(talk, client)
