from __future__ import annotations

import pytest

from antiphon.core.errors import BadRequest
from antiphon.models.transport import HttpRequest, parse_server_address


@pytest.mark.parametrize(
    ("text", "name", "host_header", "url"),
    [
        ("http://localhost:11434/v1", "localhost:11434", "localhost:11434", "http://localhost:11434/v1/x"),
        ("http://localhost:11434/v1/", "localhost:11434", "localhost:11434", "http://localhost:11434/v1/x"),
        ("https://api.example.com/v1", "api.example.com:443", "api.example.com", "https://api.example.com/v1/x"),
        ("http://example.com", "example.com:80", "example.com", "http://example.com/x"),
        ("http://[::1]:9100/v1", "[::1]:9100", "[::1]:9100", "http://[::1]:9100/v1/x"),
        ("https://h/openai?api-version=3", "h:443", "h", "https://h/openai/x?api-version=3"),
        ("http://模型.example/v1", "xn--xgs754b.example:80", "xn--xgs754b.example", "http://xn--xgs754b.example/v1/x"),
    ],
)
def test_addresses(text: str, name: str, host_header: str, url: str) -> None:
    address = parse_server_address(text)
    assert (address.name, address.host_header, address.url("/x")) == (name, host_header, url)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "localhost:9100",
        "ftp://h/v1",
        "http://",
        "http://h:0/v1",
        "http://h:99999/v1",
        "http://h/a b",
        "http://h/é",
        "http://[::1/v1",
    ],
)
def test_malformed_addresses_are_refused(text: str) -> None:
    with pytest.raises(BadRequest, match="address of the model server"):
        parse_server_address(text)


@pytest.mark.parametrize("text", ["http://h/v1\r\nX: y", "http://h\r\nX: y/v1"])
def test_line_ends_never_reach_a_header(text: str) -> None:
    try:
        address = parse_server_address(text)
    except BadRequest:
        return
    assert "\r" not in address.host_header + address.target("/x")
    assert "\n" not in address.host_header + address.target("/x")


def test_password_in_an_address_is_refused_and_not_repeated() -> None:
    with pytest.raises(BadRequest) as caught:
        parse_server_address("http://me:hunter2@h/v1")
    assert "hunter2" not in str(caught.value)
    assert "me" not in str(caught.value).replace("model", "").replace("named", "")


def test_repr_of_a_request_shows_neither_key_nor_question() -> None:
    request = HttpRequest(
        address=parse_server_address("http://h/v1"),
        path="/x",
        headers={"Authorization": "Bearer sk-secret"},
        body=b"the question",
        connect_timeout_s=1,
        idle_timeout_s=1,
    )
    assert "sk-secret" not in repr(request)
    assert "question" not in repr(request)
