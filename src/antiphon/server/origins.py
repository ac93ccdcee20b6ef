"""`OriginPolicy`: what a browser may do with credentials it attaches by itself (the cookie, `--no-auth`), and under which Host
names the server answers. The exact list of Origins is access/origins.py's; these are the rules for HTTP requests.

Tests: tests/unit/server/test_request_origins.py, tests/integration/http/test_http_security.py.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final
from urllib.parse import urlsplit

from antiphon.access.origins import Origins
from antiphon.core.errors import Forbidden

_LOOPBACK_NAMES: Final = frozenset({"localhost", "127.0.0.1", "[::1]"})


class OriginPolicy:
    """`origins` is asked at each request, because the port is known only when it is bound. `local_only`: the server listens
    on loopback, so a Host header that names no loopback address (or allowed origin) is a rebound name."""

    def __init__(self, origins: Callable[[], Origins], *, local_only: bool) -> None:
        self._origins = origins
        self._local_only = local_only

    def host_allowed(self, host: str | None) -> bool:
        """Any port of a loopback name is right: it may be forwarded."""
        if not host:
            return False
        if not self._local_only:
            return True
        host = host.lower()
        name = host if host.endswith("]") else host.rsplit(":", 1)[0]
        return name in _LOOPBACK_NAMES or host in {urlsplit(origin).netloc for origin in self._origins().allowed}

    def check_change(self, headers: Mapping[str, str], *, cookie: bool) -> None:
        """For a request that changes state and names no bearer key. Raises Forbidden unless its Origin is allowed.

        `cookie`: it carries the session cookie, so a browser sent it, and a missing Origin is an attack. Without one
        (sign-in, `--no-auth`) a missing Origin is a program, unless the browser's own headers say otherwise."""
        origin = headers.get("origin")
        if origin is None:
            if cookie or headers.get("sec-fetch-site", "none") not in {"same-origin", "none"}:
                raise Forbidden("The request has no Origin. Send it from a page of this server, or use an API key.")
            return
        if not self._origins().allows(origin):
            raise Forbidden("The request comes from a foreign origin. An operator can allow it with ANTIPHON_AUTH_ORIGINS.")
        if self._own(origin, headers) and headers.get("sec-fetch-site", "same-origin") != "same-origin":
            raise Forbidden("The browser says that the request comes from another site.")

    def check_read(self, headers: Mapping[str, str]) -> None:
        """For a reading with such credentials: another site may link to it, but not load it. Raises Forbidden."""
        if self._origins().allows(headers.get("origin")):
            return
        if headers.get("sec-fetch-site") in {"cross-site", "same-site"} and headers.get("sec-fetch-mode") != "navigate":
            raise Forbidden("Another site may not load this.")

    @staticmethod
    def _own(origin: str, headers: Mapping[str, str]) -> bool:
        """Whether the Origin is the very address that was asked; further allowed ones may lie on another site."""
        return urlsplit(origin).netloc == headers.get("host", "").lower()
