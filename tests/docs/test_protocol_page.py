"""docs/protocol.md names every event, command, close code and error code that the server knows."""

from __future__ import annotations

import re

from antiphon.core.errors import AntiphonError
from antiphon.protocol.close_codes import CloseCode
from antiphon.protocol.events import DURABLE_EVENTS, EPHEMERAL_EVENTS

SHARED = {"session_id", "run_id", "message_id", "cause"}


def test_every_event_and_field_is_described(repository):
    text = (repository / "docs" / "protocol.md").read_text(encoding="utf-8")
    words = set(re.findall(r"[a-z_0-9]+", text))
    for event in (*DURABLE_EVENTS, *EPHEMERAL_EVENTS):
        assert f"`{event.__struct_config__.tag}`" in text, event
        assert set(event.__struct_fields__) - SHARED <= words, event


def test_every_close_and_error_code_is_described(repository, generator):
    text = (repository / "docs" / "protocol.md").read_text(encoding="utf-8")
    for code in CloseCode:
        assert f"| {int(code)} |" in text, code
    socket_codes = {kind.code for kind in generator.error_classes()} - {"folder_in_use", "unsafe_settings"}
    assert all(f"`{code}`" in text for code in socket_codes)
    assert AntiphonError.code == "internal"
