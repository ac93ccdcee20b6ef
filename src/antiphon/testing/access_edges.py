"""The access matrix through the edges: every binding of the route table and every socket frame, sent by each actor.

`HttpEdge` and `SocketEdge` put access.py's rules on the wire against a served house. What an edge answers is `ok` or the
code of its refusal; an error that is no refusal (a conflict, a broken page) means that the caller was let in.
Tests: tests/integration/live/test_access_matrix.py.
"""

from __future__ import annotations

import itertools
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any, Final

import aiohttp
import msgspec
from msgspec import Struct

from antiphon.server.bindings import API, Binding
from antiphon.server.credentials import COOKIE
from antiphon.testing.access import EXPECTED, Actor, Outcome, Target, expected
from antiphon.testing.access_world import Credential, Objects, World
from antiphon.testing.raw_socket import RawSocket

REFUSALS: Final = frozenset({"unauthorized", "token_expired", "forbidden", "not_found"})
_numbers = itertools.count(1)


class Told(Struct, frozen=True):
    """An answer without what differs between two equal ones: the ids that were named, and that of the request."""

    outcome: Outcome
    text: str


def at_the_edge(verb: str, actor: Actor, target: Target) -> Outcome:
    """As `expected`, but credentials are looked at before everything else."""
    if EXPECTED[verb].need != "anyone":
        if actor in {Actor.SUSPENDED, Actor.REVOKED_KEY, Actor.ANONYMOUS}:
            return "unauthorized"
        if actor is Actor.EXPIRED:
            return "token_expired"
    return expected(verb, actor, target)


def headers_of(credential: Credential, origin: str) -> dict[str, str]:
    if credential.bearer is not None:
        return {"Authorization": f"Bearer {credential.bearer}"}
    return {"Cookie": f"{COOKIE}={credential.cookie}", "Origin": origin} if credential.cookie is not None else {"Origin": origin}


def named(objects: Objects) -> list[str]:
    return [str(getattr(objects, name)) for name in objects.__slots__ if name not in {"login_name", "login_password"}]


def told(body: dict[str, Any], objects: Objects) -> Told:
    text = msgspec.json.encode(body).decode()
    error: dict[str, Any] = body.get("error") or {}
    code, request_id = str(error.get("code", "ok")), str(error.get("request_id", ""))
    for ident in [*named(objects), request_id]:
        text = text.replace(ident, "ID") if ident else text
    if code == "internal":
        raise AssertionError(f"A defect of the server: {text}")
    return Told(code if code in REFUSALS else "ok", text)


class HttpEdge:
    def __init__(self, session: aiohttp.ClientSession, url: str, world: World) -> None:
        self._session = session
        self._url = url
        self._world = world

    async def ask(self, binding: Binding, actor: Actor, target: Target) -> Told:
        objects = self._world.objects[target.value]
        fields = {} if binding.verb is None else dict(EXPECTED[binding.verb].fields(objects))
        path = binding.path
        for name in list(fields):
            if "{" + name + "}" in path:
                path = path.replace("{" + name + "}", str(fields.pop(name)))
        request: dict[str, Any] = {"headers": headers_of(self._world.actors[actor.value], self._url)}
        if binding.form == "upload":
            form = aiohttp.FormData()
            form.add_field("file", b"# New\n\nwords", filename="new.md")
            request["data"] = form
        elif binding.has_body:
            request["json"] = fields
        else:
            request["params"] = {name: str(value) for name, value in fields.items()}
        return await self._send(binding.method, path, objects, request)

    async def command(self, verb: str, actor: Actor, target: Target) -> Told:
        """`POST /commands` with a frame of the verb."""
        objects = self._world.objects[target.value]
        frame = {"type": verb, "id": f"matrix {next(_numbers)}", **EXPECTED[verb].fields(objects)}
        request: dict[str, Any] = {"headers": headers_of(self._world.actors[actor.value], self._url), "json": frame}
        answer = await self._send("POST", "/commands", objects, request)
        return Told(answer.outcome, answer.text.replace(str(frame["id"]), "COMMAND"))

    async def follow(self, path: str, kind: str, actor: Actor, target: Target) -> Told:
        """A topic over SSE or long-poll; what is allowed is not read to its end."""
        objects = self._world.objects[target.value]
        request: dict[str, Any] = {
            "headers": headers_of(self._world.actors[actor.value], self._url), "params": {"topics": topic_of(kind, objects), "wait": "0"},
        }  # fmt: skip
        return await self._send("GET", path, objects, request, whole=False)

    async def _send(self, method: str, path: str, objects: Objects, request: dict[str, Any], *, whole: bool = True) -> Told:
        async with self._session.request(method, f"{self._url}{API}{path}", **request) as response:
            if response.status < 400:
                if whole:
                    await response.read()
                return Told("ok", "")
            content = await response.read()
        return told(msgspec.json.decode(content, type=dict[str, Any]), objects)


class SocketEdge:
    """`refusal`: the outcome for everything, when the socket itself was not granted."""

    def __init__(self, socket: RawSocket | None, world: World, refusal: Outcome) -> None:
        self._socket = socket
        self._world = world
        self.refusal = refusal

    @staticmethod
    @asynccontextmanager
    async def opened(url: str, world: World, actor: Actor) -> AsyncGenerator[SocketEdge]:
        async with RawSocket(url, key=None, headers=headers_of(world.actors[actor.value], url)) as socket:
            if actor is Actor.ANONYMOUS:
                await socket.send("unsubscribe", topic="user:x")
            first = await socket.receive()
            refused = first is None and socket.close_code == 4001
            yield SocketEdge(None if refused else socket, world, "unauthorized" if refused else "")

    async def command(self, verb: str, target: Target) -> Told:
        return await self._ask(verb, EXPECTED[verb].fields(self._world.objects[target.value]), target)

    async def subscribe(self, kind: str, target: Target) -> Told:
        return await self._ask("subscribe", {"topic": topic_of(kind, self._world.objects[target.value])}, target)

    async def _ask(self, verb: str, fields: dict[str, Any], target: Target) -> Told:
        if self._socket is None:
            return Told(self.refusal, "")
        ack = await self._socket.command(verb, **fields)
        body = {name: value for name, value in ack.items() if name not in {"reply_to", "timestamp"}}
        return told(body, self._world.objects[target.value])


def topic_of(kind: str, objects: Objects) -> str:
    ids = {"session": objects.session_id, "run": objects.run_id, "workspace": objects.workspace_id, "user": objects.user_id}
    return f"{kind}:{ids[kind]}"


def may_subscribe(kind: str, actor: Actor, target: Target) -> Outcome:
    """The topics' rights are those of the objects behind them; `user` names somebody else here."""
    if kind == "user":
        wanted = at_the_edge("run_get", actor, target)
        return wanted if wanted in {"unauthorized", "token_expired"} else "not_found"
    return at_the_edge({"session": "session_get", "run": "run_get", "workspace": "workspace_get"}[kind], actor, target)
