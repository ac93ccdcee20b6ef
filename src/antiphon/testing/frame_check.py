"""`check_frame`: whether a frame is what /asyncapi.json says of it. The test clients ask it of every frame they get.

Stricter than the protocol towards clients: a field the description does not name is a fault, because then the description
is out of date. Tests: tests/unit/testing/test_frame_check.py.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from jsonschema import Draft202012Validator

from antiphon.server.frame_schemas import event_schemas


@lru_cache(maxsize=1)
def _validators() -> dict[str, Draft202012Validator]:
    """By type. The shapes are put in beside each schema, where its references look for them."""
    events, shapes = event_schemas()
    return {
        name: Draft202012Validator({**schema, "additionalProperties": False, "components": {"schemas": shapes}})
        for name, schema in events.items()
    }


def check_frame(frame: dict[str, Any]) -> None:
    """Raises AssertionError with the first fault."""
    validator = _validators().get(str(frame.get("type")))
    assert validator is not None, f"no type {frame.get('type')!r} in /asyncapi.json"
    for fault in validator.iter_errors(frame):
        raise AssertionError(f"{frame['type']}: {fault.json_path}: {fault.message[:300]}\n{str(frame)[:600]}")
