"""Which IP addresses a request of a user's making may reach: globally routable unicast, nothing else.

`ipaddress.is_global` calls 6to4, NAT64 and multicast global, so the rules are written out: IPv4 is everything but a list, IPv6 is
only `2000::/3` without the ranges in it that lead elsewhere. Pure; used by guard.py. Tests: tests/unit/outgoing/test_addresses.py.
"""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Final, Literal

Address = IPv4Address | IPv6Address
Kind = Literal["public", "local", "never"]
"""`local`: refused unless an administrator allowed the host. `never`: refused even then, when a name leads there."""

_NEVER_4: Final = {
    "0.0.0.0/32": "unspecified",
    "169.254.0.0/16": "link-local (metadata services live there)",
    "168.63.129.16/32": "a cloud's metadata service",
    "100.100.100.200/32": "a cloud's metadata service",
    "192.0.0.192/32": "a cloud's metadata service",
    "224.0.0.0/4": "multicast",
    "255.255.255.255/32": "broadcast",
}
_LOCAL_4: Final = {
    "0.0.0.0/8": "this network",
    "10.0.0.0/8": "private",
    "100.64.0.0/10": "a carrier's network",
    "127.0.0.0/8": "loopback",
    "172.16.0.0/12": "private",
    "192.0.0.0/24": "protocol assignments",
    "192.0.2.0/24": "documentation",
    "192.31.196.0/24": "special service",
    "192.52.193.0/24": "special service",
    "192.88.99.0/24": "6to4 relay",
    "192.168.0.0/16": "private",
    "192.175.48.0/24": "special service",
    "198.18.0.0/15": "benchmarks",
    "198.51.100.0/24": "documentation",
    "203.0.113.0/24": "documentation",
    "240.0.0.0/4": "reserved",
}
_NEVER_6: Final = {
    "::/128": "unspecified",
    "fe80::/10": "link-local",
    "fec0::/10": "site-local",
    "fd00:ec2::/32": "a cloud's metadata service",
    "fd20:ce::/32": "a cloud's metadata service",
    "ff00::/8": "multicast",
    "::ffff:0:0/96": "an IPv4 address in disguise",
    "::/96": "an IPv4 address in disguise",
    "64:ff9b::/96": "an IPv4 address in disguise (NAT64)",
    "64:ff9b:1::/48": "an IPv4 address in disguise (NAT64)",
    "2001::/32": "a tunnel (Teredo)",
    "2002::/16": "a tunnel (6to4)",
}
_LOCAL_6: Final = {
    "::1/128": "loopback",
    "fc00::/7": "private",
    "100::/64": "discard",
    "2001::/23": "protocol assignments",
    "2001:db8::/32": "documentation",
    "2620:4f:8000::/48": "special service",
    "3fff::/20": "documentation",
    "5f00::/16": "segment routing",
}
_GLOBAL_6: Final = IPv6Network("2000::/3")
_LOOPBACK_6: Final = IPv6Address("::1")


def _networks_4(ranges: dict[str, str]) -> list[tuple[IPv4Network, str]]:
    return [(IPv4Network(text), name) for text, name in ranges.items()]


def _networks_6(ranges: dict[str, str]) -> list[tuple[IPv6Network, str]]:
    return [(IPv6Network(text), name) for text, name in ranges.items()]


_RULES_4: Final[list[tuple[Kind, list[tuple[IPv4Network, str]]]]] = [
    ("never", _networks_4(_NEVER_4)), ("local", _networks_4(_LOCAL_4)),
]  # fmt: skip
_RULES_6: Final[list[tuple[Kind, list[tuple[IPv6Network, str]]]]] = [
    ("never", _networks_6(_NEVER_6)), ("local", _networks_6(_LOCAL_6)),
]  # fmt: skip


def kind_of(address: Address) -> tuple[Kind, str]:
    """The kind, and what the address is (for logs and tests; a caller is never told more than that it was refused)."""
    if isinstance(address, IPv4Address):
        for kind, networks in _RULES_4:
            for network, name in networks:
                if address in network:
                    return kind, name
        return "public", "public"
    if address.scope_id is not None:
        return "never", "an address with a zone"
    if address == _LOOPBACK_6:  # lies inside ::/96, where everything else is a disguise
        return "local", "loopback"
    for kind, networks in _RULES_6:
        for network, name in networks:
            if address in network:
                return kind, name
    return ("public", "public") if address in _GLOBAL_6 else ("local", "not assigned")


def parsed_address(text: str) -> Address | None:
    """None for what is no address in its one canonical spelling (decimal, octal, hexadecimal and short forms are none)."""
    try:
        return ip_address(text)
    except ValueError:
        return None
