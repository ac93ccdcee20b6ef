"""runs/submission.py on both record stores: everything of a question at once, once an id, one run a session."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from antiphon.access.identity import Identity
from antiphon.core.errors import Conflict, NotFound, RunActive
from antiphon.core.ids import UserId
from antiphon.protocol.commands import ChatMessage
from antiphon.runs.asked import Asked
from antiphon.runs.submission import COMMAND_KEPT_S, Submission, commit_question, fingerprint
from antiphon.storage.records.contract import Store
from antiphon.storage.records.memory import MemoryStore
from antiphon.storage.records.rows import COMMANDS, MESSAGES, RUNS, SESSIONS, WORKSPACES, SessionRow, WorkspaceRow
from antiphon.storage.records.sqlite import SqliteStore
from antiphon.storage.sqlite.database import Database
from antiphon.testing.conformance.scopes import EVERYTHING
from antiphon.testing.simulated import simulated_runtime

CALLER = Identity(user_id=UserId("usr_1"), name="Ada", credential="local")


@pytest.fixture(params=["memory", "sqlite"])
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Store]:
    store: Store = (
        MemoryStore() if request.param == "memory" else SqliteStore(Database.open(tmp_path / "x.db", runtime=simulated_runtime()))
    )

    def write(tx: Any) -> None:
        tx.insert(WORKSPACES, WorkspaceRow(id="ws_1", slug="w", name="W", created_at=0))
        for name in ("ses_1", "ses_2"):
            tx.insert(SESSIONS, SessionRow(id=name, workspace_id="ws_1", author_id="usr_1", created_at=0, updated_at=0))

    await store.write(write)
    yield store
    await store.close()


def submission(number: int = 1, *, session_id: str = "ses_1", **changes: Any) -> Submission:
    def open_session(tx: Any) -> tuple[SessionRow, bool]:
        row = tx.get(SESSIONS, EVERYTHING, session_id)
        if row is None:
            raise NotFound("There is no such session.")
        return row, False

    given: dict[str, Any] = {
        "caller": CALLER, "scope": EVERYTHING, "open_session": open_session, "content": f"Question {number}?", "attachments": [],
        "parent_id": None, "model": "m", "command_id": f"q{number}", "fingerprint": f"print {number}", "run_id": f"run_{number}",
        "user_message_id": f"msg_u{number}", "answer_id": f"msg_a{number}", "owner": "me", "moment_s": 100.0 + number,
        "history_messages": 10, "asked": Asked(workspace_ids=["ws_1"], seed=7),
    }  # fmt: skip
    known = {key: value for key, value in {**given, **changes}.items() if key in Submission.__dataclass_fields__}
    return Submission(**known)


async def commit(store: Store, s: Submission) -> Any:
    return await store.write(lambda tx: commit_question(tx, s))


async def end(store: Store, number: int, text: str) -> None:
    def write(tx: Any) -> None:
        tx.update(RUNS, EVERYTHING, f"run_{number}", state="completed")
        tx.update(MESSAGES, EVERYTHING, f"msg_a{number}", state="complete", content=text)

    await store.write(write)


async def test_message_run_and_empty_answer_are_there_together(store: Store) -> None:
    committed = await commit(store, submission(attachments=[{"id": "a"}]))
    assert committed.result == {
        "session_id": "ses_1", "run_id": "run_1", "user_message_id": "msg_u1", "message_id": "msg_a1",
    }  # fmt: skip
    assert (committed.duplicate, committed.history) == (False, [])
    question, answer = await store.read(lambda tx: tx.find(MESSAGES, EVERYTHING, order="ordinal"))
    assert (question.id, question.ordinal, question.role, question.content) == ("msg_u1", 1, "user", "Question 1?")
    assert (question.author_id, question.author_name, question.client_id, question.attachments) == (
        "usr_1",
        "Ada",
        "q1",
        [{"id": "a"}],
    )
    assert (answer.id, answer.ordinal, answer.state, answer.content, answer.parent_id) == ("msg_a1", 2, "streaming", "", "msg_u1")
    [run] = await store.read(lambda tx: tx.find(RUNS, EVERYTHING))
    assert (run.id, run.state, run.message_id, run.user_message_id, run.owner) == ("run_1", "queued", "msg_a1", "msg_u1", "me")
    session = await store.read(lambda tx: tx.get(SESSIONS, EVERYTHING, "ses_1"))
    assert (session.title, session.leaf_message_id, session.updated_at) == ("Question 1?", "msg_a1", 101.0)


async def test_the_same_id_again_is_the_first_run_and_writes_nothing(store: Store) -> None:
    first = await commit(store, submission(1))
    again = await commit(store, submission(1, run_id="run_x", user_message_id="msg_x", answer_id="msg_y"))
    assert (again.duplicate, again.row, again.result) == (True, None, first.result)
    assert await store.read(lambda tx: tx.count(RUNS, EVERYTHING)) == 1
    with pytest.raises(Conflict, match="'q1' was used for another command"):
        await commit(store, submission(1, fingerprint="another"))


async def test_an_id_is_free_again_after_a_day(store: Store) -> None:
    await commit(store, submission(1))
    await end(store, 1, "x")
    later = 101.0 + COMMAND_KEPT_S
    assert (await commit(store, submission(1, moment_s=later))).duplicate
    fresh = await commit(store, submission(2, command_id="q1", fingerprint="another", moment_s=later + 1))
    assert fresh.result["run_id"] == "run_2"
    assert [row.created_at for row in await store.read(lambda tx: tx.find(COMMANDS, EVERYTHING))] == [later + 1]


async def test_an_id_belongs_to_its_user_and_none_is_remembered_without_one(store: Store) -> None:
    await commit(store, submission(1))
    other = Identity(user_id=UserId("usr_2"), name="Bo", credential="local")
    assert not (await commit(store, submission(2, command_id="q1", caller=other, session_id="ses_2"))).duplicate
    await end(store, 1, "x")
    assert not (await commit(store, submission(3, command_id=None))).duplicate
    assert await store.read(lambda tx: tx.count(COMMANDS, EVERYTHING)) == 2


async def test_one_run_a_session(store: Store) -> None:
    await commit(store, submission(1))
    with pytest.raises(RunActive) as error:
        await commit(store, submission(2))
    assert error.value.data == {"run_id": "run_1"}
    assert await store.read(lambda tx: tx.count(MESSAGES, EVERYTHING)) == 2
    assert not (await commit(store, submission(2, session_id="ses_2"))).duplicate
    await end(store, 1, "x")
    assert (await commit(store, submission(3))).row.id == "run_3"


async def test_history_and_parent_follow_what_was_said(store: Store) -> None:
    for number in (1, 2):
        await commit(store, submission(number))
        await end(store, number, "" if number == 2 else "Answer 1.")
    third = await commit(store, submission(3))
    assert [(m.role, m.content) for m in third.history] == [
        ("user", "Question 1?"), ("assistant", "Answer 1."), ("user", "Question 2?"),
    ]  # fmt: skip
    assert (third.message.ordinal, third.message.parent_id) == (5, "msg_a2")
    await end(store, 3, "x")
    branch = await commit(store, submission(4, parent_id="msg_a1", history_messages=1))
    assert branch.message.parent_id == "msg_a1"
    assert len(branch.history) <= 2


async def test_what_is_refused_leaves_nothing(store: Store) -> None:
    with pytest.raises(NotFound):
        await commit(store, submission(1, parent_id="msg_of_another_session"))
    with pytest.raises(NotFound):
        await commit(store, submission(1, session_id="ses_unknown"))
    for table in (RUNS, MESSAGES, COMMANDS):
        assert await store.read(lambda tx, t=table: tx.count(t, EVERYTHING)) == 0


def test_the_fingerprint_is_of_verb_and_payload() -> None:
    one = fingerprint("chat_message", ChatMessage(content="a", session_id="s"))
    assert one == fingerprint("chat_message", ChatMessage(session_id="s", content="a"))
    assert (
        len(
            {
                one,
                fingerprint("stop", ChatMessage(content="a", session_id="s")),
                fingerprint("chat_message", ChatMessage(content="a")),
            }
        )
        == 3
    )
    assert msgspec.json.encode(one)
