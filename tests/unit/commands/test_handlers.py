"""What the verbs answer. Their rights are in test_access_matrix.py."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from antiphon.access.identity import Identity
from antiphon.commands.catalogue import all_commands, command_table
from antiphon.commands.services import Services
from antiphon.config.settings import Settings
from antiphon.core.errors import AntiphonError, BadRequest, Conflict, Forbidden, NotFound, RateLimited, Unauthorized
from antiphon.core.ids import UserId
from antiphon.testing.world import memory_services

KEY = "an owner key of more than 32 characters"


class House:
    def __init__(self) -> None:
        self.services: Services = memory_services(settings=Settings(data_dir=Path("unused"), owner_key=KEY))
        self.table = command_table(self.services)

    async def call(self, verb: str, identity: Identity | None = None, **fields: Any) -> dict[str, Any]:
        result = await self.table.execute(verb, fields, identity=identity, request_id="req_test")
        msgspec.json.encode(result)  # plain JSON
        return result

    async def owner(self) -> Identity:
        await self.services.accounts.ensure_owner()
        return await self.services.accounts.authenticate_bearer(KEY)

    async def cookie(self, result: dict[str, Any]) -> Identity:
        return await self.services.accounts.authenticate_cookie(result["cookie"])


@pytest.fixture
def house() -> House:
    return House()


async def test_signing_in_by_password_and_by_link(house: House):
    owner = await house.owner()
    user = await house.call("user_create", owner, name="Ann", password="correct horse")
    result = await house.call("login", name="Ann", password="correct horse")
    assert result["user"] == {"id": user["id"], "name": "Ann"}
    ann = await house.cookie(result)
    me = await house.call("me", ann)
    assert (me["id"], me["name"], me["server_owner"], me["has_password"], me["key_role"]) == (
        user["id"],
        "Ann",
        False,
        True,
        None,
    )
    again = await house.call("login", ann, name="Ann", password="correct horse")
    with pytest.raises(Unauthorized):
        await house.call("me", ann)  # the session the request came with has ended
    assert await house.call("logout", await house.cookie(again)) == {"signed_out": True}
    assert await house.call("logout", owner) == {"signed_out": False}  # a key stays

    token = house.services.sign_in_links.issue(owner.user_id)
    linked = await house.cookie(await house.call("sign_in", token=token))
    assert linked.server_owner
    with pytest.raises(Unauthorized):
        await house.call("sign_in", token=token)
    renamed = await house.call("me_update", linked, name="Olga", password="a first password")
    assert (renamed["name"], renamed["has_password"]) == ("Olga", True)
    assert (await house.call("me", linked))["name"] == "Olga"


async def test_a_name_is_tried_so_often_a_minute_whether_there_is_such_a_user_or_not(house: House):
    await house.call("user_create", await house.owner(), name="Ann", password="correct horse")
    told: dict[str, list[str]] = {"Ann": [], "Nobody": []}
    for name, answers in told.items():
        for spelling in (name, name.upper(), f" {name}") * 4:
            with pytest.raises(AntiphonError) as caught:
                await house.call("login", name=spelling, password="wrong horse")
            answers.append(f"{caught.value.code} {caught.value} {caught.value.data}")
    assert told["Ann"] == told["Nobody"]
    assert [answer.split()[0] for answer in told["Ann"]] == ["unauthorized"] * 10 + ["rate_limited"] * 2
    with pytest.raises(RateLimited):
        await house.call("login", name="Ann", password="correct horse")
    house.services.runtime.clock.pass_time(7)  # type: ignore[attr-defined]
    assert (await house.call("login", name="Ann", password="correct horse"))["user"]["name"] == "Ann"


async def test_a_password_of_a_megabyte_is_refused_by_the_payload(house: House):
    with pytest.raises(BadRequest):
        await house.call("login", name="Ann", password="x" * 2**20)


async def test_errors_do_not_repeat_secrets(house: House):
    owner = await house.owner()
    for verb, fields in (
        ("login", {"name": "Ann", "password": ["s3cret-value"]}),
        ("login", {"name": "Ann", "password": "s3cret-value", "extra": 1}),
        ("login", {"name": "Ann", "password": "s3cret-value"}),
        ("sign_in", {"token": "s3cret-value"}),
        ("user_create", {"name": "Ann", "password": "s3cret"}),
        ("me_update", {"password": "s3cret-value", "current_password": "s3cret-value"}),
    ):
        with pytest.raises(AntiphonError) as caught:
            await house.call(verb, owner, **fields)
        assert "s3cret" not in f"{caught.value!r} {caught.value.data}", verb


async def test_users_are_suspended_by_the_server_owner(house: House):
    owner = await house.owner()
    house.services.runtime.clock.pass_time(1)  # type: ignore[attr-defined]
    user = await house.call("user_create", owner, name="Ann", password="correct horse")
    ann = await house.cookie(await house.call("login", name="Ann", password="correct horse"))
    shown = await house.call("user_update", owner, user_id=user["id"], suspended=True)
    assert (shown["suspended"], "password" in str(shown.keys() - {"has_password"})) == (True, False)
    with pytest.raises(Unauthorized):
        await house.call("me", ann)
    listed = await house.call("user_list", owner, limit=1)
    more = await house.call("user_list", owner, limit=1, cursor=listed["next_cursor"])
    assert [item["name"] for item in (*listed["items"], *more["items"])] == ["owner", "Ann"]
    assert "hash" not in str(listed)


async def test_keys_are_shown_once(house: House):
    owner = await house.owner()
    workspace = await house.call("workspace_create", owner, name="W")
    made = await house.call("key_create", owner, name="bot", workspace_id=workspace["id"], role="viewer")
    assert made["key"].startswith("ak_")
    listed = (await house.call("key_list", owner))["items"]
    assert {item["name"] for item in listed} == {"bot", "owner key"}
    assert made["key"] not in str(listed)
    bot = await house.services.accounts.authenticate_bearer(made["key"])
    assert (await house.call("me", bot))["key_role"] == "viewer"
    with pytest.raises(Forbidden):
        await house.call("workspace_update", bot, workspace_id=workspace["id"], name="mine")
    assert (await house.call("key_delete", owner, key_id=made["id"]))["revoked"]
    with pytest.raises(Unauthorized):
        await house.call("workspace_get", bot, workspace_id=workspace["id"])


async def test_tickets_are_bound_to_the_origin_the_edge_saw(house: House):
    owner = await house.owner()
    result = await house.call("ws_ticket", owner, origin="http://127.0.0.1:8000")
    assert result["expires_in_s"] == 30.0
    assert house.services.tickets.redeem(result["ticket"], origin="http://127.0.0.1:8000") == owner


async def test_workspaces(house: House):
    owner = await house.owner()
    made = await house.call("workspace_create", owner, name="手册", language="zh", k=3)
    assert {"name": "手册", "language": "zh", "k": 3, "mode": "documents_only", "role": "owner"}.items() <= made.items()
    changed = await house.call("workspace_update", owner, workspace_id=made["id"], language=None, model="scripted")
    assert (changed["language"], changed["model"], changed["k"]) == (None, "scripted", 3)
    for fields in ({"model": "unknown"}, {"k": 0}, {"mode": "closed"}, {"instructions": "x" * 9000}, {"slug": "mine"}):
        with pytest.raises(BadRequest):
            await house.call("workspace_update", owner, workspace_id=made["id"], **fields)
    user = await house.call("user_create", owner, name="Ann", password="correct horse")
    put = await house.call("member_put", owner, workspace_id=made["id"], user_id=user["id"], role="editor")
    assert (put["user_id"], put["name"], put["role"]) == (user["id"], "Ann", "editor")
    page = await house.call("member_list", owner, workspace_id=made["id"], limit=1)
    rest = await house.call("member_list", owner, workspace_id=made["id"], cursor=page["next_cursor"])
    assert {item["name"] for item in (*page["items"], *rest["items"])} == {"owner", "Ann"}
    await house.call("member_delete", owner, workspace_id=made["id"], user_id=user["id"])
    with pytest.raises(Conflict):
        await house.call("member_delete", owner, workspace_id=made["id"], user_id=owner.user_id)
    await house.call("workspace_delete", owner, workspace_id=made["id"])
    assert (await house.call("workspace_list", owner))["items"] == []


async def test_documents(house: House):
    owner = await house.owner()
    workspace = await house.call("workspace_create", owner, name="W")
    files = [{"name": "../a.md", "sha256": "ab" * 32, "bytes": 3, "media_type": "text/markdown"}]
    added = await house.call("document_add", owner, workspace_id=workspace["id"], files=files)
    (first,) = added["documents"]
    assert first == {"id": first["id"], "name": "a.md", "state": "queued", "change": "added", "version": 1}
    again = await house.call("document_add", owner, workspace_id=workspace["id"], files=files)
    assert again["documents"] == [{**first, "duplicate_of": first["id"], "change": "duplicate"}]
    for number in range(4):
        house.services.runtime.clock.pass_time(1)  # type: ignore[attr-defined]
        more = [{"name": f"{number}.md", "sha256": f"{number:064x}", "bytes": 3}]
        await house.call("document_add", owner, workspace_id=workspace["id"], files=more)
    names: list[str] = []
    cursor: str | None = None
    while True:
        page = await house.call("document_list", owner, workspace_id=workspace["id"], limit=2, cursor=cursor)
        names += [item["name"] for item in page["documents"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert names == ["3.md", "2.md", "1.md", "0.md", "a.md"]
    assert (await house.call("document_cancel", owner, document_id=first["id"]))["error"]["code"] == "cancelled"
    failed = await house.call("document_list", owner, workspace_id=workspace["id"], state="failed")
    assert [item["id"] for item in failed["documents"]] == [first["id"]]
    assert (await house.call("document_retry", owner, document_id=first["id"]))["state"] == "queued"
    original = await house.call("document_original", owner, document_id=first["id"])
    assert (original["sha256"], original["bytes"]) == ("ab" * 32, 3)
    found = await house.call("search", owner, workspace_id=workspace["id"], query="a.md")
    assert [passage["document_id"] for passage in found["passages"]] == [first["id"]]
    assert {"took_ms", "mode"} <= set(found)
    await house.call("document_delete", owner, document_id=first["id"])
    assert (await house.call("search", owner, workspace_id=workspace["id"], query="a.md"))["passages"] == []


@pytest.mark.parametrize(
    "fields",
    [
        {"files": []}, {"files": [{"name": "a", "sha256": "AB" * 32, "bytes": 1}]}, {"files": [{"name": "a", "sha256": "../x", "bytes": 1}]},
        {"files": [{"name": "a", "sha256": "ab" * 32, "bytes": -1}]}, {"files": [{"name": "a", "sha256": "ab" * 32, "bytes": 1, "id": "doc"}]},
        {"files": [{"name": "a", "sha256": "ab" * 32 + "\n", "bytes": 1}]},
    ],
)  # fmt: skip
async def test_blob_references_are_checked(house: House, fields: dict[str, Any]):
    owner = await house.owner()
    workspace = await house.call("workspace_create", owner, name="W")
    with pytest.raises(BadRequest):
        await house.call("document_add", owner, workspace_id=workspace["id"], **fields)


async def test_search_keeps_to_its_workspace_whatever_the_filter_says(house: House):
    owner = await house.owner()
    mine = await house.call("workspace_create", owner, name="mine")
    other = await house.call("workspace_create", owner, name="other")
    files = [{"name": "canary.md", "sha256": "cd" * 32, "bytes": 3}]
    hidden = (await house.call("document_add", owner, workspace_id=other["id"], files=files))["documents"][0]["id"]
    for narrowed in ({"document_ids": [hidden]}, {"document_ids": []}, {"tags": []}, {"paths": ["*"]}, {}):
        assert (await house.call("search", owner, workspace_id=mine["id"], query="canary", **narrowed))["passages"] == []
    for wrong in ({"document_ids": {"$or": []}}, {"document_ids": ["x"] * 1001}, {"workspace_ids": [other["id"]]}, {"k": 10**6}):
        with pytest.raises(BadRequest):
            await house.call("search", owner, workspace_id=mine["id"], query="canary", **wrong)


async def test_sessions(house: House):
    owner = await house.owner()
    with pytest.raises(BadRequest, match="workspace"):
        await house.call("session_create", owner)
    workspace = await house.call("workspace_create", owner, name="W")
    made = await house.call("session_create", owner, title="First")
    assert (made["workspace_id"], made["visibility"], made["pinned"]) == (workspace["id"], "private", False)
    shared = await house.call("session_update", owner, session_id=made["id"], visibility="workspace", pinned=True)
    assert (shared["visibility"], shared["pinned"], shared["title"]) == ("workspace", True, "First")
    assert (await house.call("session_get", owner, session_id=made["id"])) == shared
    assert [item["id"] for item in (await house.call("session_list", owner))["items"]] == [made["id"]]
    assert await house.call("message_list", owner, session_id=made["id"]) == {"items": [], "next_cursor": None}
    markdown = await house.call("session_export", owner, session_id=made["id"])
    assert (markdown["name"], markdown["content"]) == ("First.md", "# First\n")
    exported = await house.call("session_export", owner, session_id=made["id"], format="json")
    assert msgspec.json.decode(exported["content"])["session"]["id"] == made["id"]
    await house.call("session_delete", owner, session_id=made["id"])
    with pytest.raises(NotFound):
        await house.call("session_get", owner, session_id=made["id"])


async def test_deleting_a_session_stops_its_runs_first(house: House, monkeypatch: pytest.MonkeyPatch):
    owner = await house.owner()
    await house.call("workspace_create", owner, name="W")
    made = await house.call("session_create", owner)
    live = type("Live", (), {"run_id": "run_1"})()
    monkeypatch.setattr(house.services.runs, "live_in_session", lambda session_id: [live] if session_id == made["id"] else [])
    await house.call("session_delete", owner, session_id=made["id"])
    assert house.services.runs.stopped == ["run_1"]  # type: ignore[attr-defined]


async def test_models(house: House):
    listed = await house.call("model_list", await house.owner())
    item = {
        "id": "scripted", "provider": "scripted", "kind": "scripted", "label": "scripted", "context_window": None,
        "capabilities": [], "default": True, "available": True, "reason": None,
    }  # fmt: skip
    meaning = {"embedders": [], "default": None, "absent": "", "reranker": None, "reranker_absent": ""}
    assert listed == {"items": [item], "next_cursor": None, "default": "scripted", "meaning": meaning}


async def test_a_held_identity_is_asked_at_every_call(house: House):
    owner = await house.owner()
    user = await house.services.accounts.create_user("Ann", "correct horse")
    ann = await house.services.accounts.authenticate_cookie(await house.services.accounts.start_login(UserId(user.id)))
    await house.call("workspace_create", ann, name="mine")
    await house.call("user_update", owner, user_id=user.id, suspended=True)
    for verb, fields in (("me", {}), ("workspace_create", {"name": "x"}), ("key_create", {"name": "x"}), ("workspace_list", {})):
        with pytest.raises(Unauthorized):
            await house.call(verb, ann, **fields)


@pytest.mark.parametrize("command", all_commands(), ids=lambda command: command.verb)
def test_every_payload_is_closed_and_bounded(command: Any):
    """No text, list or dict of a payload may be of any length (frames are bounded too, but names and ids are stored)."""
    assert command.summary.endswith(".")
    info = msgspec.inspect.type_info(command.payload)
    assert isinstance(info, msgspec.inspect.StructType)
    assert info.forbid_unknown_fields
    if command.handler.__module__.endswith(("handlers.chat", "handlers.simple_profile")):
        return  # bounded by their handlers and by the frame limit
    for field in info.fields:
        assert not list(_unbounded(field.type)), f"{command.verb}.{field.name}"


def _unbounded(kind: Any) -> Any:
    inspect = msgspec.inspect
    if isinstance(kind, inspect.UnionType):
        for member in kind.types:
            yield from _unbounded(member)
    elif isinstance(kind, inspect.StrType):
        if kind.max_length is None and kind.pattern is None:
            yield kind
    elif isinstance(kind, inspect.ListType):
        if kind.max_length is None:
            yield kind
        yield from _unbounded(kind.item_type)
    elif isinstance(kind, inspect.StructType):
        assert kind.forbid_unknown_fields
        for field in kind.fields:
            yield from _unbounded(field.type)
    elif isinstance(kind, inspect.DictType):
        yield kind
