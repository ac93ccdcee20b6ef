from __future__ import annotations

import pytest

from antiphon.access.origins import Origins
from antiphon.core.errors import Forbidden
from antiphon.server.origins import OriginPolicy

ORIGINS = Origins(host="127.0.0.1", port=8000, further=["https://desk.example"])
POLICY = OriginPolicy(lambda: ORIGINS, local_only=True)
HOST = {"host": "127.0.0.1:8000"}


@pytest.mark.parametrize(("headers", "cookie", "allowed"), [
    ({"origin": "http://127.0.0.1:8000"}, True, True), ({"origin": "http://localhost:8000"}, True, True),
    ({"origin": "https://desk.example", "sec-fetch-site": "cross-site"}, True, True),
    ({"origin": "http://127.0.0.1:8000", "sec-fetch-site": "cross-site"}, True, False),
    ({"origin": "http://127.0.0.1:8001"}, True, False), ({"origin": "null"}, True, False), ({}, True, False),
    ({"sec-fetch-site": "same-origin"}, True, False), ({}, False, True), ({"sec-fetch-site": "cross-site"}, False, False),
    ({"origin": "null"}, False, False),
])  # fmt: skip
def test_changes(headers, cookie, allowed):
    if allowed:
        POLICY.check_change({**HOST, **headers}, cookie=cookie)
    else:
        with pytest.raises(Forbidden):
            POLICY.check_change({**HOST, **headers}, cookie=cookie)


@pytest.mark.parametrize(("host", "local", "open_"), [
    ("127.0.0.1:8000", True, True), ("127.0.0.1:9", True, True), ("[::1]", True, True), ("[::1]:80", True, True), ("localhost", True, True),
    ("LOCALHOST:1", True, True), ("desk.example", True, True), ("evil.example", False, True), ("desk.example.evil.example", False, True),
    ("localhost.evil.example:8000", False, True), ("", False, False), (None, False, False), ("[::1", False, True),
])  # fmt: skip
def test_hosts(host, local, open_):
    assert POLICY.host_allowed(host) is local
    assert OriginPolicy(lambda: ORIGINS, local_only=False).host_allowed(host) is open_
