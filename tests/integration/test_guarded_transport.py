"""A guarded transport connects to the address the gate named, and to nothing the name may have become since."""

from __future__ import annotations

import ssl
import subprocess
from pathlib import Path

import pytest

from antiphon.core.errors import Forbidden
from antiphon.core.runtime import system_runtime
from antiphon.models.aiohttp_transport import AiohttpTransport
from antiphon.models.chat import ChatMessage, ChatRequest
from antiphon.models.guarded_transport import GuardedTransport
from antiphon.models.httptools_transport import HttptoolsTransport
from antiphon.models.openai_compatible import OpenAICompatibleChat
from antiphon.models.transport import ServerAddress, parse_server_address
from antiphon.testing.model_server import serve_model

REQUEST = ChatRequest(model="m", messages=[ChatMessage(role="user", content="Hi")])


class Gate:
    """Knows `model.example` as this machine; refuses every other name."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    async def admit(self, address: ServerAddress) -> str:
        self.asked.append(address.host)
        if address.host != "model.example":
            raise Forbidden("That address is not asked.")
        return "127.0.0.1"


@pytest.mark.parametrize("kind", [HttptoolsTransport, AiohttpTransport])
async def test_the_named_address_is_connected_to_and_the_name_is_kept(kind) -> None:
    runtime, gate = system_runtime(), Gate()
    async with serve_model() as server:
        address = parse_server_address(f"http://model.example:{server.port}/v1")
        chat = OpenAICompatibleChat(address, GuardedTransport(kind(runtime), gate), runtime)
        for _ in range(2):
            await chat.stream(REQUEST, lambda _: None)
        await chat.close()
        assert gate.asked == ["model.example"] * 2
        assert {request.headers["host"] for request in server.requests} == {f"model.example:{server.port}"}


@pytest.mark.parametrize("kind", [HttptoolsTransport, AiohttpTransport])
async def test_what_is_refused_gets_no_packet(kind) -> None:
    runtime = system_runtime()
    async with serve_model() as server:
        address = parse_server_address(server.base_url)
        chat = OpenAICompatibleChat(address, GuardedTransport(kind(runtime), Gate()), runtime)
        with pytest.raises(Forbidden):
            await chat.stream(REQUEST, lambda _: None)
        await chat.close()
        assert server.connections == 0


async def test_tls_still_checks_the_name(tmp_path: Path) -> None:
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-subj", "/CN=model.example",
         "-addext", "subjectAltName=DNS:model.example", "-keyout", tmp_path / "key.pem", "-out", tmp_path / "cert.pem"],
        check=True, capture_output=True,
    )  # fmt: skip
    serving = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    serving.load_cert_chain(tmp_path / "cert.pem", tmp_path / "key.pem")
    trusting = ssl.create_default_context(cafile=str(tmp_path / "cert.pem"))
    runtime = system_runtime()
    async with serve_model(tls=serving) as server:
        address = parse_server_address(f"https://model.example:{server.port}/v1")
        transport = GuardedTransport(AiohttpTransport(runtime, tls=trusting), Gate())
        chat = OpenAICompatibleChat(address, transport, runtime)
        assert (await chat.stream(REQUEST, lambda _: None)).finish_reason == "stop"
        await chat.close()
