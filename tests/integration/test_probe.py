"""A test of a connection says in plain words what is wrong, and how fast a model is."""

from __future__ import annotations

import asyncio
import socket
import ssl
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import web

from antiphon.core.runtime import system_runtime
from antiphon.models import probe as probe_module
from antiphon.models.probe import ModelProbe, ProbeReport
from antiphon.models.provider import ModelLimits, OfferedModel, ProviderSpec
from antiphon.testing.anthropic_server import message_reply, refusal_reply
from antiphon.testing.model_server import Hang, Reply, delta_event, error_reply, serve_model, text_reply

KEY = "sk-very-secret-0123456789"


async def probed(base_url: str, model: str | None = None, **fields: object) -> ProbeReport:
    spec = ProviderSpec(slug="", base_url=base_url, api_key=KEY, **fields)
    report = await ModelProbe(system_runtime(), ModelLimits()).test(spec, model)
    assert KEY not in repr(report)
    assert (report.problem is None) == report.ok
    assert report.problem is None or report.problem.endswith((".", "…", "?"))
    return report


async def test_a_model_that_answers_is_measured() -> None:
    async with serve_model(text_reply(*["x "] * 20, pause_s=0.01), models=["embed-x", "qwen3"]) as server:
        report = await probed(server.base_url)
    assert (report.ok, report.reachable, report.model, report.models) == (True, True, "qwen3", ["embed-x", "qwen3"])
    assert report.first_token_ms is not None
    assert 5 <= report.first_token_ms < 2000
    assert report.tokens_per_s is not None
    assert 5 < report.tokens_per_s < 200


async def test_a_long_answer_is_not_waited_for() -> None:
    async with serve_model(Reply(pieces=[delta_event("a"), delta_event("b"), Hang()])) as server:
        began = asyncio.get_running_loop().time()
        report = await probed(server.base_url)
        assert asyncio.get_running_loop().time() - began < 2
        await server.settled()
    assert report.ok


async def test_anthropic() -> None:
    async with serve_model(message_reply("1 ", "2 ", pause_s=0.01), models=["claude"]) as server:
        report = await probed(server.base_url, kind="anthropic")
        assert (report.ok, report.model, report.context_window) == (True, "claude", 200_000)
        server.script = [refusal_reply(401, "authentication_error", "bad key")]
        assert "refused the API key" in ((await probed(server.base_url, kind="anthropic")).problem or "")


async def test_dns() -> None:
    report = await probed("http://no-such-host.invalid/v1")
    assert (report.reachable, report.code) == (False, "model_unavailable")
    assert "could not be resolved" in (report.problem or "")


async def test_nobody_listens() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    report = await probed(f"http://127.0.0.1:{port}/v1")
    assert (report.reachable, report.code) == (False, "model_unavailable")
    assert "refused the connection. Is it running there?" in (report.problem or "")


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tls")
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-subj", "/CN=localhost",
         "-keyout", folder / "key.pem", "-out", folder / "cert.pem"],
        check=True, capture_output=True,
    )  # fmt: skip
    return folder


async def test_a_certificate_that_nobody_signed(certificate: Path) -> None:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate / "cert.pem", certificate / "key.pem")
    async with serve_model(tls=context) as server:
        report = await probed(server.base_url)
    assert not report.reachable
    assert "its certificate was not accepted" in (report.problem or "")


async def test_https_to_a_plain_server() -> None:
    async def plain(_: web.Request) -> web.Response:
        return web.Response()

    async with site(plain) as address:
        report = await probed(address.replace("http://", "https://"))
    assert "write http:// instead of https://" in (report.problem or "")


async def test_a_wrong_key() -> None:
    async def refuse(_: web.Request) -> web.Response:
        return web.json_response({"error": {"message": f"Incorrect API key {KEY}"}}, status=401)

    async with site(refuse) as address:
        report = await probed(f"{address}/v1")
        assert (report.reachable, report.code) == (True, "model_error")
        assert "refused the API key (401)" in (report.problem or "")


@asynccontextmanager
async def site(handler) -> AsyncIterator[str]:
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", handler)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


async def test_a_missing_v1_is_found_and_suggested() -> None:
    async def ollama(request: web.Request) -> web.Response:
        if request.path == "/v1/models":
            return web.json_response({"data": [{"id": "qwen3"}]})
        return web.Response(status=404, text="404 page not found")

    async with site(ollama) as address:
        report = await probed(address)
        assert report.suggested_base_url == f"{address}/v1"
        assert "use that address" in (report.problem or "")
        assert (await probed(f"{address}/")).suggested_base_url == f"{address}/v1"


async def test_a_web_page_is_no_api() -> None:
    async def page(_: web.Request) -> web.Response:
        return web.Response(text="<html>Hi</html>", content_type="text/html")

    async with site(page) as address:
        report = await probed(address)
    assert "not as an OpenAI-compatible API does" in (report.problem or "")


async def test_an_unknown_model_names_those_that_are_there() -> None:
    async with serve_model(error_reply(404, "model not found"), models=["qwen3", "llama"]) as server:
        report = await probed(server.base_url, "qwen4")
        assert report.problem == "The server has no model 'qwen4'. It has: qwen3, llama."
        assert report.models == ["qwen3", "llama"]


async def test_a_server_without_models() -> None:
    async with serve_model(models=[]) as server:
        assert "lists no model" in ((await probed(server.base_url)).problem or "")


async def test_a_server_that_lists_nothing_but_answers() -> None:
    async def only_chat(request: web.Request) -> web.StreamResponse:
        if request.method == "GET":
            return web.Response(status=404)
        return web.json_response({"choices": [{"message": {"content": "1 2 3"}, "finish_reason": "stop"}]})

    async with site(only_chat) as address:
        assert (await probed(f"{address}/v1", "m")).ok
        assert not (await probed(f"{address}/v1")).ok  # which one?


async def test_silence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probe_module, "FIRST_TOKEN_S", 0.2)
    async with serve_model(Reply(pieces=[Hang()])) as server:
        report = await probed(server.base_url)
        assert (report.code, report.reachable) == ("timeout", True)
        assert "may still be loading" in (report.problem or "")


@pytest.mark.parametrize(
    ("reply", "code", "words"),
    [
        (error_reply(429, "slow down"), "rate_limited", "too many requests"),
        (error_reply(500, "CUDA out of memory"), "model_error", "CUDA out of memory"),
        (error_reply(429, "no quota", code="insufficient_quota"), "model_error", "no quota left"),
    ],
)
async def test_what_the_server_says_is_passed_on(reply: Reply, code: str, words: str) -> None:
    async with serve_model(reply) as server:
        report = await probed(server.base_url)
    assert (report.ok, report.reachable, report.code) == (False, True, code)
    assert words in (report.problem or "")


async def test_addresses_and_providers_that_cannot_be() -> None:
    assert (await probed("ftp://h")).code == "bad_request"
    assert (await probed("http://h/v1", problem="Its key cannot be read.")).problem == "Its key cannot be read."
    local = await probed("", kind="transformers", models=[OfferedModel(name="/nowhere")])
    assert not local.ok
