"""`ModelGate`: where providers that came through the API may lead: public addresses, the usual ports of model servers on this very
machine, and what `ANTIPHON_OUTGOING_ALLOW=model:HOST:PORT` names. Made by composition.py.

The guard resolves the name once; the transport connects to what it said (models/guarded_transport.py). Tests:
tests/unit/server/test_model_gate.py, tests/integration/live/test_providers_live.py.
"""

from __future__ import annotations

from typing import Final

from antiphon.core.errors import ModelUnavailable, UrlRefused, UrlUnreachable
from antiphon.models.discovery import KNOWN_PORTS
from antiphon.models.transport import ServerAddress
from antiphon.outgoing.allowance import Allowance, Purpose
from antiphon.outgoing.guard import Guard

_PURPOSE: Final[Purpose] = "model"
_THIS_MACHINE: Final = ("127.0.0.1", "localhost", "::1")


class ModelGate:
    """`own_port` is not allowed: it is ours."""

    def __init__(self, allow: str, *, own_port: int) -> None:
        usual: set[tuple[Purpose, str, int]] = {
            (_PURPOSE, host, port) for host in _THIS_MACHINE for port in KNOWN_PORTS if port != own_port
        }
        self._guard = Guard(Allowance(Allowance.parse(allow).entries | usual))

    async def admit(self, address: ServerAddress, /) -> str:
        """See `AddressGate.admit`; its refusals are ModelUnavailable, as of a server that is not there."""
        try:
            admitted = await self._guard.admit(address.url("/"), _PURPOSE)
        except (UrlRefused, UrlUnreachable) as error:
            raise ModelUnavailable(error.message, data={"reason": error.data.get("reason")}) from error
        return str(admitted.addresses[0])
