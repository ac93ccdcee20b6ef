"""`Resolver`: host name -> addresses, asked once for each request. `SystemResolver` asks the system; tests inject their own.

Used by guard.py. Tests: tests/unit/outgoing/test_guard.py.
"""

from __future__ import annotations

import asyncio
import socket
from typing import Protocol

from antiphon.core.errors import UrlUnreachable
from antiphon.outgoing.addresses import Address, parsed_address


class Resolver(Protocol):
    async def resolve(self, host: str, port: int, /) -> list[Address]:
        """All addresses of the name, in the order they should be tried. Raises UrlUnreachable when there is none."""
        ...


class SystemResolver:
    """`getaddrinfo` on a thread."""

    async def resolve(self, host: str, port: int, /) -> list[Address]:
        loop = asyncio.get_running_loop()
        try:
            found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError):
            raise unknown_host(host) from None
        addresses = [parsed_address(str(entry[4][0])) for entry in found]
        known = list(dict.fromkeys(address for address in addresses if address is not None))
        if not known or len(known) < len(set(addresses)):
            raise unknown_host(host)
        return known


def unknown_host(host: str) -> UrlUnreachable:
    return UrlUnreachable(f"There is no host {host[:100]!r} that could be found: check the address.", data={"reason": "dns"})
