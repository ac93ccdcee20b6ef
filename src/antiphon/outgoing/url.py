"""The one URL parser: what was checked is what is connected to. `parse_url` and `resolve_reference` give a `WebUrl` or raise BadRequest.

Strict where parsers differ: no user information, no backslashes, no control characters or blanks, no percent signs in the host,
one spelling of an IPv4 address. A host name is mapped to ASCII (IDNA, so fullwidth letters and dots are what they look like)
before anything is decided about it. Nothing else may take a URL of a user's apart. Tests: tests/unit/outgoing/test_url.py.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Final, Literal
from urllib.parse import quote, unquote, urljoin

import idna

from antiphon.core.errors import BadRequest
from antiphon.outgoing.addresses import Address, parsed_address

Scheme = Literal["http", "https"]
LONGEST_URL: Final = 2000
_PORTS: Final[dict[str, int]] = {"http": 80, "https": 443}
_SPLIT: Final = re.compile(r"(?P<scheme>[a-zA-Z][a-zA-Z0-9+.-]*)://(?P<authority>[^/?#]*)(?P<path>[^?#]*)(?:\?(?P<query>[^#]*))?(?:#.*)?", re.DOTALL)  # fmt: skip
_FORBIDDEN: Final = re.compile(r"[\x00-\x20\x7f-\xa0\u1680\u2000-\u200f\u2028-\u202f\u205f-\u206f\u3000\ufeff\\]")
_LABEL: Final = re.compile(r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?")
_NUMBER: Final = re.compile(r"(?:\d+|0x[0-9a-f]*)")
_PORT: Final = re.compile(r"\d{1,5}")
_SAFE_PATH: Final = "/:@!$&'()*+,;=~-._%[]"
_SAFE_QUERY: Final = _SAFE_PATH + "?"
_UNRESERVED: Final = re.compile(r"%(?:2[dD]|2[eE]|3[0-9]|4[1-9a-fA-F]|5[0-9aAfF]|6[1-9a-fA-F]|7[0-9aAeE])")
_LONE_PERCENT: Final = re.compile(r"%(?![0-9a-fA-F]{2})")
_ESCAPE: Final = re.compile(r"%[0-9a-fA-F]{2}")
BLOCKED_PORTS: Final = frozenset({
    1, 7, 9, 11, 13, 15, 17, 19, 20, 21, 22, 23, 25, 37, 42, 43, 53, 69, 77, 79, 87, 95, 101, 102, 103, 104, 109, 110, 111, 113, 115,
    117, 119, 123, 135, 137, 138, 139, 143, 161, 179, 389, 427, 445, 465, 512, 513, 514, 515, 526, 530, 531, 532, 540, 548, 554, 556,
    563, 587, 601, 636, 989, 990, 993, 995, 1433, 1521, 1719, 1720, 1723, 2049, 3306, 3389, 3659, 4045, 4190, 5060, 5061, 5432, 6000,
    6379, 6566, 6665, 6666, 6667, 6668, 6669, 6679, 6697, 10080, 11211, 27017,
})  # fmt: skip
"""Ports of other protocols: a request there would be read as something else."""


@dataclass(frozen=True, kw_only=True, slots=True)
class WebUrl:
    """`host` is ASCII, lower case, without brackets and without a dot at its end; `path` and `query` are encoded. Equal for
    spellings that mean the same."""

    scheme: Scheme
    host: str
    port: int
    path: str
    query: str | None = None

    @property
    def address(self) -> Address | None:
        """The host, when it is an address and no name."""
        return parsed_address(self.host)

    @property
    def authority(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _PORTS[self.scheme] else f"{host}:{self.port}"

    @property
    def origin(self) -> str:
        return f"{self.scheme}://{self.authority}"

    @property
    def target(self) -> str:
        """Path and query, as a request line has them."""
        return self.path if self.query is None else f"{self.path}?{self.query}"

    @property
    def readable_path(self) -> str:
        """The path with its escapes undone, for names that people read."""
        return unquote(self.path, errors="replace")

    def at(self, path: str) -> WebUrl:
        """Another path of the same origin, without a query."""
        return replace(self, path=path, query=None)

    def __str__(self) -> str:
        return self.origin + self.target


def parse_url(text: str) -> WebUrl:
    """Raises BadRequest that says what is wrong; the sentence never holds what stands before an `@`."""
    if len(text) > LONGEST_URL:
        raise BadRequest(f"The address has {len(text)} characters; {LONGEST_URL} are allowed.")
    if _FORBIDDEN.search(text):
        raise BadRequest("The address holds a blank, a backslash or a control character: write it without, or percent-encoded.")
    found = _SPLIT.fullmatch(text)
    if found is None:
        raise BadRequest("The address is none of the web: it begins with http:// or https:// and a host.")
    scheme = _scheme(found["scheme"].lower())
    host, port = _host_and_port(found["authority"], scheme)
    path = _without_dots(_encoded(found["path"], _SAFE_PATH)) or "/"
    query = found["query"]
    return WebUrl(scheme=scheme, host=host, port=port, path=path, query=None if query is None else _encoded(query, _SAFE_QUERY))


def resolve_reference(reference: str, base: WebUrl) -> WebUrl:
    """What a link on the page `base` means. Raises BadRequest for what is no address of the web."""
    cleaned = reference.strip("\t\n\r\x0c ")
    if len(cleaned) > LONGEST_URL:
        raise BadRequest("The link is too long.")
    if _FORBIDDEN.search(cleaned):
        raise BadRequest("The link holds a blank, a backslash or a control character.")
    try:
        joined = urljoin(str(base), cleaned)
    except ValueError:
        raise BadRequest("The link is no address.") from None
    return parse_url(joined)


def _scheme(name: str) -> Scheme:
    if name == "http":
        return "http"
    if name == "https":
        return "https"
    raise BadRequest(f"{name[:20]!r} is none of the web's schemes: use http or https.")


def _host_and_port(authority: str, scheme: Scheme) -> tuple[str, int]:
    if "@" in authority:
        raise BadRequest("The address holds a user name or a password: leave them out, they are never sent.")
    host, port = authority, ""
    if authority.startswith("["):
        host, bracket, rest = authority[1:].partition("]")
        if not bracket or (rest and not rest.startswith(":")):
            raise BadRequest("The host of the address is no IPv6 address in brackets.")
        return _ipv6(host), _port(rest[1:], scheme)
    if authority.count(":") > 1:
        raise BadRequest("The host of the address holds more than one colon: write an IPv6 address in brackets.")
    host, _, port = authority.partition(":")
    return _name(host), _port(port, scheme)


def _port(text: str, scheme: Scheme) -> int:
    if not text:
        return _PORTS[scheme]
    if not _PORT.fullmatch(text) or not text.isascii() or not 1 <= int(text) <= 65_535:
        raise BadRequest("The port of the address is no number from 1 to 65535.")
    return int(text)


def _ipv6(text: str) -> str:
    found = parsed_address(text)
    if found is None or found.version != 6 or "%" in text:
        raise BadRequest("The host of the address is no IPv6 address in brackets.")
    return found.compressed


def _name(text: str) -> str:
    if "%" in text:
        raise BadRequest("The host of the address is percent-encoded: write it as it is.")
    host = text
    if not text.isascii():
        try:
            host = idna.encode(text, uts46=True, transitional=False).decode("ascii")
        except idna.IDNAError:
            raise BadRequest("The host of the address is no name that the web's naming system knows.") from None
    host = host.lower().removesuffix(".")
    labels = host.split(".")
    if not host or len(host) > 253 or not all(_LABEL.fullmatch(label) for label in labels):
        raise BadRequest("The host of the address is no name: letters, digits, dots and hyphens.")
    if _NUMBER.fullmatch(labels[-1]):
        found = parsed_address(host)
        if found is None or str(found) != host:
            raise BadRequest("The host of the address is a number: write an IPv4 address as four decimal parts.")
    return host


def _encoded(text: str, safe: str) -> str:
    """One spelling: what needs no escape has none, escapes are upper case, a lone percent sign is escaped."""
    made = quote(_LONE_PERCENT.sub("%25", text), safe=safe)
    made = _UNRESERVED.sub(lambda found: chr(int(found[0][1:], 16)), made)
    return _ESCAPE.sub(lambda found: found[0].upper(), made)


def _without_dots(path: str) -> str:
    """RFC 3986, 5.2.4."""
    if "/." not in path:
        return path
    kept: list[str] = []
    parts = path.split("/")
    for part in parts:
        if part == "..":
            if len(kept) > 1:
                kept.pop()
        elif part != ".":
            kept.append(part)
    if parts[-1] in {".", ".."}:
        kept.append("")
    return "/".join(kept) if len(kept) > 1 else "/"
