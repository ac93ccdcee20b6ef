"""commands/topics.py: rights and snapshots, and what may happen while a snapshot is read."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

import msgspec
import pytest

from antiphon.commands import topics as module
from antiphon.commands.live_messages import message_now
from antiphon.commands.topics import Topics
from antiphon.core.errors import BadRequest, NotFound, Unauthorized
from antiphon.protocol.events import Snapshot
from antiphon.protocol.reducer import Outcome, TopicState
from antiphon.protocol.topics import parse_topic
from antiphon.storage.records.rows import (
    DOCUMENTS,
    MESSAGES,
    SESSIONS,
    WORKSPACES,
    DocumentRow,
    MessageRow,
    SessionRow,
    WorkspaceRow,
)
from antiphon.testing.live_core import EVERYTHING, SESSION_IDS, USER, WORKSPACE_ID

SESSION, OTHER_SESSION = SESSION_IDS
TOPIC = f"session:{SESSION}"
STRANGER_SESSION = "ses_" + "S" * 29


def topics_of(talk, **more: Any) -> Topics:
    process = talk.core.running
    return Topics(
        store=process.store,
        runs=process.engine,
        memberships=process.rights,
        head_now=process.log.head_now,
        max_bytes=2**18,
        **more,
    )


async def finish(talk, work: Any) -> Any:
    task = asyncio.ensure_future(work)
    with contextlib.suppress(Exception):  # raised again by the task
        await talk.core.finish(task)
    return task.result()


async def snapshot(talk, topic: str = TOPIC) -> Snapshot:
    topics = topics_of(talk)
    parsed, reach = await finish(talk, topics.authorise(USER, topic))
    return await finish(talk, topics.snapshot(parsed, reach))


async def write(talk, work: Any) -> None:
    await finish(talk, talk.core.running.store.write(work))


# --- rights -------------------------------------------------------------------------------------------------------------------


async def test_what_exists_and_is_in_reach_may_be_followed(talk) -> None:
    client = await talk.client()
    run_id = (await talk.ask(client))["result"]["run_id"]
    topics = topics_of(talk)
    for text in (TOPIC, f"run:{run_id}", f"workspace:{WORKSPACE_ID}", f"user:{USER.user_id}"):
        topic, reach = await finish(talk, topics.authorise(USER, text))
        assert (str(topic), reach.user_id) == (text, USER.user_id)
        assert await finish(talk, topics.may_subscribe(USER, text))


async def test_what_is_foreign_is_missing(talk) -> None:
    def foreign(tx: Any) -> None:
        tx.insert(WORKSPACES, WorkspaceRow(id="ws_2", slug="other", name="Other", created_at=0))
        tx.insert(WORKSPACES, WorkspaceRow(id="ws_3", slug="gone", name="Gone", created_at=0, deleted_at=1.0))
        tx.insert(
            SESSIONS, SessionRow(id=STRANGER_SESSION, workspace_id=WORKSPACE_ID, author_id="usr_bo", created_at=0, updated_at=0)
        )

    await write(talk, foreign)
    topics = topics_of(talk)
    for text in (
        f"session:{STRANGER_SESSION}",
        "session:ses_none",
        "run:run_none",
        "workspace:ws_2",
        "workspace:ws_3",
        "user:usr_bo",
    ):
        assert not await finish(talk, topics.may_subscribe(USER, text)), text
        with pytest.raises(NotFound):
            await finish(talk, topics.authorise(USER, text))
    with pytest.raises(BadRequest):
        await finish(talk, topics.authorise(USER, "everything:all"))


async def test_withdrawn_credentials_open_nothing(talk) -> None:
    class Withdrawn:
        async def demand_valid(self, identity: Any, /) -> None:
            raise Unauthorized("Sign in.")

    with pytest.raises(Unauthorized):
        await finish(talk, topics_of(talk, credentials=Withdrawn()).authorise(USER, TOPIC))


# --- snapshots ----------------------------------------------------------------------------------------------------------------


async def test_a_session_is_its_messages_with_the_text_so_far(talk) -> None:
    client = await talk.client()
    first = (await talk.ask(client, "First?"))["result"]
    await talk.says("Whole [1].")
    await talk.ends()
    second = (await talk.ask(client, "Second?"))["result"]
    await talk.says("So [2] far")
    shown = await snapshot(talk)
    assert shown.seq == talk.core.running.log.head_now(TOPIC).seq
    assert [(m["content"], m["state"]) for m in shown.messages] == [
        ("First?", "complete"), ("Whole [1].", "complete"), ("Second?", "complete"), ("So [2] far", "streaming"),
    ]  # fmt: skip
    assert [len(m["citations"]) for m in shown.messages] == [0, 1, 0, 1]
    assert shown.active_runs == [{"run_id": second["run_id"], "message_id": second["message_id"], "state": "running"}]
    assert shown.messages[1]["run_id"] == first["run_id"]
    assert shown.has_more is False


async def test_old_and_large_messages_are_left_to_history(talk) -> None:
    def fill(tx: Any) -> None:
        for number in range(1, 61):
            content = "x" * (module.LONG_TEXT_CHARACTERS + 1) if number == 60 else f"Message {number}"
            fields: dict[str, Any] = {"session_id": SESSION, "workspace_id": WORKSPACE_ID, "role": "user", "created_at": 0}
            tx.insert(MESSAGES, MessageRow(id=f"msg_{number}", ordinal=number, content=content, **fields))

    await write(talk, fill)
    shown = await snapshot(talk)
    assert [m["id"] for m in shown.messages] == [f"msg_{number}" for number in range(11, 61)]
    assert shown.has_more is True
    last = shown.messages[-1]
    assert (last["content"], last["content_ref"]) == ("", f"/api/v1/sessions/{SESSION}/messages")
    assert last["text_length"] == module.LONG_TEXT_CHARACTERS + 1


async def test_a_snapshot_fits_its_frame_and_has_one_message_at_least(talk) -> None:
    def fill(tx: Any) -> None:
        for number in range(1, 31):
            fields: dict[str, Any] = {"session_id": SESSION, "workspace_id": WORKSPACE_ID, "role": "user", "created_at": 0}
            tx.insert(MESSAGES, MessageRow(id=f"msg_{number}", ordinal=number, content="休" * 1000, **fields))

    await write(talk, fill)
    process = talk.core.running
    for max_bytes, count in ((20_000, 6), (100, 1)):
        topics = Topics(
            store=process.store,
            runs=process.engine,
            memberships=process.rights,
            head_now=process.log.head_now,
            max_bytes=max_bytes,
        )
        shown = await finish(talk, topics.snapshot(parse_topic(TOPIC), EVERYTHING))
        assert (len(shown.messages), shown.has_more) == (count, True)
        assert shown.messages[-1]["id"] == "msg_30"


async def test_a_run_is_its_answer_and_its_nodes_alive_and_after(talk) -> None:
    client = await talk.client()
    result = (await talk.ask(client))["result"]
    await talk.says("So far")
    topic = f"run:{result['run_id']}"
    shown = await snapshot(talk, topic)
    assert [(m["id"], m["content"]) for m in shown.messages] == [(result["message_id"], "So far")]
    assert shown.state["nodes"]["answer"] == {"state": "running", "label": "Answer", "text": {"answer": "So far"}}
    assert shown.state["nodes"]["retrieve"]["state"] == "finished"
    await talk.ends()
    after = await snapshot(talk, topic)
    assert after.active_runs == []
    assert {name: node["state"] for name, node in after.state["nodes"].items()} == dict.fromkeys(
        shown.state["nodes"], "finished"
    ) | {"output": "finished"}


async def test_a_workspace_is_its_documents_and_a_user_nothing_but_a_position(talk) -> None:
    def fill(tx: Any) -> None:
        for name, deleted_at in (("doc_1", None), ("doc_2", 5.0)):
            row = DocumentRow(
                id=name, workspace_id=WORKSPACE_ID, name=f"{name}.md", created_at=0, updated_at=0, deleted_at=deleted_at
            )
            tx.insert(DOCUMENTS, row)

    await write(talk, fill)
    shown = await snapshot(talk, f"workspace:{WORKSPACE_ID}")
    assert [document["id"] for document in shown.state["documents"]] == ["doc_1"]
    assert (await snapshot(talk, f"user:{USER.user_id}")).state == {}


# --- while a snapshot is read -------------------------------------------------------------------------------------------------


async def test_a_run_that_comes_and_goes_during_the_reading_is_not_shown_twice(talk) -> None:
    """The record has its whole text then, and its deltas would follow the position the reading began at."""
    client, late = await talk.client(), await talk.client("late", f"session:{OTHER_SESSION}")
    database = talk.core.running.database
    talk.core.auto = False
    late.subscribe(TOPIC, number=99)
    await talk.core.settle()
    while not (database._reads and talk.core.running.log.listener_count > 2):  # through the checks of rights, into the reading
        await talk.core.step(0)
    held = database._reads.pop()
    talk.core.auto = True
    result = (await talk.ask(client))["result"]
    await talk.says("Whole", " text")
    await talk.ends()
    database._reads.append(held)
    await talk.core.settle()
    late.read()
    assert late.states[TOPIC].text(result["message_id"]) == "Whole text"
    assert late.states[TOPIC].active_runs == {}
    talk.all_well(client, late)


async def test_a_session_that_goes_away_during_the_reading_is_missing(talk) -> None:
    topics = topics_of(talk)
    topic, reach = await finish(talk, topics.authorise(USER, TOPIC))
    await write(talk, lambda tx: tx.delete(SESSIONS, EVERYTHING, {"id": SESSION}))
    with pytest.raises(NotFound):
        await finish(talk, topics.snapshot(topic, reach))


# --- what is longer than a frame ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["session", "run"])
async def test_an_answer_beyond_the_frame_is_followed_by_reference(talk, kind: str) -> None:
    client = await talk.client()
    result = (await talk.ask(client))["result"]
    for _ in range(5):
        await talk.says("休假[1]" * 3_000)
    topic = TOPIC if kind == "session" else f"run:{result['run_id']}"
    shown = await snapshot(talk, topic)
    assert len(msgspec.json.encode(shown)) <= 2**18
    [message] = [m for m in shown.messages if m["id"] == result["message_id"]]
    length = 5 * 5 * 3_000
    assert (message["content"], message["content_ref"]) == ("", f"/api/v1/sessions/{SESSION}/messages")
    assert (message["text_length"], message["state"], message["citations"]) == (length, "streaming", [])
    state = TopicState(topic)
    state.apply(msgspec.to_builtins(shown) | {"type": "snapshot"})
    stream = []
    unlisten = talk.core.running.log.subscribe(topic, lambda entry: stream.append(msgspec.json.decode(entry.frame)))
    await talk.says(" the end")
    await talk.ends()
    unlisten()
    assert {state.apply(frame) for frame in stream} == {Outcome.APPLIED}
    assert state.messages[result["message_id"]]["text_length"] == length + len(" the end")


async def test_what_a_reference_leads_to_is_as_long_as_it_says(talk) -> None:
    client = await talk.client()
    result = (await talk.ask(client))["result"]
    await talk.says("x" * 1000)
    services = talk.core.running.endpoint._house.commands._services
    row = talk.message(result["message_id"])
    assert row.content == "", "there is no checkpoint yet"
    assert message_now(row, services.runs)["content"] == "x" * 1000
    await talk.ends()
    assert message_now(talk.message(result["message_id"]), services.runs)["content"] == "x" * 1000


async def test_a_frame_of_nodes_alone_is_cut_too(talk) -> None:
    client = await talk.client()
    result = (await talk.ask(client))["result"]
    await talk.says("y" * 200_000)
    shown = await snapshot(talk, f"run:{result['run_id']}")
    assert len(msgspec.json.encode(shown)) <= 2**18
    assert shown.messages[0]["content"] == "y" * 200_000
    assert shown.state["nodes"]["answer"] == {
        "state": "running", "label": "Answer", "text": {}, "text_length": {"answer": 200_000},
    }  # fmt: skip
