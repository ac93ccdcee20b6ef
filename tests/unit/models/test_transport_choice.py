from __future__ import annotations

from antiphon.models.aiohttp_transport import AiohttpTransport
from antiphon.models.httptools_transport import HttptoolsTransport
from antiphon.models.transport import parse_server_address
from antiphon.models.transport_choice import choose_transport
from antiphon.testing.simulated import simulated_runtime


def test_chosen_by_address() -> None:
    runtime = simulated_runtime()
    plain, secure = parse_server_address("http://h/v1"), parse_server_address("https://h/v1")
    assert isinstance(choose_transport(plain, runtime), HttptoolsTransport)
    assert isinstance(choose_transport(secure, runtime), AiohttpTransport)
    assert isinstance(choose_transport(plain, runtime, proxy="http://proxy:3128"), AiohttpTransport)
