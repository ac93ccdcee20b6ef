"""The AsyncAPI description is complete and self-contained, its page too, and nothing in it breaks unnoticed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from antiphon.commands.catalogue import all_commands
from antiphon.commands.table import CommandTable
from antiphon.protocol.events import DURABLE_EVENTS, EPHEMERAL_EVENTS
from antiphon.server.asyncapi import asyncapi_document, render_realtime_page
from antiphon.server.frame_schemas import CONNECTION_COMMANDS
from antiphon.testing.schema_changes import breaking_changes

TABLE: CommandTable[Any] = CommandTable(all_commands(), services=None, memberships=None)  # type: ignore[arg-type]
DOCUMENT: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(asyncapi_document(TABLE)))
KEPT = Path(__file__).resolve().parents[2] / "fixtures" / "protocol" / "asyncapi.json"


def references(value: Any) -> set[str]:
    if isinstance(value, dict):
        own = {value["$ref"]} if "$ref" in value else set()
        return own.union(*(references(inner) for inner in value.values()))
    return set().union(*(references(inner) for inner in value)) if isinstance(value, list) else set()


def test_every_event_and_every_command_is_described() -> None:
    events = {kind.__struct_config__.tag for kind in (*DURABLE_EVENTS, *EPHEMERAL_EVENTS)}
    verbs = {f"command_{verb}" for verb in CONNECTION_COMMANDS} | {f"command_{c.verb}" for c in TABLE if c.socket}
    assert set(DOCUMENT["components"]["messages"]) == events | verbs


def test_every_reference_leads_somewhere() -> None:
    for reference in references(DOCUMENT):
        found: Any = DOCUMENT
        for step in reference.removeprefix("#/").split("/"):
            assert step in found, reference
            found = found[step]


def test_what_goes_up_and_what_goes_down() -> None:
    operations = DOCUMENT["operations"]
    assert set(operations) == {
        "send_realtime", "receive_realtime", "send_event_stream", "send_long_poll", "send_commands", "receive_commands",
    }  # fmt: skip
    up = {message["$ref"].rsplit("/", 1)[-1] for message in operations["receive_realtime"]["messages"]}
    down = {message["$ref"].rsplit("/", 1)[-1] for message in operations["send_realtime"]["messages"]}
    assert "command_chat_message" in up
    assert "answer_chunk" in down
    assert not up & down


def test_the_page_names_all_of_it() -> None:
    page = render_realtime_page(TABLE)
    for name in DOCUMENT["components"]["messages"]:
        assert f"<code>{name.removeprefix('command_')}</code>" in page
    assert "<script" not in page
    assert "http://" not in page
    assert "<code>4501</code>" in page
    assert "<code>run_active</code>" in page


def test_nothing_breaks_unnoticed() -> None:
    """Against the description kept of the last finished issue. A wanted break: say why in docs/decisions, then keep the new one
    with `python scripts/keep_protocol.py`."""
    assert breaking_changes(msgspec.json.decode(KEPT.read_bytes()), DOCUMENT) == []


# --- that the comparison finds what breaks --------------------------------------------------------------------------------------


def changed(name: str, change: Any) -> dict[str, Any]:
    document: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(DOCUMENT))
    change(document["components"]["schemas"][name])
    return document


@pytest.mark.parametrize(
    ("name", "change", "said"),
    [
        ("answer_chunk", lambda s: s["properties"].pop("offset"), "offset is gone"),
        ("answer_chunk", lambda s: s["required"].remove("content"), "content may be missing now"),
        ("answer_chunk", lambda s: s["properties"].update(offset={"type": "string"}), "offset"),
        ("complete", lambda s: s["properties"]["status"]["enum"].append("lost"), "status"),
        ("command_chat_message", lambda s: s["required"].append("model"), "model is demanded now"),
        ("command_chat_message", lambda s: s["properties"].pop("scope"), "scope is gone"),
        ("command_chat_message", lambda s: s["properties"]["on_busy"]["enum"].remove("reject"), "on_busy"),
    ],
)
def test_a_break_is_found(name: str, change: Any, said: str) -> None:
    found = breaking_changes(DOCUMENT, changed(name, change))
    assert any(said in line for line in found), found


def test_additions_are_no_break() -> None:
    def add(schema: dict[str, Any]) -> None:
        schema["properties"]["mood"] = {"type": "string"}

    assert breaking_changes(DOCUMENT, changed("answer_chunk", add)) == []
    assert breaking_changes(DOCUMENT, changed("command_chat_message", add)) == []


def test_a_message_that_is_gone_is_found() -> None:
    document: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(DOCUMENT))
    del document["components"]["messages"]["citation"]
    assert breaking_changes(DOCUMENT, document) == ["citation is gone"]
