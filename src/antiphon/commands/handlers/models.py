"""Handler of the list of models. Tests: tests/unit/commands/."""

from __future__ import annotations

from typing import Any

from antiphon.commands.payloads.fields import Nothing
from antiphon.commands.services import Services
from antiphon.commands.table import Call, Command, Result, Right


async def model_list(call: Call[Services], payload: Nothing) -> Result:
    del payload
    models = call.services.models
    items = [{"id": info.id, "provider": info.provider, "label": info.label} for info in models.list()]
    return {"items": items, "next_cursor": None, "default": models.resolve(None)[0], "meaning": call.services.meaning()}


COMMANDS: list[Command[Any, Services]] = [
    Command(
        verb="model_list", payload=Nothing, right=Right.SIGNED_IN, handler=model_list, summary="Lists the models that can answer."
    ),
]
