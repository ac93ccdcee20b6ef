from __future__ import annotations

import asyncio

import pytest

from antiphon.config.settings import ChatServer
from antiphon.core.errors import BadRequest, Forbidden, ModelUnavailable
from antiphon.models.chat import ChatMessage, ChatRequest, ListedModel
from antiphon.models.extractive import ExtractiveChat
from antiphon.models.openai_compatible import OpenAICompatibleChat
from antiphon.models.provider import OfferedModel, ProviderSpec
from antiphon.models.registry import ConfiguredModels
from antiphon.models.served import ServedModel, chat_names
from antiphon.models.transport import ServerAddress
from antiphon.testing.model_server import error_reply, serve_model, text_reply
from antiphon.testing.models import ScriptedChat
from antiphon.testing.simulated import simulated_runtime

KEY = "sk-very-secret-0123456789"


def models(**settings) -> ConfiguredModels:
    return ConfiguredModels(ChatServer(**settings), simulated_runtime())


def spec(slug: str = "lab", *names: str, **fields) -> ProviderSpec:
    return ProviderSpec(slug=slug, base_url="http://h:1/v1", models=[OfferedModel(name=name) for name in names], **fields)


def test_without_a_server_the_extractive_one_is_the_default() -> None:
    registry = models()
    assert [(info.id, info.default) for info in registry.list()] == [("extractive", True)]
    name, model = registry.resolve(None)
    assert name == "extractive"
    assert isinstance(model, ExtractiveChat)
    assert not registry.has_model


def test_configured_model_is_the_default_and_extractive_stays() -> None:
    registry = models(base_url="http://h:1/v1", model="qwen3", api_key=KEY)
    assert [(info.id, info.default) for info in registry.list()] == [("qwen3", True), ("extractive", False)]
    assert registry.resolve(None)[0] == "qwen3"
    found = registry.resolve("qwen3")[1]
    assert isinstance(found, ServedModel)
    assert isinstance(found.provider.chat, OpenAICompatibleChat)
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
    registry.put_providers([spec("lab", "m", api_key=KEY)], preferred=None)
    _, model = registry.resolve(None)
    assert KEY not in repr(registry) + repr(model) + str(registry.list()) + repr(spec(api_key=KEY))
    assert KEY not in repr(models(base_url="http://h:1/v1", api_key=KEY).resolve(None))


def test_stored_providers_stand_beside_the_settings_and_a_preferred_one_is_the_default() -> None:
    registry = models(base_url="http://h:1/v1", model="qwen3")
    registry.put_providers([spec("lab", "a", "b", default_model="b"), spec("cloud", "b", label="Cloud")], preferred=None)
    assert [info.id for info in registry.list()] == ["qwen3", "lab/a", "lab/b", "cloud/b", "extractive"]
    assert registry.resolve(None)[0] == "qwen3"
    registry.put_providers([spec("lab", "a", "b", default_model="b"), spec("cloud", "b", label="Cloud")], preferred="lab")
    assert [info.id for info in registry.list()] == ["lab/a", "lab/b", "qwen3", "cloud/b", "extractive"]
    assert [info.id for info in registry.list() if info.default] == ["lab/b"]
    assert registry.resolve(None)[0] == "lab/b"
    assert registry.resolve("lab")[0] == "lab/b"
    assert registry.resolve("a")[0] == "lab/a"
    assert registry.resolve("cloud/any-other")[0] == "cloud/any-other"
    with pytest.raises(BadRequest):
        registry.resolve("b")  # two have it
    assert registry.list()[3].label == "b (Cloud)"


def test_what_is_known_of_a_model() -> None:
    registry = models(base_url="http://h:1/v1", model="qwen3", context_tokens=8192)
    claude = ProviderSpec(slug="claude", kind="anthropic", api_key=KEY, models=[OfferedModel(name="opus")])
    own = OfferedModel(name="m", context_window=4096, capabilities=["images"])
    registry.put_providers([claude, ProviderSpec(slug="lab", base_url="http://h:1/v1", models=[own])], preferred=None)
    assert registry.describe("qwen3").context_window == 8192
    assert registry.describe("claude/opus").context_window == 200_000
    assert registry.describe("claude/opus").capabilities == ["tools", "images"]
    assert (registry.describe("lab/m").context_window, registry.describe("lab/m").capabilities) == (4096, ["images"])
    assert registry.describe("lab/unlisted").context_window is None
    assert registry.describe("extractive").kind == "extractive"


def test_what_cannot_be_opened_is_listed_with_the_reason() -> None:
    registry = models()
    sealed = spec("sealed", "m", problem="Its key cannot be read.")
    broken = ProviderSpec(slug="broken", base_url="ftp://x", models=[OfferedModel(name="m")])
    registry.put_providers([sealed, broken], preferred="sealed")
    told = {info.id: (info.available, info.reason) for info in registry.list()}
    assert told["sealed/m"] == (False, "Its key cannot be read.")
    assert told["broken/m"][0] is False
    assert "not an http or https address" in (told["broken/m"][1] or "")
    assert told["extractive"] == (True, None)


async def test_asking_what_cannot_be_opened_says_why() -> None:
    registry = models()
    registry.put_providers([spec("sealed", "m", problem="Its key cannot be read.")], preferred=None)
    _, model = registry.resolve("sealed/m")
    with pytest.raises(ModelUnavailable, match="cannot be read"):
        await model.stream(ChatRequest(model="sealed/m", messages=[]), lambda _: None)


def test_fallbacks_are_the_providers_else_the_settings() -> None:
    registry = models(base_url="http://h:1/v1", model="qwen3", fallbacks=" lab/a, extractive ,")
    registry.put_providers([spec("lab", "a"), spec("cloud", "b", fallbacks=["lab/a"])], preferred=None)
    assert registry.fallbacks("qwen3") == ["lab/a", "extractive"]
    assert registry.fallbacks("cloud/b") == ["lab/a"]
    assert registry.fallbacks("lab/a") == ["extractive"]


async def test_the_gate_is_asked_for_stored_addresses_only() -> None:
    asked: list[str] = []

    class Gate:
        async def admit(self, address: ServerAddress) -> str:
            asked.append(address.name)
            raise Forbidden("That address is not asked.")

    async with serve_model(text_reply("a ", "b")) as server:
        settings = ChatServer(base_url=server.base_url, model="m")
        registry = ConfiguredModels(settings, simulated_runtime(), gate=Gate())
        registry.put_providers([ProviderSpec(slug="lab", base_url=server.base_url)], preferred=None)
        request = ChatRequest(model="m", messages=[ChatMessage(role="user", content="Hi")])
        await registry.resolve("m")[1].stream(request, lambda _: None)
        assert asked == []
        with pytest.raises(Forbidden, match="not asked"):
            await registry.resolve("lab/m")[1].stream(request, lambda _: None)
        assert asked == [f"127.0.0.1:{server.port}"]
        assert len(server.requests) == 1
        await registry.close()


def test_models_of_plugins_are_listed_and_answer() -> None:
    runtime = simulated_runtime()
    own = ScriptedChat(runtime)
    registry = ConfiguredModels(ChatServer(), runtime, further={"house": own})
    assert registry.resolve(None) == ("house", own)
    assert [info.id for info in registry.list()] == ["house", "extractive"]


def test_names_for_something_else_are_no_chat_models() -> None:
    assert chat_names(["qwen3:8b", "nomic-embed-text", "bge-reranker", "extractive"]) == ["qwen3:8b"]
    assert chat_names(["text-embedding-3"]) == ["text-embedding-3"]


async def test_a_replaced_provider_is_closed_after_its_last_answer() -> None:
    registry = models()
    async with serve_model(text_reply("One ", "two", pause_s=0.05), models=["a", "embed-x"]) as server:
        lab = ProviderSpec(slug="lab", base_url=server.base_url)
        registry.put_providers([lab], preferred=None)
        await registry.refresh()
        assert [info.id for info in registry.list()] == ["lab/a", "extractive"]
        provider = registry.provider("lab")
        assert provider is not None
        seen: list[str] = []
        answer = asyncio.ensure_future(
            registry.resolve("lab")[1].stream(
                ChatRequest(model="x", messages=[ChatMessage(role="user", content="Hi")]), lambda d: seen.append(d.text)
            )
        )
        while not seen:
            await asyncio.sleep(0.001)
        registry.put_providers([], preferred=None)
        assert (await answer).finish_reason == "stop"
        assert seen == ["One ", "two"]
        assert server.chats[0].body["model"] == "a"
        with pytest.raises(BadRequest):
            registry.resolve("lab/a")


async def test_trouble_is_told_until_the_next_success() -> None:
    registry = models()
    registry.put_providers([ProviderSpec(slug="lab", base_url="http://127.0.0.1:9/v1")], preferred=None)
    await registry.refresh()
    (info, _) = registry.list()
    assert (info.id, info.available) == ("lab", False)
    assert registry.troubled
    assert "refused the connection" in (info.reason or "")
    async with serve_model(models=["m"]) as server:
        registry.put_providers([ProviderSpec(slug="lab", base_url=server.base_url)], preferred=None)
        await registry.refresh()
        assert not registry.troubled
        assert registry.list()[0].available
        assert registry.provider("lab").listed == [ListedModel(name="m")]
        await registry.close()


async def test_a_server_that_lists_nothing_is_not_called_away() -> None:
    registry = models()
    async with serve_model() as server:
        registry.put_providers(
            [ProviderSpec(slug="lab", base_url=server.base_url + "/other", models=[OfferedModel(name="m")])], preferred=None
        )
        server.play(error_reply(404, "no list here"))
        await registry.refresh()
        assert registry.list()[0].available
        await registry.close()
