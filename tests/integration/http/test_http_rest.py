"""The generic endpoint over the wire: fields, statuses, the one error shape (security.md B5, H11, I4)."""

from __future__ import annotations

import asyncio
import io
import time
from collections.abc import AsyncIterator
from urllib.parse import urlsplit

import pytest


async def test_fields_come_from_path_query_and_body(house, http, ann):
    async with http.post(f"{house.url}/api/v1/workspaces/ws_1/search", json={"query": "leave", "k": 3}, headers=ann) as answer:
        assert (answer.status, (await answer.json())["fields"]) == (
            200, {"workspace_id": "ws_1", "query": "leave", "k": 3, "tags": None},
        )  # fmt: skip
    listing = f"{house.url}/api/v1/workspaces/ws_1/documents?q=5&limit=7&state=ready,failed&state=queued&searchable=true"
    async with http.get(listing, headers=ann) as answer:
        assert (await answer.json())["fields"] == {
            "workspace_id": "ws_1", "q": "5", "limit": 7, "state": ["ready", "failed", "queued"], "searchable": True,
        }  # fmt: skip


async def test_success_has_the_status_of_its_binding_and_is_not_kept(house, http, ann):
    async with http.post(f"{house.url}/api/v1/workspaces", json={"name": "N"}, headers=ann) as answer:
        assert answer.status == 201
        assert answer.headers["Cache-Control"] == "no-store"
        assert answer.headers["X-Request-Id"].startswith("req_")
        assert answer.headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize(("body", "code", "status"), [
    (b'{"query": "x", "owner": true}', "bad_request", 422), (b'{"query": 5}', "bad_request", 422), (b"{}", "bad_request", 422),
    (b'{"query": "x", "workspace_id": "ws_2"}', "bad_request", 422), (b"{", "bad_request", 400), (b"[]", "bad_request", 400),
    (b'{"query": "\\ud800"}', "bad_request", 400), (b'{"query": "\xff"}', "bad_request", 400),
])  # fmt: skip
async def test_b5_extra_wrong_and_repeated_fields_are_refused(house, http, ann, body, code, status):
    headers = {**ann, "Content-Type": "application/json"}
    async with http.post(f"{house.url}/api/v1/workspaces/ws_1/search", data=body, headers=headers) as answer:
        error = (await answer.json())["error"]
    assert (error["code"], answer.status) == (code, status)
    assert set(error) == {"code", "message", "retryable", "request_id"}
    assert error["request_id"] == answer.headers["X-Request-Id"]
    assert house.calls == []


@pytest.mark.parametrize("query", ["nope=1", "limit=x", "limit=1&limit=2", "workspace_id=ws_2", "searchable=maybe"])
async def test_b5_query_parameters_are_as_strict(house, http, ann, query):
    async with http.get(f"{house.url}/api/v1/workspaces/ws_1/documents?{query}", headers=ann) as answer:
        assert answer.status == 422


@pytest.mark.parametrize("body", [
    b"[" * 900_000, b'{"a":' * 150_000, b"1" * 900_000, b"1e999999", b'{"query":"' + b"\\u0000" * 150_000,
])  # fmt: skip
async def test_h11_hostile_json_is_400_and_cheap(house, http, ann, body):
    headers = {**ann, "Content-Type": "application/json"}
    async with http.post(f"{house.url}/api/v1/workspaces/ws_1/search", data=body, headers=headers) as answer:
        assert answer.status == 400
    took_ms = next(line["took_ms"] for line in house.log.lines if line["event"] == "request")
    assert took_ms < 200  # 10 ms by itself; the rest is a shared machine receiving a megabyte


async def test_bodies_are_bounded_and_a_refused_client_reads_why(house, http, ann):
    headers = {**ann, "Content-Type": "application/json"}
    async with http.post(f"{house.url}/api/v1/workspaces", data=io.BytesIO(b" " * (2**20 + 1)), headers=headers) as answer:
        assert (answer.status, (await answer.json())["error"]["code"]) == (413, "too_large")

    async def endless() -> AsyncIterator[bytes]:
        for _ in range(40):
            yield b" " * 65_536

    async with http.post(f"{house.url}/api/v1/workspaces", data=endless(), headers=headers) as answer:
        assert answer.status == 413
    async with http.post(f"{house.url}/api/v1/auth/login", json={"name": "a", "password": "x" * 20_000}) as answer:
        assert answer.status == 413


async def test_a_client_that_sends_all_before_it_reads_still_reads_the_refusal(house):
    """Closing at once would reset the connection, and the answer with it."""
    at = urlsplit(house.url)
    reader, writer = await asyncio.open_connection(at.hostname, at.port)
    size = 3_000_000
    head = f"POST /api/v1/workspaces HTTP/1.1\r\nHost: {at.netloc}\r\nContent-Type: application/json\r\nContent-Length: {size}\r\n\r\n"
    writer.write(head.encode())
    for _ in range(size // 50_000):
        writer.write(b" " * 50_000)
        await writer.drain()
        await asyncio.sleep(0.001)
    answer = await reader.read()
    assert answer.startswith(b"HTTP/1.1 401")
    assert b"connection: close" in answer.lower()
    writer.close()


async def test_a_body_must_say_that_it_is_json(house, http, ann):
    async with http.post(f"{house.url}/api/v1/workspaces", data={"name": "N"}, headers=ann) as answer:
        assert (answer.status, (await answer.json())["error"]["code"]) == (415, "unsupported")
    async with http.post(f"{house.url}/api/v1/ws-ticket", headers=ann) as answer:
        assert answer.status == 200  # no body at all


@pytest.mark.parametrize(("name", "status", "retryable"), [("conflict", 409, False), ("rate", 429, True), ("model", 503, True)])
async def test_errors_have_their_status(house, http, ann, name, status, retryable):
    async with http.post(f"{house.url}/api/v1/workspaces", json={"name": name}, headers=ann) as answer:
        assert (answer.status, (await answer.json())["error"]["retryable"]) == (status, retryable)
    assert answer.headers.get("Retry-After") == ("3" if name == "rate" else None)


async def test_i4_a_defect_is_a_generic_text_and_an_id(house, http, ann):
    async with http.post(f"{house.url}/api/v1/workspaces", json={"name": "boom"}, headers=ann) as answer:
        text, error = await answer.text(), (await answer.json())["error"]
    assert (answer.status, error["code"]) == (500, "internal")
    assert "secret" not in text
    assert any(line["event"] == "request_failed" and line["request_id"] == error["request_id"] for line in house.log.lines)
    assert answer.headers["Content-Security-Policy"]


async def test_unknown_addresses_and_methods_have_the_same_shape(house, http, ann):
    async with http.get(f"{house.url}/api/v1/nothing", headers=ann) as answer:
        assert (answer.status, (await answer.json())["error"]["code"]) == (404, "not_found")
    async with http.put(f"{house.url}/api/v1/workspaces", headers=ann) as answer:
        assert (answer.status, (await answer.json())["error"]["code"]) == (405, "unsupported")
        assert set(answer.headers["Allow"].split(", ")) == {"GET", "HEAD", "POST"}


async def test_a_refusal_comes_before_the_body_is_read(house, http):
    """The client sends 10 MB slowly; the answer is there after the head."""

    async def slow():
        yield b"{"
        await asyncio.sleep(1.0)
        yield b"}"

    began = time.monotonic()
    async with http.post(f"{house.url}/api/v1/workspaces", data=slow(), headers={"Content-Type": "application/json"}) as answer:
        assert answer.status == 401
        assert time.monotonic() - began < 0.8
        assert answer.headers["WWW-Authenticate"].startswith("Bearer")


async def test_commands_answer_with_an_ack(house, http, ann):
    frame = {"type": "chat_message", "id": "c-1", "content": "hello"}
    async with http.post(f"{house.url}/api/v1/commands", json=frame, headers=ann) as answer:
        ack = await answer.json()
    assert (answer.status, ack["type"], ack["reply_to"], ack["ok"], ack["error"]) == (200, "ack", "c-1", True, None)
    for wrong, status, code in [
        ({"type": "nope", "id": "c-2"}, 400, "unknown_type"), ({"type": "user_create", "id": "c-3"}, 400, "unknown_type"),
        ({"type": "chat_message", "content": "x"}, 422, "bad_request"), ({"id": "c-4"}, 422, "bad_request"),
        ({"type": "chat_message", "id": "c-5", "content": "x", "role": "owner"}, 422, "bad_request"),
    ]:  # fmt: skip
        async with http.post(f"{house.url}/api/v1/commands", json=wrong, headers=ann) as answer:
            ack = await answer.json()
        assert (answer.status, ack["ok"], ack["error"]["code"], ack["reply_to"]) == (status, False, code, wrong.get("id"))
    async with http.post(f"{house.url}/api/v1/commands", json=frame) as answer:
        assert answer.status == 401


async def test_head_is_answered_like_get_without_a_body(house, http, ann):
    async with http.head(f"{house.url}/api/v1/me", headers=ann) as answer:
        assert (answer.status, await answer.read()) == (200, b"")
