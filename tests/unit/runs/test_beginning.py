"""runs/beginning.py"""

from __future__ import annotations

import msgspec

from antiphon.runs.beginning import question_event, started_event
from antiphon.storage.records.rows import MessageRow, RunRow


def test_the_two_events_say_what_the_rows_say() -> None:
    message = MessageRow(
        id="msg_1", session_id="ses_1", workspace_id="ws_1", ordinal=3, parent_id="msg_0", role="user", content="Vacation?",
        author_id="usr_1", author_name="Ada", client_id="q1", attachments=[{"id": "a"}], created_at=1.0,
    )  # fmt: skip
    run = RunRow(
        id="run_1",
        session_id="ses_1",
        workspace_id="ws_1",
        author_id="usr_1",
        model="m",
        attempt=2,
        flow_id="flow_1",
        created_at=1.0,
    )
    assert msgspec.to_builtins(question_event(message, cause="q1")) == {
        "type": "user_message", "message_id": "msg_1", "content": "Vacation?", "parent_id": "msg_0", "attachments": [{"id": "a"}],
        "author": {"id": "usr_1", "name": "Ada"}, "client_id": "q1", "cause": "q1",
    }  # fmt: skip
    assert msgspec.to_builtins(started_event(run, cause=None)) == {
        "type": "run_started", "kind": "chat", "model": "m", "attempt": 2, "flow_id": "flow_1",
    }  # fmt: skip
