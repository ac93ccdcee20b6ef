"""The exact list of Origins that may use the cookie. Called by the server's HTTP and socket edges on every cookie request.

The server's own addresses follow from host and port, never from the Host header (a name rebound to this machine would
match itself). Comparison is of whole strings: no prefix, no wildcard, no `null`. Tests: tests/unit/access/test_origins.py.
"""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import IPv6Address, ip_address
from urllib.parse import urlsplit

from antiphon.core.errors import UnsafeSettings

_LOOPBACK_NAMES = ("127.0.0.1", "localhost", "[::1]")
_ANY_ADDRESS = frozenset({"", "0.0.0.0", "::", "*"})  # noqa: S104 - recognised, not bound
_DEFAULT_PORTS = {"http": 80, "https": 443}


def is_loopback(host: str) -> bool:
    """True only for `localhost` and literal loopback addresses; every other name may point anywhere."""
    bare = host.strip("[]")
    if bare.lower() == "localhost":
        return True
    try:
        return ip_address(bare).is_loopback
    except ValueError:
        return False


def own_origins(host: str, port: int) -> frozenset[str]:
    """The Origins under which a browser on this machine, or one that was given `host`, reaches the server. `port` is the
    one really bound."""
    names = [] if host in _ANY_ADDRESS else [_as_in_url(host)]
    if host in _ANY_ADDRESS or is_loopback(host):
        names += _LOOPBACK_NAMES
    return frozenset(_origin("http", name, port) for name in names)


def parse_origin(text: str) -> str:
    """A configured Origin in the form browsers send it. Raises UnsafeSettings for anything but `scheme://host[:port]`."""
    given = text.strip()
    try:
        parts = urlsplit(given)
        port = parts.port
    except ValueError:
        parts, port = urlsplit(""), None
    host = parts.hostname
    if (
        parts.scheme not in _DEFAULT_PORTS
        or not host
        or "*" in host
        or parts.path not in {"", "/"}
        or parts.query
        or parts.fragment
        or "@" in parts.netloc
    ):
        raise UnsafeSettings(
            f"The allowed origin {given[:120]!r} is not usable: write it as `https://host` or `https://host:port`, one by one and "
            "without wildcards."
        )
    return _origin(parts.scheme, _as_in_url(host), port if port is not None else _DEFAULT_PORTS[parts.scheme])


class Origins:
    """`further`: configured Origins, any of which may be given with a trailing slash or in upper case."""

    def __init__(self, *, host: str, port: int, further: Iterable[str] = ()) -> None:
        self.allowed = own_origins(host, port) | {parse_origin(text) for text in further}

    def allows(self, origin: str | None) -> bool:
        """Whether a request that carries this Origin header (None: no header) may use the cookie."""
        return origin is not None and origin in self.allowed


def split_origins(setting: str) -> list[str]:
    """The setting `auth.origins`: separated by commas."""
    return [part.strip() for part in setting.split(",") if part.strip()]


def _origin(scheme: str, host: str, port: int) -> str:
    return f"{scheme}://{host}" if port == _DEFAULT_PORTS[scheme] else f"{scheme}://{host}:{port}"


def _as_in_url(host: str) -> str:
    bare = host.strip("[]").lower()
    try:
        address = ip_address(bare)
    except ValueError:
        return bare
    return f"[{address.compressed}]" if isinstance(address, IPv6Address) else str(address)
