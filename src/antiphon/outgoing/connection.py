"""One HTTP exchange with one admitted address: the connection is pinned, nothing of the environment is used, nothing is kept.

aiohttp does HTTP and TLS; which socket is opened is decided here. A name is answered with the addresses that were checked, and
the moment before a socket is made its address is compared once more. Used by client.py only. Tests:
tests/integration/test_outgoing_attacks.py.
"""

from __future__ import annotations

import socket
import ssl
from collections.abc import Mapping
from typing import Any, Final

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from yarl import URL

from antiphon.core.errors import AntiphonError, UrlRefused, UrlUnreachable
from antiphon.outgoing.guard import Admitted

HEADER_BYTES: Final = 8190
HEADERS: Final = 100
_PIECE_BYTES: Final = 2**16


class _Pinned(AbstractResolver):
    """Answers for one host, with what was checked; any other question is a defect or an attack."""

    def __init__(self, admitted: Admitted) -> None:
        self._admitted = admitted

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:  # fmt: skip
        del family
        if host.rstrip(".") != self._admitted.url.host or port != self._admitted.url.port:
            raise OSError(f"{host!r} was not checked.")
        return [
            ResolveResult(
                hostname=host, host=str(address), port=port, proto=0, flags=socket.AI_NUMERICHOST,
                family=socket.AF_INET if address.version == 4 else socket.AF_INET6,
            )
            for address in self._admitted.addresses
        ]  # fmt: skip

    async def close(self) -> None:
        return None


class Connection:
    """For one hop: `ask`, read, `close`."""

    def __init__(self, admitted: Admitted, *, connect_s: float, idle_s: float, tls: ssl.SSLContext | None = None) -> None:
        pinned = {(str(address), admitted.url.port) for address in admitted.addresses}

        def checked_socket(info: tuple[Any, ...]) -> socket.socket:
            family, kind, protocol, _, place = info
            if (str(place[0]), int(place[1])) not in pinned:
                raise OSError("The address is not the one that was checked.")
            return socket.socket(family=family, type=kind, proto=protocol)

        self._admitted = admitted
        connector = aiohttp.TCPConnector(
            resolver=_Pinned(admitted), use_dns_cache=False, force_close=True, limit=1, ssl=True if tls is None else tls,
            socket_factory=checked_socket,
        )  # fmt: skip
        self._session = aiohttp.ClientSession(
            connector=connector, cookie_jar=aiohttp.DummyCookieJar(), trust_env=False, auto_decompress=False,
            skip_auto_headers=["User-Agent", "Accept-Encoding", "Content-Type"], max_line_size=HEADER_BYTES,
            max_field_size=HEADER_BYTES, max_headers=HEADERS, read_bufsize=_PIECE_BYTES,
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=connect_s, sock_read=idle_s),
        )  # fmt: skip
        self._response: aiohttp.ClientResponse | None = None

    async def ask(self, method: str, headers: Mapping[str, str], body: bytes | None) -> aiohttp.ClientResponse:
        """The head of the answer. Raises UrlUnreachable."""
        try:
            self._response = await self._session.request(
                method, URL(str(self._admitted.url), encoded=True), headers=headers, data=body, allow_redirects=False
            )
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            raise unreachable(self._admitted, error) from error
        return self._response

    async def close(self) -> None:
        if self._response is not None:
            self._response.close()
        await self._session.close()


def unreachable(admitted: Admitted, error: Exception) -> AntiphonError:
    """What went wrong on the way, without the address that a name led to."""
    site = admitted.url.origin
    if isinstance(error, AntiphonError):
        return error
    if isinstance(error, aiohttp.InvalidURL):
        return UrlRefused(f"{site} is no address that can be asked.", data={"reason": "address"})
    if isinstance(error, aiohttp.ClientConnectorCertificateError | aiohttp.ClientConnectorSSLError | ssl.SSLError):
        return UrlUnreachable(f"{site} can't prove that it is that site: its certificate is not good.", data={"reason": "tls"})
    if isinstance(error, aiohttp.ClientConnectorError):
        return UrlUnreachable(f"{site} can't be reached: nothing there takes connections.", data={"reason": "connect"})
    if isinstance(error, TimeoutError):
        return UrlUnreachable(f"{site} did not answer in time.", data={"reason": "slow"})
    if isinstance(error, aiohttp.ClientResponseError):
        return UrlUnreachable(
            f"{site} answers with something that is no HTTP, or with too much in its head.", data={"reason": "answer"}
        )
    return UrlUnreachable(f"{site} broke off before its answer was complete.", data={"reason": "broken"})
