"""Handlers of models, of their providers, and of tests of a connection. Tests: tests/unit/commands/test_model_handlers.py."""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import UNSET

from antiphon.commands.payloads.fields import Nothing
from antiphon.commands.payloads.models import ModelTest, ProviderCreate, ProviderOne, ProviderUpdate
from antiphon.commands.services import Services
from antiphon.commands.table import Call, Command, Result, Right
from antiphon.core.errors import BadRequest
from antiphon.library.providers import provider_json
from antiphon.models.chat import ModelInfo
from antiphon.models.provider import ProviderSpec
from antiphon.models.registry import settings_provider

_FIELDS = ("label", "base_url", "models", "default_model", "context_window", "fallbacks", "preferred", "enabled")


async def model_list(call: Call[Services], payload: Nothing) -> Result:
    del payload
    models = call.services.models
    call.services.providers.look_again()
    items = [model_json(info) for info in models.list()]
    return {"items": items, "next_cursor": None, "default": models.resolve(None)[0], "meaning": call.services.meaning()}


def model_json(info: ModelInfo) -> dict[str, Any]:
    return msgspec.to_builtins(info)


async def model_test(call: Call[Services], payload: ModelTest) -> Result:
    report = await call.services.probe.test(await _tested(call.services, payload), payload.model)
    return msgspec.to_builtins(report)


async def _tested(services: Services, payload: ModelTest) -> ProviderSpec:
    if payload.provider is not None:
        if payload.base_url is not None or payload.api_key is not None:
            raise BadRequest(
                "Give either `provider`, or `base_url` with its `api_key`: a stored key is sent to its own address only."
            )
        return await services.providers.spec(payload.provider)
    if payload.base_url is not None or payload.api_key is not None or payload.kind != "openai":
        return ProviderSpec(slug="", kind=payload.kind, base_url=payload.base_url, api_key=payload.api_key)
    configured = settings_provider(services.settings.chat)
    if configured is None:
        raise BadRequest("No model server is configured: give `base_url`, or `provider`.")
    return configured


async def model_discover(call: Call[Services], payload: Nothing) -> Result:
    del payload
    return {"items": [msgspec.to_builtins(server) for server in await call.services.find_model_servers()]}


async def provider_create(call: Call[Services], payload: ProviderCreate) -> Result:
    fields = {name: msgspec.to_builtins(getattr(payload, name)) for name in _FIELDS}
    fields["label"] = payload.label or ""
    row = await call.services.providers.create(slug=payload.slug, api_key=payload.api_key, kind=payload.kind, **fields)
    return provider_json(row)


async def provider_list(call: Call[Services], payload: Nothing) -> Result:
    del payload
    return {"items": [provider_json(row) for row in await call.services.providers.list()], "next_cursor": None}


async def provider_get(call: Call[Services], payload: ProviderOne) -> Result:
    return provider_json(await call.services.providers.get(payload.provider_id))


async def provider_update(call: Call[Services], payload: ProviderUpdate) -> Result:
    given = {name: getattr(payload, name) for name in _FIELDS}
    changes = {name: msgspec.to_builtins(value) for name, value in given.items() if value is not UNSET}
    row = await call.services.providers.update(payload.provider_id, api_key=payload.api_key, **changes)
    return provider_json(row)


async def provider_delete(call: Call[Services], payload: ProviderOne) -> Result:
    row = await call.services.providers.remove(payload.provider_id)
    return {"id": row.id, "deleted": True}


COMMANDS: list[Command[Any, Services]] = [
    Command(
        verb="model_list", payload=Nothing, right=Right.SIGNED_IN, handler=model_list,
        summary="Lists the models that can answer, with what is known of them.",
    ),
    Command(
        verb="model_test", payload=ModelTest, right=Right.SERVER_OWNER, handler=model_test,
        summary="Tries a model server and says in plain words what is wrong, or how fast it is.",
    ),
    Command(
        verb="model_discover", payload=Nothing, right=Right.SERVER_OWNER, handler=model_discover,
        summary="Looks for model servers on this machine.",
    ),
    Command(
        verb="provider_create", payload=ProviderCreate, right=Right.SERVER_OWNER, handler=provider_create,
        summary="Stores a provider of models; its key is sealed and not shown again.",
    ),
    Command(
        verb="provider_list", payload=Nothing, right=Right.SERVER_OWNER, handler=provider_list, summary="Lists the stored providers."
    ),
    Command(verb="provider_get", payload=ProviderOne, right=Right.SERVER_OWNER, handler=provider_get, summary="Reads a provider."),
    Command(
        verb="provider_update", payload=ProviderUpdate, right=Right.SERVER_OWNER, handler=provider_update, summary="Changes a provider."
    ),
    Command(
        verb="provider_delete", payload=ProviderOne, right=Right.SERVER_OWNER, handler=provider_delete,
        summary="Removes a provider; answers it is writing are finished.",
    ),
]  # fmt: skip
