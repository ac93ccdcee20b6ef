"""The adapter and the registry over real sockets: a scripted server in this process, and the fake model of the benches in its own."""

from __future__ import annotations

import asyncio
import json
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
import uvloop

from antiphon.config.settings import ChatServer
from antiphon.core.errors import AntiphonError, BadRequest, ModelError, ModelUnavailable
from antiphon.core.runtime import system_runtime
from antiphon.models.aiohttp_transport import AiohttpTransport
from antiphon.models.chat import ChatDelta, ChatMessage, ChatRequest, TextDelta
from antiphon.models.registry import ConfiguredModels
from antiphon.testing.model_server import Reply, delta_event, error_reply, json_reply, serve_model, text_reply

FAKE = Path(__file__).resolve().parents[3] / "shared" / "bench" / "fake_openai.py"
KEY = "sk-very-secret-0123456789"


class FakeModel:
    def __init__(self, port: int) -> None:
        self.port = port
        self.base_url = f"http://127.0.0.1:{port}/v1"

    def control(self, path: str) -> list[dict[str, object]]:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/control/{path}", timeout=5) as answer:
            return json.load(answer)

    async def log(self) -> list[dict[str, object]]:
        return await asyncio.to_thread(self.control, "log")


@pytest.fixture(scope="module")
def fake_model() -> Iterator[FakeModel]:
    if not FAKE.exists():
        pytest.skip(
            f"the benches' fake model is not here ({FAKE.name} beside the repository): only the scripted server was tested"
        )
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    process = subprocess.Popen([sys.executable, str(FAKE), "--port", str(port)], stdout=subprocess.PIPE)
    try:
        assert process.stdout is not None
        assert b"fake openai on" in process.stdout.readline()
        yield FakeModel(port)
    finally:
        process.terminate()
        process.wait(10)
        process.stdout.close()


def registry(base_url: str, **settings: object) -> ConfiguredModels:
    return ConfiguredModels(ChatServer(base_url=base_url, **settings), system_runtime())


def asking(text: str, model: str = "scripted-model") -> ChatRequest:
    return ChatRequest(model=model, messages=[ChatMessage(role="user", content=text)])


async def answer(models: ConfiguredModels, text: str = "Hi") -> tuple[str, list[ChatDelta]]:
    name, model = models.resolve(None)
    seen: list[ChatDelta] = []
    await model.stream(asking(text, name), seen.append)
    return "".join(delta.text for delta in seen if isinstance(delta, TextDelta)), seen


async def test_fake_model_streams_every_token_once_in_order(fake_model: FakeModel) -> None:
    models = registry(fake_model.base_url, model="fake-fast")
    seen: list[ChatDelta] = []
    _, model = models.resolve(None)
    result = await model.stream(asking("tokens=3000", "fake-fast"), seen.append)
    await models.close()
    assert [int(delta.text.split("/")[1]) for delta in seen if isinstance(delta, TextDelta)] == list(range(3000))
    assert (result.finish_reason, result.completion_tokens) == ("stop", 3000)


async def stop_midway(models: ConfiguredModels, marker: str) -> float:
    """Cancels after the first token; the monotonic moment of the cancel."""
    name, model = models.resolve(None)
    first = asyncio.Event()
    seen: list[ChatDelta] = []

    def listen(delta: ChatDelta) -> None:
        seen.append(delta)
        first.set()

    task = asyncio.ensure_future(model.stream(asking(f"{marker} tokens=200", name), listen))
    await asyncio.wait_for(first.wait(), 5)
    cancelled_s = time.monotonic()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    count = len(seen)
    await asyncio.sleep(0.2)
    assert len(seen) == count, "A token came after the cancel."
    await models.close()
    return cancelled_s


async def check_stop_is_seen(fake_model: FakeModel, models: ConfiguredModels, marker: str) -> None:
    cancelled_s = await stop_midway(models, marker)
    entry = next(entry for entry in await fake_model.log() if marker in str(entry["last"]))
    assert entry["outcome"] == "client_closed"
    took_ms = float(str(entry["end_ns"])) / 1e6 - cancelled_s * 1000
    print(f"stop seen by the model server after {took_ms:.2f} ms")
    assert took_ms < 50, f"The model server saw the stop after {took_ms:.0f} ms."


async def test_cancel_is_seen_by_the_server_at_once(fake_model: FakeModel) -> None:
    await check_stop_is_seen(fake_model, registry(fake_model.base_url, model="fake-slow"), "marker-asyncio")


async def test_cancel_is_seen_at_once_through_aiohttp(fake_model: FakeModel) -> None:
    models = registry(fake_model.base_url, model="fake-slow")
    runtime = system_runtime()
    models._configured.chat._transport = AiohttpTransport(runtime)
    await check_stop_is_seen(fake_model, models, "marker-aiohttp")


def test_cancel_is_seen_at_once_under_uvloop(fake_model: FakeModel) -> None:
    """What the server runs on: uvloop's transports close in their own way."""

    async def run() -> None:
        await check_stop_is_seen(fake_model, registry(fake_model.base_url, model="fake-slow"), "marker-uvloop")
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        for host in ("127.0.0.1", "localhost"):
            with pytest.raises(ModelUnavailable, match=f"{host}:{port} refused the connection"):
                await answer(registry(f"http://{host}:{port}/v1", model="m", retries=0))

    uvloop.run(run())


async def test_many_streams_share_few_connections_afterwards(fake_model: FakeModel) -> None:
    models = registry(fake_model.base_url, model="fake-fast")
    before = dict(fake_model.control("state"))["count"]["connections"]
    for _ in range(3):
        texts = await asyncio.gather(*(answer(models, f"n{n} tokens=20") for n in range(16)))
        assert all(len(seen) == 20 for _, seen in texts)
    after = dict(fake_model.control("state"))["count"]["connections"]
    await models.close()
    assert after - before <= 17, "Connections are not used again."


async def test_first_model_of_a_server_is_used_when_none_is_named() -> None:
    async with serve_model(text_reply("a ", "b"), models=["first", "second"]) as server:
        models = registry(server.base_url)
        assert models.resolve(None)[0] == "default"
        assert await answer(models) == ("a b", [TextDelta("a "), TextDelta("b")])
        assert [info.id for info in models.list()] == ["first", "second", "extractive"]
        assert models.resolve(None)[0] == "first"
        assert models.resolve("default")[0] == "first"
        assert models.resolve("first")[0] == "first"
        await answer(models)
        assert [chat.body["model"] for chat in server.chats] == ["first", "first"]
        assert sum(request.path == "/v1/models" for request in server.requests) == 1
        with pytest.raises(BadRequest, match="Known are 'first', 'second', 'extractive'"):
            models.resolve("third")
        await models.close()


async def test_discovery_is_asked_again_after_a_failure_and_by_name() -> None:
    async with serve_model(text_reply("x"), models=[]) as server:
        models = registry(server.base_url)
        with pytest.raises(ModelUnavailable, match=r"lists no model. Set ANTIPHON_CHAT_MODEL"):
            await answer(models)
        server.models = ["late"]
        await models.discover()
        assert models.resolve(None)[0] == "late"
        await models.close()


async def test_named_model_is_not_looked_up() -> None:
    async with serve_model(text_reply("x")) as server:
        models = registry(server.base_url, model="given", api_key=KEY)
        await answer(models)
        await models.close()
        assert [request.path for request in server.requests] == ["/v1/chat/completions"]
        assert server.chats[0].headers["authorization"] == f"Bearer {KEY}"
        assert server.chats[0].headers["accept-encoding"] == "identity"


async def test_retry_over_the_wire() -> None:
    async with serve_model(error_reply(503, "busy"), text_reply("ok")) as server:
        models = registry(server.base_url, model="m")
        assert (await answer(models))[0] == "ok"
        await models.close()
        assert [chat.connection for chat in server.chats] == [1, 1], "The connection was not used again after an error."


@pytest.mark.parametrize(
    "reply",
    [
        json_reply({"error": {"message": f"what is {KEY}"}}, status=401),
        json_reply({"error": {"message": f"what is {KEY}"}}, status=418),
        Reply(pieces=[f"{KEY} ".encode() * 50], status=500, framing="length"),
        Reply(pieces=[delta_event("a"), b'data: {"error": "%b"}\n\n' % KEY.encode()]),
    ],
)
async def test_key_is_in_no_error_log_or_traceback(reply: Reply, caplog: pytest.LogCaptureFixture) -> None:
    async with serve_model(reply) as server:
        models = registry(server.base_url, model="m", api_key=KEY, retries=0)
        with pytest.raises(AntiphonError) as caught:
            await answer(models)
        await models.close()
    chain: list[BaseException] = [caught.value]
    while (before := chain[-1].__cause__ or chain[-1].__context__) is not None:
        chain.append(before)
    assert KEY not in " ".join(f"{error!r} {error}" for error in chain)
    assert KEY not in caplog.text


async def test_web_page_instead_of_an_answer() -> None:
    page = Reply(pieces=[b"<html><body>Welcome</body></html>"], headers={"Content-Type": "text/html"}, framing="length")
    async with serve_model(page) as server:
        models = registry(server.base_url, model="m")
        with pytest.raises(ModelError, match="web page"):
            await answer(models)
        await models.close()
        assert len(server.chats) == 1
