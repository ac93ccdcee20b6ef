"""The access matrix: who may do what with whose objects, said once, for handlers, HTTP and sockets alike.

`EXPECTED` names every verb of the command table; a verb that is missing there fails the tests. It is written by hand, apart
from the rights in the table: changing one without the other is what the tests see. `access_world.World.seed` makes the actors
and objects on any `Services`; `differences` tries one verb for every actor on every kind of object.
Tests: tests/unit/commands/test_access_matrix.py, tests/integration/live/test_access_matrix.py.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any, Final, Literal

from antiphon.testing.access_world import Objects, World

Need = Literal["anyone", "signed_in", "unnarrowed", "viewer", "editor", "owner", "author", "stopper", "key_owner", "server_owner"]
"""`author`: only who began the session. `stopper`: the author of the question or an editor. `unnarrowed`: not a narrowed key."""
Outcome = str
"""`ok`, or the code of the error."""


class Actor(Enum):
    """Who asks. All roles are roles in the workspace under test."""

    ANONYMOUS = "anonymous"
    OWNER = "owner"
    EDITOR = "editor"
    VIEWER = "viewer"
    OUTSIDER = "outsider"
    """Owns another workspace, is no member of this one."""
    SERVER_OWNER = "server_owner"
    """Rules the server, but is no member of the workspace."""
    SUSPENDED = "suspended"
    """Was an editor; its identity is still held by an open socket."""
    REVOKED_KEY = "revoked_key"
    """The owner's key, revoked while its identity is held by an open socket."""
    EXPIRED = "expired"
    """The owner's cookie session, past its end."""
    NARROW_KEY = "narrow_key"
    """The owner's key, narrowed to this workspace and to viewer."""
    ELSEWHERE_KEY = "elsewhere_key"
    """The owner's key, narrowed to another workspace."""


class Target(Enum):
    """Whose object is named."""

    OWN = "own"
    """Of the workspace under test; its session is shared by the editor."""
    PRIVATE = "private"
    """As OWN, but the editor's session is private."""
    FOREIGN = "foreign"
    """Of a workspace that no actor is a member of."""
    DELETED = "deleted"
    RANDOM = "random"
    """Ids of the right form that never were."""


@dataclass(frozen=True, slots=True)
class Rule:
    """`fields`: the payload for the given objects. `named`: whether it names an object that may be foreign or gone."""

    need: Need
    fields: Callable[[Objects], dict[str, Any]]
    named: bool = True
    session: bool = False
    """The object is a session, or hangs on one: then PRIVATE differs from OWN."""


def _none(_: Objects) -> dict[str, Any]:
    return {}


def _workspace(o: Objects) -> dict[str, Any]:
    return {"workspace_id": o.workspace_id}


def _document(o: Objects) -> dict[str, Any]:
    return {"document_id": o.document_id}


def _session(o: Objects) -> dict[str, Any]:
    return {"session_id": o.session_id}


def _run(o: Objects) -> dict[str, Any]:
    return {"run_id": o.run_id}


def _answer(o: Objects) -> dict[str, Any]:
    return {"message_id": o.answer_id}


def _page(o: Objects, **more: Any) -> dict[str, Any]:
    return {"document_id": o.document_id, "page": 1, **more}


def _file(o: Objects) -> dict[str, Any]:
    return {"workspace_id": o.workspace_id, "files": [{"name": "new.md", "sha256": "ab" * 32, "bytes": 3}]}


EXPECTED: Final[Mapping[str, Rule]] = {
    "login": Rule("anyone", lambda o: {"name": o.login_name, "password": o.login_password}, named=False),
    "sign_in": Rule("anyone", lambda o: {"token": o.sign_in_token}, named=False),
    "logout": Rule("signed_in", _none, named=False),
    "me": Rule("signed_in", _none, named=False),
    "me_update": Rule("unnarrowed", lambda _: {"name": "somebody new"}, named=False),
    "ws_ticket": Rule("signed_in", _none, named=False),
    "user_create": Rule("server_owner", lambda _: {"name": "new", "password": "long enough"}, named=False),
    "user_list": Rule("server_owner", _none, named=False),
    "user_update": Rule("server_owner", lambda o: {"user_id": o.user_id, "suspended": True}, named=False),
    "key_create": Rule("unnarrowed", lambda _: {"name": "new"}, named=False),
    "key_list": Rule("signed_in", _none, named=False),
    "key_delete": Rule("key_owner", lambda o: {"key_id": o.key_id}),
    "workspace_create": Rule("unnarrowed", lambda _: {"name": "new"}, named=False),
    "workspace_list": Rule("signed_in", _none, named=False),
    "workspace_get": Rule("viewer", _workspace),
    "workspace_update": Rule("owner", lambda o: {**_workspace(o), "name": "renamed"}),
    "workspace_delete": Rule("owner", _workspace),
    "index_get": Rule("viewer", _workspace),
    "index_update": Rule("owner", lambda o: {**_workspace(o), "chunk_characters": 500}),
    "index_start": Rule("owner", _workspace),
    "index_cancel": Rule("owner", _workspace),
    "member_list": Rule("viewer", _workspace),
    "member_put": Rule("owner", lambda o: {**_workspace(o), "user_id": o.user_id, "role": "viewer"}),
    "member_delete": Rule("owner", lambda o: {**_workspace(o), "user_id": o.member_id}),
    "document_add": Rule("editor", _file),
    "document_list": Rule("viewer", _workspace),
    "document_get": Rule("viewer", _document),
    "document_delete": Rule("editor", _document),
    "document_retry": Rule("editor", lambda o: {"document_id": o.failed_document_id}),
    "document_cancel": Rule("editor", lambda o: {"document_id": o.queued_document_id}),
    "document_change": Rule("editor", lambda o: {**_document(o), "tags": ["moved"]}),
    "document_replace": Rule("editor", lambda o: {**_document(o), "files": [{"name": "b.md", "sha256": "ef" * 32, "bytes": 3}]}),
    "document_outline": Rule("viewer", _document),
    "document_page_text": Rule("viewer", _page),
    "document_rects": Rule("viewer", lambda o: _page(o, start=0, end=4)),
    "document_page_image": Rule("viewer", _page),
    "document_original": Rule("viewer", _document),
    "url_add": Rule("editor", lambda o: {**_workspace(o), "url": "http://192.0.2.1/page"}),
    "crawl_get": Rule("viewer", lambda o: {"crawl_id": o.crawl_id}),
    "crawl_cancel": Rule("editor", lambda o: {"crawl_id": o.crawl_id}),
    "watch_add": Rule("owner", lambda o: {**_workspace(o), "url": "http://192.0.2.1/other"}),
    "watch_list": Rule("editor", _workspace),
    "watch_get": Rule("editor", lambda o: {"watch_id": o.watch_id}),
    "watch_change": Rule("owner", lambda o: {"watch_id": o.watch_id, "paused": True}),
    "watch_delete": Rule("owner", lambda o: {"watch_id": o.watch_id}),
    "watch_sync": Rule("editor", lambda o: {"watch_id": o.watch_id}),
    "search": Rule("viewer", lambda o: {**_workspace(o), "query": "canary"}),
    "session_create": Rule("viewer", _workspace),
    "session_list": Rule("viewer", _workspace),
    "session_get": Rule("viewer", _session, session=True),
    "session_update": Rule("author", lambda o: {**_session(o), "title": "renamed"}, session=True),
    "session_delete": Rule("author", _session, session=True),
    "session_export": Rule("viewer", _session, session=True),
    "message_list": Rule("viewer", _session, session=True),
    "model_list": Rule("signed_in", _none, named=False),
    "suggestion_dismiss": Rule("author", lambda o: {**_session(o), "suggestion_id": "sug_none"}, session=True),
    "model_test": Rule("server_owner", lambda _: {"base_url": "http://127.0.0.1:9/v1"}, named=False),
    "model_discover": Rule("server_owner", _none, named=False),
    "provider_create": Rule("server_owner", lambda _: {"slug": "new", "base_url": "http://127.0.0.1:9/v1"}, named=False),
    "provider_list": Rule("server_owner", _none, named=False),
    "provider_get": Rule("server_owner", lambda o: {"provider_id": o.provider_id}, named=False),
    "provider_update": Rule("server_owner", lambda o: {"provider_id": o.provider_id, "label": "renamed"}, named=False),
    "provider_delete": Rule("server_owner", lambda o: {"provider_id": o.provider_id}, named=False),
    "chat_message": Rule("viewer", lambda o: {**_session(o), "content": "And now?"}, session=True),
    "history": Rule("viewer", lambda o: {"topic": f"session:{o.session_id}"}, session=True),
    "session_open": Rule("viewer", lambda o: {"workspace_id": o.workspace_id, "reference": o.session_id}, session=True),
    "workspace_find": Rule("viewer", lambda o: {"reference": o.workspace_id}),
    "stop": Rule("stopper", _run, session=True),
    "run_stop": Rule("stopper", _run, session=True),
    "run_get": Rule("viewer", _run, session=True),
    "regenerate": Rule("viewer", _answer, session=True),
    "edit_message": Rule("stopper", lambda o: {"message_id": o.question_id, "content": "Rather?"}, session=True),
    "switch_branch": Rule("viewer", _answer, session=True),
    "feedback": Rule("viewer", lambda o: {**_answer(o), "rating": "good"}, session=True),
    "queue_change": Rule("stopper", lambda o: {"run_id": o.waiting_run_id, "content": "Rather?"}, session=True),
    "queue_send": Rule("stopper", lambda o: {"run_id": o.waiting_run_id}, session=True),
    "run_replay": Rule("viewer", lambda o: {**_run(o), "wait_s": 0}, session=True),
}

_NOT_SIGNED_IN: Final = frozenset({Actor.ANONYMOUS, Actor.SUSPENDED, Actor.REVOKED_KEY})
_RANK: Final[Mapping[Actor, int]] = {Actor.OWNER: 3, Actor.EDITOR: 2, Actor.VIEWER: 1, Actor.NARROW_KEY: 1}
_LEAST: Final[Mapping[str, int]] = {"viewer": 1, "editor": 2, "owner": 3}


def expected(verb: str, actor: Actor, target: Target) -> Outcome:
    """What must happen. Raises KeyError for a verb that nobody has thought about."""
    rule = EXPECTED[verb]
    if rule.need == "anyone":
        return "ok"
    if actor in _NOT_SIGNED_IN:
        return _server_first(rule, actor, "unauthorized")
    if actor is Actor.EXPIRED:
        return _server_first(rule, actor, "token_expired")
    if not rule.named:
        return _without_object(rule.need, actor)
    if rule.need == "key_owner":
        return "ok" if actor is Actor.EDITOR and target is Target.OWN else "not_found"
    if target not in {Target.OWN, Target.PRIVATE} or actor not in _RANK:
        return "not_found"
    if target is Target.PRIVATE and rule.session:
        return "ok" if actor is Actor.EDITOR else "not_found"
    if rule.need in {"author", "stopper"}:
        return "ok" if actor is Actor.EDITOR or (rule.need == "stopper" and _RANK[actor] >= 2) else "forbidden"
    return "ok" if _RANK[actor] >= _LEAST[rule.need] else "forbidden"


def _server_first(rule: Rule, actor: Actor, outcome: Outcome) -> Outcome:
    """Whether a held identity rules the server is looked at before whether it is still good: none of these actors does."""
    return "forbidden" if rule.need == "server_owner" and actor is not Actor.ANONYMOUS else outcome


def _without_object(need: Need, actor: Actor) -> Outcome:
    if need == "server_owner":
        return "ok" if actor is Actor.SERVER_OWNER else "forbidden"
    if need == "unnarrowed":
        return "forbidden" if actor in {Actor.NARROW_KEY, Actor.ELSEWHERE_KEY} else "ok"
    return "ok"


Execute = Callable[[World, Actor, str, dict[str, Any]], Awaitable[Outcome]]
"""Sends one command as the actor, over whatever is under test."""


async def differences(verb: str, make_world: Callable[[], Awaitable[World]], execute: Execute) -> list[str]:
    """One line for each actor and target whose outcome is not the expected one. A world in which something succeeded is
    not used again."""
    rule = EXPECTED[verb]
    targets = list(Target) if rule.named else [Target.OWN]
    if not rule.session and rule.named:
        targets.remove(Target.PRIVATE)
    found: list[str] = []
    world = await make_world()
    for actor in Actor:
        for target in targets:
            outcome = await execute(world, actor, verb, rule.fields(world.objects[target.value]))
            wanted = expected(verb, actor, target)
            if outcome != wanted:
                found.append(f"{verb} by {actor.value} on {target.value}: {outcome}, expected {wanted}")
            if outcome == "ok":
                world = await make_world()
    return found
