from __future__ import annotations

import pytest

from antiphon.core.errors import BadRequest, ModelUnavailable
from antiphon.models.transport import parse_server_address
from antiphon.server.model_gate import ModelGate


async def admit(url: str, allow: str = "", own_port: int = 8000) -> str:
    return await ModelGate(allow, own_port=own_port).admit(parse_server_address(url))


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("http://127.0.0.1:11434/v1", "127.0.0.1"),
        ("http://[::1]:1234/v1", "::1"),
        ("https://1.1.1.1/v1", "1.1.1.1"),
    ],
)
async def test_public_addresses_and_the_usual_ports_here(url: str, address: str) -> None:
    assert await admit(url) == address


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:8000/v1",  # ourselves
        "http://127.0.0.1:22/v1",
        "http://127.0.0.1:5000/v1",
        "http://10.0.0.5:11434/v1",
        "http://192.168.1.9:11434/v1",
        "http://169.254.169.254/latest",
        "http://[::ffff:10.0.0.5]:11434/v1",
        "http://0.0.0.0:11434/v1",
    ],
)
async def test_everything_else_inside_is_refused_in_words(url: str) -> None:
    with pytest.raises(ModelUnavailable, match="is not asked"):
        await admit(url)


async def test_an_administrator_may_allow_one_host_and_port() -> None:
    assert await admit("http://10.0.0.5:9000/v1", "model:10.0.0.5:9000") == "10.0.0.5"
    for url, allow in [("http://10.0.0.5:9001/v1", "model:10.0.0.5:9000"), ("http://10.0.0.5:9000/v1", "url:10.0.0.5:9000")]:
        with pytest.raises(ModelUnavailable):
            await admit(url, allow)
    with pytest.raises(BadRequest):
        ModelGate("nonsense", own_port=1)
