"""Ids of commands are UUIDs of version 4."""

from __future__ import annotations

import uuid

from antiphon.client.command_id import new_command_id
from antiphon.core.runtime import SystemRandom


def test_they_are_random_uuids():
    ids = {new_command_id(SystemRandom()) for _ in range(100)}
    assert len(ids) == 100
    assert all(uuid.UUID(text).version == 4 and str(uuid.UUID(text)) == text for text in ids)
