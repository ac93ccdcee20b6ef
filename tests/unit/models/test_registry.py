from __future__ import annotations

import pytest

from antiphon.config.settings import ChatServer
from antiphon.core.errors import BadRequest
from antiphon.models.extractive import ExtractiveChat
from antiphon.models.openai_compatible import OpenAICompatibleChat
from antiphon.models.registry import ConfiguredModels, DiscoveredChat
from antiphon.testing.simulated import simulated_runtime

KEY = "sk-very-secret-0123456789"


def models(**settings: str) -> ConfiguredModels:
    return ConfiguredModels(ChatServer(**settings), simulated_runtime())


def test_without_a_server_the_extractive_one_is_the_default() -> None:
    registry = models()
    assert [info.id for info in registry.list()] == ["extractive"]
    name, model = registry.resolve(None)
    assert name == "extractive"
    assert isinstance(model, ExtractiveChat)


def test_configured_model_is_the_default_and_extractive_stays() -> None:
    registry = models(base_url="http://h:1/v1", model="qwen3", api_key=KEY)
    assert [info.id for info in registry.list()] == ["qwen3", "extractive"]
    assert registry.resolve(None)[0] == "qwen3"
    assert isinstance(registry.resolve("qwen3")[1], OpenAICompatibleChat)
    assert isinstance(registry.resolve("extractive")[1], ExtractiveChat)


def test_unknown_model_names_the_known_ones() -> None:
    with pytest.raises(BadRequest, match=r"No model 'gpt-9' here\. Known are 'qwen3', 'extractive'") as caught:
        models(base_url="http://h:1/v1", model="qwen3").resolve("gpt-9")
    assert caught.value.data == {"models": ["qwen3", "extractive"]}


def test_server_without_a_model_name_is_called_default_until_asked() -> None:
    registry = models(base_url="http://h:1/v1")
    assert [(info.id, info.label) for info in registry.list()] == [
        ("default", "First model of h:1"),
        ("extractive", "Literal sentences (no model)"),
    ]
    name, model = registry.resolve(None)
    assert name == "default"
    assert isinstance(model, DiscoveredChat)
    assert model.steerable


@pytest.mark.parametrize(
    "settings",
    [
        {"base_url": "not an address"},
        {"base_url": "http://h/v1", "model": "extractive"},
        {"base_url": "http://h/v1", "api_key": "sk\r\nX-Evil: 1"},
        {"base_url": "http://h/v1", "api_key": "sk-ключ"},
    ],
)
def test_settings_that_cannot_be_right_are_refused(settings: dict[str, str]) -> None:
    with pytest.raises(BadRequest) as caught:
        models(**settings)
    assert settings.get("api_key", "\0") not in str(caught.value)


def test_key_is_in_no_repr() -> None:
    registry = models(base_url="http://h:1/v1", model="qwen3", api_key=KEY)
    _, model = registry.resolve(None)
    assert KEY not in repr(registry) + repr(model) + str(registry.list())
    assert KEY not in repr(models(base_url="http://h:1/v1", api_key=KEY).resolve(None))
