"""Providers in the store: what is kept, what is shown, what reaches the registry."""

from __future__ import annotations

from typing import Any

import pytest

from antiphon.access.scope import system_scope
from antiphon.access.sealing import SecretBox
from antiphon.core.errors import BadRequest, Conflict, NotFound
from antiphon.library.providers import Providers, provider_json
from antiphon.storage.records.memory import MemoryStore
from antiphon.storage.records.rows import PROVIDERS
from antiphon.testing.simulated import simulated_runtime
from antiphon.testing.world import QuietRegistry

KEY = "sk-very-secret-0123456789"


class House:
    def __init__(self) -> None:
        self.runtime = simulated_runtime()
        self.store = MemoryStore()
        self.registry = QuietRegistry()
        self.providers = self.opened(b"a" * 32)

    def opened(self, secret: bytes) -> Providers:
        return Providers(self.store, self.runtime, SecretBox(lambda: secret, self.runtime.random), self.registry)

    async def create(self, **fields: Any):
        given = {"slug": None, "api_key": KEY, "kind": "openai", "base_url": "http://127.0.0.1:11434/v1/", **fields}
        return await self.providers.create(**given)


@pytest.fixture
def house() -> House:
    return House()


async def test_the_key_reaches_the_registry_and_nothing_else(house: House) -> None:
    row = await house.create(label="My lab", models=[{"name": "qwen3"}])
    (spec,) = house.registry.specs
    assert (spec.slug, spec.api_key, spec.base_url) == ("my-lab", KEY, "http://127.0.0.1:11434/v1")
    shown = provider_json(row)
    assert (shown["has_key"], shown["key_hint"]) == (True, "…6789")
    stored = await house.store.read(lambda tx: tx.find(PROVIDERS, system_scope("test")))
    assert KEY not in repr(stored) + repr(shown) + repr(spec)


async def test_slugs(house: House) -> None:
    assert (await house.create(label=None, base_url="http://gpu.lab:1/v1")).slug == "gpu-lab"
    assert (await house.create(label=None, base_url="http://gpu.lab:2/v1")).slug == "gpu-lab-2"
    assert (await house.create(label="实验室")).slug == "provider"
    assert (await house.create(kind="anthropic", base_url=None)).slug == "anthropic-2"  # `anthropic` is the settings' provider
    with pytest.raises(Conflict, match="'gpu-lab' already"):
        await house.create(slug="gpu-lab")
    for slug in ("a/b", "Über", "default", "-x", "extractive", "x" * 41):
        with pytest.raises(BadRequest, match="slug"):
            await house.create(slug=slug)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"base_url": "not one"}, "not an http or https address"),
        ({"base_url": None}, "needs `base_url`"),
        ({"base_url": "http://user:pw@h/v1"}, "user or password"),
        ({"api_key": "sk\r\nEvil: 1"}, "characters that no key has"),
        ({"kind": "transformers", "base_url": None}, "names its `models`"),
    ],
)
async def test_what_could_never_work_is_refused_at_once(house: House, fields: dict[str, Any], words: str) -> None:
    with pytest.raises(BadRequest, match=words):
        await house.create(slug="x", **fields)
    assert house.registry.specs == []


async def test_changes_keep_the_key_unless_the_address_changes(house: House) -> None:
    row = await house.create(slug="lab")
    await house.providers.update("lab", label="Renamed", context_window=8192)
    assert (house.registry.specs[0].api_key, house.registry.specs[0].context_window) == (KEY, 8192)
    await house.providers.update(row.id, base_url="http://127.0.0.1:11434/other")
    with pytest.raises(BadRequest, match="needs the key again"):
        await house.providers.update("lab", base_url="http://elsewhere.example/v1")
    with pytest.raises(BadRequest, match="needs the key again"):
        await house.providers.update("lab", base_url="https://127.0.0.1:11434/v1")
    await house.providers.update("lab", base_url="http://elsewhere.example/v1", api_key="another-key-0001")
    assert house.registry.specs[0].api_key == "another-key-0001"
    await house.providers.update("lab", api_key=None)
    assert (house.registry.specs[0].api_key, (await house.providers.get("lab")).key_hint) == (None, None)


async def test_one_is_preferred_and_disabled_ones_are_out(house: House) -> None:
    await house.create(slug="a", preferred=True)
    await house.create(slug="b", preferred=True)
    assert house.registry.preferred == "b"
    assert [row.preferred for row in await house.providers.list()] == [False, True]
    await house.providers.update("b", enabled=False)
    assert ([spec.slug for spec in house.registry.specs], house.registry.preferred) == (["a"], None)
    await house.providers.remove("a")
    assert house.registry.specs == []
    with pytest.raises(NotFound):
        await house.providers.get("a")


async def test_a_key_sealed_with_another_secret_is_told_and_does_not_stop_the_start(house: House) -> None:
    await house.create(slug="lab")
    await house.opened(b"b" * 32).load()
    (spec,) = house.registry.specs
    assert spec.api_key is None
    assert "sealed with another secret" in (spec.problem or "")
