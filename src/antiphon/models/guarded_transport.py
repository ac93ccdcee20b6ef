"""`GuardedTransport`: for addresses that came through the API: each request asks the gate first, and connects to what it said.

The gate resolves the name once and says which IP address to use; the transport asks nobody again, so a name that changes
meanwhile leads nowhere else. Addresses of the settings are trusted and do not pass here. Tests:
tests/integration/test_guarded_transport.py.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Protocol

from antiphon.models.transport import HttpRequest, ResponseSink, ServerAddress, Transport


class AddressGate(Protocol):
    async def admit(self, address: ServerAddress, /) -> str:
        """The IP address to connect to. Raises an AntiphonError for an address that may not be asked, or that is unknown."""
        ...


class GuardedTransport:
    def __init__(self, inner: Transport, gate: AddressGate) -> None:
        self._inner = inner
        self._gate = gate

    async def send(self, request: HttpRequest, sink: ResponseSink) -> None:
        """See `Transport.send`; raises what the gate raises too. Redirects are not followed by any transport of this room."""
        pinned = await self._gate.admit(request.address)
        await self._inner.send(replace(request, address=replace(request.address, pinned=pinned)), sink)

    async def close(self) -> None:
        await self._inner.close()
