"""The whole house behind the routes: real accounts, documents and answers, and that answers.py describes them truly."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from http.cookies import SimpleCookie
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import pytest
import uvicorn

from antiphon.config.settings import Settings
from antiphon.server.answers import ANSWERS
from antiphon.server.composition import House
from antiphon.server.http_protocol import http_protocol
from antiphon.transports.uvicorn_websocket import WireWebSocketProtocol

KEY = "an-owner-key-of-more-than-32-characters"
NOTES = b"# Parking\n\nThe garage code of the north gate is 4417. Ask Mira for a badge.\n"


@pytest.fixture
async def real(tmp_path: Path) -> AsyncIterator[House]:
    house = await House.open(Settings(data_dir=tmp_path, sample=False, owner_key=KEY, port=0))
    config = uvicorn.Config(
        house.app, host="127.0.0.1", port=0, http=http_protocol(), ws=WireWebSocketProtocol, lifespan="off", log_config=None,
        access_log=False,
    )  # fmt: skip
    config.load()
    server = uvicorn.Server(config)
    server.lifespan = config.lifespan_class(config)
    await server.startup()
    house.bound_to("127.0.0.1", server.servers[0].sockets[0].getsockname()[1])
    try:
        yield house
    finally:
        await server.shutdown()
        await house.close()


class Client:
    """REST of one house; every answer is held against its description."""

    def __init__(self, house: House, session: aiohttp.ClientSession) -> None:
        self.url = next(origin for origin in house.origins.allowed if "127.0.0.1" in origin)
        self._session = session

    async def __call__(self, verb: str | None, method: str, path: str, status: int = 200, **request: Any) -> Any:
        request.setdefault("headers", {"Authorization": f"Bearer {KEY}"})
        async with self._session.request(method, f"{self.url}/api/v1{path}", **request) as answer:
            content = await answer.read()
            assert answer.status == status, content
        value = msgspec.json.decode(content)
        if verb in ANSWERS and status < 300:
            msgspec.convert(value, ANSWERS[verb])
        return value


@pytest.fixture
async def call(real: House, http: aiohttp.ClientSession) -> Client:
    return Client(real, http)


async def _ready(call: Client, workspace_id: str, names: list[tuple[str, bytes]]) -> list[dict[str, Any]]:
    form = aiohttp.FormData()
    for name, content in names:
        form.add_field("file", content, filename=name)
    added = (await call("document_add", "POST", f"/workspaces/{workspace_id}/documents", 202, data=form))["documents"]
    for _ in range(400):
        listed = (await call("document_list", "GET", f"/workspaces/{workspace_id}/documents"))["documents"]
        if all(found["state"] in {"ready", "failed"} for found in listed):
            break
        await _pause()
    return added


async def _pause() -> None:
    await asyncio.sleep(0.05)


@pytest.mark.slow
async def test_a_document_from_upload_to_answer(call):
    workspace = await call("workspace_create", "POST", "/workspaces", 201, json={"name": "Desk"})
    [added] = await _ready(call, workspace["id"], [("停车 notes.md", NOTES)])
    shown = await call("document_get", "GET", f"/documents/{added['id']}")
    assert (shown["state"], shown["name"], shown["bytes"]) == ("ready", "停车 notes.md", len(NOTES))
    found = await call("search", "POST", f"/workspaces/{workspace['id']}/search", json={"query": "garage code"})
    assert "4417" in found["passages"][0]["text"]
    page = await call("document_page_text", "GET", f"/documents/{added['id']}/pages/1/text")
    assert "4417" in page["text"]
    session = await call("session_create", "POST", "/sessions", 201, json={"workspace_id": workspace["id"]})
    frame = {"type": "chat_message", "id": "c-1", "session_id": session["id"], "content": "What is the garage code?"}
    ack = await call("command", "POST", "/commands", json=frame)
    again = await call("command", "POST", "/commands", json=frame)
    assert (again["duplicate"], again["result"]["run_id"]) == (True, ack["result"]["run_id"])
    for _ in range(100):
        messages = (await call("message_list", "GET", f"/sessions/{session['id']}/messages"))["items"]
        if messages[-1]["state"] == "complete":
            break
        await _pause()
    assert "4417" in messages[-1]["content"]
    assert messages[-1]["citations"]
    assert (await call("run_get", "GET", f"/runs/{ack['result']['run_id']}"))["state"] == "completed"
    await call("document_delete", "DELETE", f"/documents/{added['id']}")
    assert (await call(None, "GET", f"/documents/{added['id']}/original", 404))["error"]["code"] == "not_found"
    found = await call("search", "POST", f"/workspaces/{workspace['id']}/search", json={"query": "garage code"})
    assert found["passages"] == []


@pytest.mark.slow
async def test_every_other_list_and_object_is_as_described(call):
    workspace = await call("workspace_create", "POST", "/workspaces", 201, json={"name": "Desk", "k": 4})
    await call("workspace_update", "PATCH", f"/workspaces/{workspace['id']}", json={"k": 5})
    await call("workspace_get", "GET", f"/workspaces/{workspace['id']}")
    user = await call("user_create", "POST", "/users", 201, json={"name": "bea", "password": "a long enough password"})
    await call("member_put", "PUT", f"/workspaces/{workspace['id']}/members/{user['id']}", json={"role": "viewer"})
    session = await call("session_create", "POST", "/sessions", 201, json={})
    await call("session_update", "PATCH", f"/sessions/{session['id']}", json={"title": "T", "pinned": True})
    await call("session_get", "GET", f"/sessions/{session['id']}")
    await call("key_create", "POST", "/keys", 201, json={"name": "robot", "role": "viewer"})
    await call("ws_ticket", "POST", "/ws-ticket")
    for verb, path in [
        ("workspace_list", "/workspaces"), ("member_list", f"/workspaces/{workspace['id']}/members"), ("user_list", "/users"),
        ("session_list", "/sessions?limit=1"), ("key_list", "/keys"), ("me", "/me"), ("model_list", "/models"),
        ("message_list", f"/sessions/{session['id']}/messages"), ("document_list", f"/workspaces/{workspace['id']}/documents"),
    ]:  # fmt: skip
        answer = await call(verb, "GET", path)
        assert verb in {"me", "model_list", "message_list", "document_list"} or answer["items"], verb


async def test_the_one_time_link_signs_in_once(real, call, http):
    owner = await real.accounts.owner_identity()
    token = real.sign_in_links.issue(owner.user_id)
    headers = {"Origin": call.url}
    async with http.post(f"{call.url}/api/v1/auth/sign-in", json={"token": token}, headers=headers) as answer:
        assert (answer.status, (await answer.json())["user"]["id"]) == (200, owner.user_id)
        cookie = SimpleCookie(answer.headers["Set-Cookie"])["antiphon_session"].value
        assert cookie not in await answer.text()
    signed_in = {"Cookie": f"antiphon_session={cookie}", **headers}
    assert (await call("me", "GET", "/me", headers=signed_in))["id"] == owner.user_id
    await call(None, "POST", "/auth/sign-in", 401, json={"token": token}, headers=headers)
    await call("logout", "POST", "/auth/logout", headers=signed_in)
    await call(None, "GET", "/me", 401, headers=signed_in)


async def test_a_broken_off_upload_leaves_no_blob(real, call, http):
    workspace = await call("workspace_create", "POST", "/workspaces", 201, json={"name": "Desk"})
    head = b'--XX\r\nContent-Disposition: form-data; name="file"; filename="a.md"\r\n\r\n'
    headers = {"Authorization": f"Bearer {KEY}", "Content-Type": "multipart/form-data; boundary=XX"}
    url = f"/workspaces/{workspace['id']}/documents"
    await call(None, "POST", url, 400, data=head + NOTES + b"\r\n" + head + b"x" * 100, headers=headers)
    assert await real.blobs.list() == []
    form = aiohttp.FormData()
    form.add_field("file", NOTES, filename="a.md")
    [kept] = (await call("document_add", "POST", url, 202, data=form))["documents"]
    await call(None, "POST", url, 400, data=head + NOTES + b"\r\n" + head + b"x" * 100, headers=headers)
    assert len(await real.blobs.list()) == 1  # the same content, which a document refers to
    await call(None, "POST", f"/documents/{kept['id']}/cancel", 200)


async def test_b7_files_of_others_are_missing(real, call, http):
    workspace = await call("workspace_create", "POST", "/workspaces", 201, json={"name": "Desk"})
    [added] = await _ready(call, workspace["id"], [("a.md", NOTES)])
    await call("user_create", "POST", "/users", 201, json={"name": "bea", "password": "a long enough password"})
    body = {"name": "bea", "password": "a long enough password"}
    async with http.post(f"{call.url}/api/v1/auth/login", json=body) as answer:
        cookie = SimpleCookie(answer.headers["Set-Cookie"])["antiphon_session"].value
    bea = {"Cookie": f"antiphon_session={cookie}", "Origin": call.url}
    for path in ("", "/original", "/pages/1/text", "/pages/1/image?width=200", "/rects?page=1&start=0&end=1"):
        mine = await call(None, "GET", f"/documents/{added['id']}{path}", 404, headers=bea)
        missing = await call(None, "GET", f"/documents/{added['id'][:-3]}zzz{path}", 404, headers=bea)
        for error in (mine["error"], missing["error"]):
            error.pop("request_id")
        assert mine["error"]["code"] == missing["error"]["code"] == "not_found"
    form = aiohttp.FormData()
    form.add_field("file", NOTES, filename="a.md")
    await call(None, "POST", f"/workspaces/{workspace['id']}/documents", 404, data=form, headers=bea)


def multipart(*parts: tuple[str, bytes, str | None]) -> aiohttp.FormData:
    form = aiohttp.FormData()
    for name, content, filename in parts:
        form.add_field(name, content if filename else content.decode(), filename=filename)
    return form


async def test_new_content_paths_tags_and_the_outline(real, call):
    workspace = await call("workspace_create", "POST", "/workspaces", 201, json={"name": "Desk"})
    url = f"/workspaces/{workspace['id']}/documents"
    sent = multipart(
        ("path", b"n/a.md", None),
        ("file", NOTES, "a.md"),
        ("path", b"n/b.md", None),
        ("file", b"# B", "b.md"),
        ("tags", b"x,y", None),
    )
    first, second = (await call("document_add", "POST", url, 202, data=sent))["documents"]
    for _ in range(400):
        shown = await call("document_get", "GET", f"/documents/{first['id']}")
        if shown["state"] == "ready":
            break
        await asyncio.sleep(0.02)
    assert (shown["path"], shown["tags"], shown["version"]) == ("n/a.md", ["x", "y"], 1)
    again = (await call("document_add", "POST", url, 202, data=multipart(("path", b"n/a.md", None), ("file", NOTES, "a.md"))))[
        "documents"
    ]
    assert (again[0]["change"], again[0]["duplicate_of"]) == ("unchanged", first["id"])
    same = await call(
        "document_replace", "PUT", f"/documents/{first['id']}/content", 202, data=multipart(("file", NOTES, "a.md"))
    )
    assert same["change"] == "unchanged"
    newer = await call(
        "document_replace", "PUT", f"/documents/{first['id']}/content", 202, data=multipart(("file", NOTES + b"More.", "a.md"))
    )
    assert (newer["change"], newer["version"]) == ("replaced", 2)
    for _ in range(400):
        shown = await call("document_get", "GET", f"/documents/{first['id']}")
        if shown["version"] == 2:
            break
        await asyncio.sleep(0.02)
    assert (shown["version"], shown["state"]) == (2, "ready")
    outline = await call("document_outline", "GET", f"/documents/{first['id']}/outline")
    assert [(heading["title"], heading["start"]) for heading in outline["headings"]] == [("Parking", 0)]
    page = await call("document_page_text", "GET", f"/documents/{first['id']}/pages/1/text?version=2")
    assert page["anchors"] == [{"anchor": "heading:Parking", "start": 0}]
    assert (await call(None, "GET", f"/documents/{first['id']}/pages/1/text?version=1", 404))["error"]["data"] == {"version": 2}
    changed = await call("document_change", "PATCH", f"/documents/{second['id']}", json={"path": "m/b.md", "tags": []})
    assert (changed["path"], changed["tags"]) == ("m/b.md", [])
    await call(None, "PATCH", f"/documents/{second['id']}", 409, json={"path": "n/a.md", "name": "a.md"})
    await call(None, "POST", url, 422, data=multipart(("path", b"../x", None), ("file", b"x", "x.md")))
    await call(None, "PUT", f"/documents/{first['id'][:-3]}zzz/content", 404, data=multipart(("file", b"x", "a.md")))
