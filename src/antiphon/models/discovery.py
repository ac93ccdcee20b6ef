"""`find_local_servers`: model servers on this machine, looked for on the ports they usually have.

Loopback only, never our own port, half a second. Offered to the owner (`GET /models/discover`), at a first start in the log, and
by `antiphon doctor`; nothing is used without being chosen. Tests: tests/integration/test_discovery.py.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping
from typing import Final

from msgspec import Struct

from antiphon.core.errors import AntiphonError
from antiphon.core.runtime import Runtime
from antiphon.models.model_list import list_models
from antiphon.models.served import chat_names
from antiphon.models.transport import parse_server_address
from antiphon.models.transport_choice import choose_transport

KNOWN_PORTS: Final[Mapping[int, str]] = {
    11434: "Ollama",
    1234: "LM Studio",
    8080: "llama.cpp or LocalAI",
    8000: "vLLM",
    9997: "Xinference",
    5001: "KoboldCpp",
    1337: "Jan",
    4000: "LiteLLM",
    30000: "SGLang",
    23333: "LMDeploy",
}
LOOK_S: Final = 0.5
SHOWN_MODELS: Final = 50


class LocalServer(Struct, frozen=True, kw_only=True):
    """`name`: what usually listens there. `models`: those that look like chat models; empty when it wants a key."""

    name: str
    base_url: str
    models: list[str]
    needs_key: bool = False


async def find_local_servers(
    runtime: Runtime, *, own_ports: Collection[int], ports: Mapping[int, str] = KNOWN_PORTS
) -> list[LocalServer]:
    """In the order of `ports`. Sends one `GET /v1/models` to each."""
    looks = (_look(runtime, port, name) for port, name in ports.items() if port not in own_ports)
    return [found for found in await asyncio.gather(*looks) if found is not None]


async def _look(runtime: Runtime, port: int, name: str) -> LocalServer | None:
    address = parse_server_address(f"http://127.0.0.1:{port}/v1")
    transport = choose_transport(address, runtime)
    base_url = f"http://127.0.0.1:{port}/v1"
    headers = {"Accept": "application/json", "Accept-Encoding": "identity", "User-Agent": "antiphon"}
    try:
        async with asyncio.timeout(LOOK_S):
            listed = await list_models(address, transport, runtime, headers=headers, key=None, timeout_s=LOOK_S)
        return LocalServer(name=name, base_url=base_url, models=chat_names([model.name for model in listed])[:SHOWN_MODELS])
    except TimeoutError:
        return None
    except AntiphonError as error:
        wants_key = error.data.get("status") in {401, 403}
        return LocalServer(name=name, base_url=base_url, models=[], needs_key=True) if wants_key else None
    finally:
        await transport.close()
