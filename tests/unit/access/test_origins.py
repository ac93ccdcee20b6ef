from __future__ import annotations

import pytest

from antiphon.access.origins import Origins, is_loopback, own_origins, parse_origin, split_origins
from antiphon.core.errors import UnsafeSettings


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "::1", "0.0.0.0", "::", ""])
def test_a_server_on_this_machine_is_reached_by_all_loopback_forms(host: str):
    origins = Origins(host=host, port=8000)
    for origin in ("http://127.0.0.1:8000", "http://localhost:8000", "http://[::1]:8000"):
        assert origins.allows(origin)


@pytest.mark.parametrize(
    "origin",
    [
        None, "", "null", "http://127.0.0.1", "http://127.0.0.1:80000", "http://127.0.0.1:8001", "https://127.0.0.1:8000",
        "http://127.0.0.1:8000/", "http://127.0.0.1:8000.evil.example", "http://evil.example", "http://localhost.evil.example:8000",
        "http://evil.example:8000", "http://127.0.0.1:8000@evil.example", "http://127.0.0.1:8000 ", "HTTP://LOCALHOST:8000",
        "http://127.1:8000", "http://2130706433:8000", "http://0.0.0.0:8000", "http://lосalhost:8000", "*", "file://",
    ],
)  # fmt: skip
def test_everything_else_is_refused(origin: str | None):
    assert not Origins(host="127.0.0.1", port=8000).allows(origin)


def test_a_named_host_is_its_own_and_loopback_is_not():
    origins = Origins(host="192.168.1.7", port=80)
    assert origins.allows("http://192.168.1.7")
    assert not origins.allows("http://192.168.1.7:80")  # browsers leave the default port out
    assert not origins.allows("http://localhost")


def test_any_address_trusts_no_host_name_by_itself():
    assert own_origins("0.0.0.0", 8000) == {"http://127.0.0.1:8000", "http://localhost:8000", "http://[::1]:8000"}


def test_configured_ones_are_brought_into_the_form_browsers_send():
    origins = Origins(host="127.0.0.1", port=8000, further=["https://Team.Example/", "http://box:8080", "https://a.example:443"])
    for origin in ("https://team.example", "http://box:8080", "https://a.example"):
        assert origins.allows(origin)
    assert not origins.allows("http://team.example")
    assert not origins.allows("https://sub.team.example")


@pytest.mark.parametrize(
    "text",
    [
        "*",
        "null",
        "team.example",
        "https://*.example",
        "https://",
        "ftp://a",
        "https://a/b",
        "https://u@a",
        "https://a:x",
        "https://a?b",
    ],
)
def test_what_is_no_origin_is_refused_at_start(text: str):
    with pytest.raises(UnsafeSettings, match="origin"):
        parse_origin(text)


def test_the_setting_is_separated_by_commas():
    assert split_origins(" https://a , ,https://b ") == ["https://a", "https://b"]
    assert split_origins("") == []


def test_loopback():
    assert all(map(is_loopback, ["localhost", "LOCALHOST", "127.0.0.1", "127.8.9.1", "::1", "[::1]"]))
    for host in ("0.0.0.0", "::", "", "10.0.0.1", "example.com", "localhost.example.com", "127.0.0.1.nip.io", "127.1", "0"):
        assert not is_loopback(host), host
