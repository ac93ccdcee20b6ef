"""`choose_transport`: which transport an address needs. Called by the composition of adapters (registry.py, benches, tests).

Tests: tests/unit/models/test_transport_choice.py.
"""

from __future__ import annotations

from antiphon.core.runtime import Runtime
from antiphon.models.aiohttp_transport import AiohttpTransport
from antiphon.models.httptools_transport import HttptoolsTransport
from antiphon.models.transport import ServerAddress, Transport


def choose_transport(address: ServerAddress, runtime: Runtime, *, proxy: str | None = None) -> Transport:
    """The lean one for plain http, aiohttp for https and for anything behind a proxy."""
    if address.scheme == "http" and proxy is None:
        return HttptoolsTransport(runtime)
    return AiohttpTransport(runtime, proxy=proxy)
